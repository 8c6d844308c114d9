package lang

import (
	"testing"

	"github.com/zclconf/go-cty/cty"
)

// TestWithAttributes: the short way gives the value that the public way gives.
func TestWithAttributes(t *testing.T) {
	secret := cty.StringVal("s").WithMarks(Sensitive)
	obj := cty.ObjectVal(map[string]cty.Value{"a": cty.StringVal("1"), "n": cty.NullVal(cty.Number), "s": secret, "l": cty.ListValEmpty(cty.String)})
	for name, set := range map[string]map[string]cty.Value{
		"same type":    {"a": cty.StringVal("2"), "n": cty.NumberIntVal(3)},
		"unknown":      {"a": cty.UnknownVal(cty.String).RefineNotNull(), "l": cty.UnknownVal(cty.List(cty.String))},
		"sensitive":    {"a": secret, "s": cty.StringVal("plain")},
		"null":         {"a": cty.NullVal(cty.String)},
		"other type":   {"a": cty.True, "l": cty.EmptyTupleVal},
		"no type":      {"a": cty.DynamicVal},
		"another one":  {"b": cty.True},
		"nothing":      {},
		"list of some": {"l": cty.ListVal([]cty.Value{cty.StringVal("x")})},
	} {
		want := obj.AsValueMap()
		for k, v := range set {
			want[k] = v
		}
		got := WithAttributes(obj, set)
		if !got.RawEquals(cty.ObjectVal(want)) {
			t.Errorf("%s: %#v", name, got)
		}
		if v := obj.GetAttr("a"); v.AsString() != "1" {
			t.Fatalf("%s changed the object itself: %#v", name, v)
		}
	}
	if got := WithAttributes(cty.EmptyObjectVal, map[string]cty.Value{"a": cty.True}); !got.GetAttr("a").True() {
		t.Errorf("of nothing: %#v", got)
	}
}
