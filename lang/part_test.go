package lang

import (
	"reflect"
	"slices"
	"testing"

	"github.com/zclconf/go-cty/cty"
)

// TestParts: the short ways into a value say what cty says.
func TestParts(t *testing.T) {
	secret := cty.StringVal("s").WithMarks(Sensitive)
	writeOnly := cty.NullVal(cty.String).WithMarks(Sensitive)
	some := []cty.Value{cty.StringVal("b"), cty.NullVal(cty.String), cty.UnknownVal(cty.String)}
	m := map[string]cty.Value{"b": cty.StringVal("1"), "a": secret, "n": cty.NullVal(cty.String), "u": cty.UnknownVal(cty.String), "w": writeOnly}
	for name, v := range map[string]cty.Value{
		"nothing": cty.NilVal, "object": cty.ObjectVal(m), "map": cty.MapVal(m), "no map": cty.NullVal(cty.Map(cty.String)), "no object": cty.NullVal(cty.EmptyObject),
		"empty": cty.EmptyObjectVal, "unknown": cty.UnknownVal(cty.Object(map[string]cty.Type{"a": cty.String})), "marked": cty.ObjectVal(m).WithMarks(Sensitive),
		"list": cty.ListVal(some), "tuple": cty.TupleVal(append(some, cty.True)), "set": cty.SetVal(some[:2]), "empty list": cty.ListValEmpty(cty.Bool),
	} {
		listed := v != cty.NilVal && v.Type().IsListType() || v.Type().IsSetType() || v.Type().IsTupleType()
		if listed {
			if got := AppendElements([]cty.Value{secret}, v); !slices.EqualFunc(got[1:], v.AsValueSlice(), cty.Value.RawEquals) || !got[0].RawEquals(secret) {
				t.Errorf("%s has the elements %#v", name, got)
			}
			continue
		}
		for _, key := range []string{"a", "b", "n", "u", "w", "x"} {
			want := cty.NilVal
			if v != cty.NilVal && !v.IsNull() && v.Type().IsObjectType() && v.Type().HasAttribute(key) {
				want = v.GetAttr(key)
			} else if v != cty.NilVal && !v.IsNull() && v.Type().IsMapType() && v.HasIndex(cty.StringVal(key)).True() {
				want = v.Index(cty.StringVal(key))
			}
			got := Part(v, key)
			if got == cty.NilVal || want == cty.NilVal {
				if got != want {
					t.Errorf("%s, %s: %#v, want %#v", name, key, got, want)
				}
			} else if !got.RawEquals(want) {
				t.Errorf("%s, %s: %#v, want %#v", name, key, got, want)
			}
			if Absent(got) != (want == cty.NilVal || !want.IsMarked() && want.IsKnown() && want.IsNull()) {
				t.Errorf("%s, %s: absent %v", name, key, Absent(got))
			}
		}
	}
	for name, v := range map[string]cty.Value{"object": cty.ObjectVal(m), "map": cty.MapVal(m)} {
		if got := AppendKeys([]string{"z"}, v); !slices.Equal(got, []string{"z", "a", "b", "n", "u", "w"}) {
			t.Errorf("%s has the keys %q", name, got)
		}
	}
}

// TestFields: a reader gives the parts of objects of its type, of another, and of what is no object.
func TestFields(t *testing.T) {
	names := []string{"b", "x", "a", "n"}
	f := NewFields(names)
	m := map[string]cty.Value{"a": cty.StringVal("1"), "b": cty.UnknownVal(cty.Bool), "c": cty.True, "n": cty.NullVal(cty.Number)}
	other := map[string]cty.Value{"a": cty.Zero, "x": cty.True.WithMarks(Sensitive)}
	for _, v := range []cty.Value{
		cty.ObjectVal(m), cty.ObjectVal(other), WithAttributes(cty.ObjectVal(m), map[string]cty.Value{"a": cty.StringVal("2")}), cty.EmptyObjectVal,
		cty.NilVal, cty.NullVal(cty.Object(map[string]cty.Type{"a": cty.String})), cty.MapVal(map[string]cty.Value{"a": cty.True}), cty.UnknownVal(cty.EmptyObject),
		cty.ObjectVal(m),
	} {
		got := make([]cty.Value, len(names))
		f.Read(got, v)
		for i, name := range names {
			if want := Part(v, name); (got[i] == cty.NilVal) != (want == cty.NilVal) || want != cty.NilVal && !got[i].RawEquals(want) {
				t.Errorf("%s of %#v: %#v, want %#v", name, v, got[i], want)
			}
		}
	}
}

// TestScalar: of nothing but known texts, bools and numbers.
func TestScalar(t *testing.T) {
	number := cty.MustParseNumberVal("1.5")
	for _, tc := range []struct {
		v    cty.Value
		want any
	}{
		{cty.StringVal("a"), "a"}, {cty.StringVal(""), ""}, {cty.False, false}, {number, number.AsBigFloat()},
		{cty.NilVal, nil}, {cty.NullVal(cty.String), nil}, {cty.UnknownVal(cty.String), nil}, {cty.StringVal("a").WithMarks(Sensitive), nil},
		{cty.ListVal([]cty.Value{cty.True}), nil}, {cty.EmptyObjectVal, nil}, {cty.DynamicVal, nil},
	} {
		if got := Scalar(tc.v); !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%#v: %#v", tc.v, got)
		}
	}
}
