package environment_test

import (
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/providers/data/datatest"
	"github.com/stowage-iac/stowage/providers/data/environment"
)

var reader = datatest.Reader{Source: environment.Source{}}

func TestEnvironment(t *testing.T) {
	t.Setenv("STOWAGE_TEST_A", "a")
	t.Setenv("STOWAGE_TEST_EMPTY", "")
	args := datatest.Args{
		"names": datatest.Strs("STOWAGE_TEST_A", "STOWAGE_TEST_EMPTY"),
		"defaults": cty.MapVal(map[string]cty.Value{
			"STOWAGE_TEST_NONE": datatest.Str("default"), "STOWAGE_TEST_NULL": cty.NullVal(cty.String),
			"STOWAGE_TEST_A": datatest.Str("not this"),
		}),
	}
	v := reader.Must(t, args)
	for name, e := range v.GetAttr("values").AsValueMap() {
		if !lang.IsSensitive(e) {
			t.Errorf("%s is not sensitive", name)
		}
	}
	args["sensitive"] = cty.False
	v = reader.Must(t, args)
	want := cty.MapVal(map[string]cty.Value{
		"STOWAGE_TEST_A": datatest.Str("a"), "STOWAGE_TEST_EMPTY": datatest.Str(""),
		"STOWAGE_TEST_NONE": datatest.Str("default"), "STOWAGE_TEST_NULL": cty.NullVal(cty.String),
	})
	if !v.GetAttr("values").RawEquals(want) {
		t.Errorf("%#v", v.GetAttr("values"))
	}
	if v := reader.Must(t, nil); v.GetAttr("values").LengthInt() != 0 {
		t.Errorf("%#v", v)
	}
}

func TestRefused(t *testing.T) {
	t.Setenv("STOWAGE_TEST_GARBLED", "\xff")
	// All that are missing are told at once.
	reader.Refused(t, datatest.Args{"names": datatest.Strs("STOWAGE_TEST_Z", "STOWAGE_TEST_Y")}, "STOWAGE_TEST_Y, STOWAGE_TEST_Z", "defaults")
	reader.Refused(t, datatest.Args{"names": datatest.Strs("STOWAGE_TEST_GARBLED")}, "not UTF-8 text")
	for _, name := range []string{"", "A=B", "A\x00"} {
		if environment.Source.Schema(environment.Source{}).Attributes["names"].Validate(datatest.Strs(name)) == nil {
			t.Errorf("the name %q is accepted", name)
		}
	}
}
