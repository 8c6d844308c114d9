package lang

import (
	"testing"

	"github.com/zclconf/go-cty/cty"
)

// Same says of every two of these what RawEquals says.
func TestSame(t *testing.T) {
	ty := cty.Object(map[string]cty.Type{"a": cty.String, "l": cty.List(cty.String)})
	object := func(a string, l ...string) cty.Value {
		elems := make([]any, len(l))
		for i, s := range l {
			elems[i] = s
		}
		return fromRaw(ty, map[string]any{"a": a, "l": elems})
	}
	plain := []cty.Value{
		cty.StringVal("x"), cty.StringVal("y"), cty.StringVal(""), cty.NullVal(cty.String), cty.UnknownVal(cty.String), cty.UnknownVal(cty.String).RefineNotNull(),
		cty.NumberIntVal(1), cty.MustParseNumberVal("1.0"), cty.NumberFloatVal(1.5), cty.True, cty.False, cty.NullVal(cty.Bool),
		cty.DynamicVal, cty.NullVal(cty.DynamicPseudoType), cty.StringVal("x").WithMarks(Sensitive), cty.UnknownVal(cty.String).WithMarks(Sensitive),
		cty.ListValEmpty(cty.String), cty.SetVal([]cty.Value{cty.StringVal("x"), cty.StringVal("y")}), cty.SetVal([]cty.Value{cty.StringVal("y"), cty.StringVal("x")}),
		cty.EmptyObjectVal, cty.EmptyTupleVal, cty.MapValEmpty(cty.String), cty.NullVal(ty), cty.UnknownVal(ty),
		object("x", "y"), object("x", "y"), object("x"), object("z", "y"), object("x", "y").WithMarks(Sensitive),
	}
	values := append([]cty.Value{cty.NilVal}, plain...)
	for _, v := range plain {
		values = append(values, cty.TupleVal([]cty.Value{v}), cty.ObjectVal(map[string]cty.Value{"v": v}), cty.ObjectVal(map[string]cty.Value{"v": v}))
		if v.Type() != cty.DynamicPseudoType {
			values = append(values, cty.ListVal([]cty.Value{v}), cty.MapVal(map[string]cty.Value{"v": v}), cty.MapVal(map[string]cty.Value{"w": v}), cty.ListVal([]cty.Value{v, v}))
		}
	}
	for _, v := range values[1:] {
		if Plain(v) && (v.ContainsMarked() || !v.IsWhollyKnown()) {
			t.Errorf("%#v is taken for plain", v)
		}
	}
	for _, a := range values {
		for _, b := range values {
			want := a == cty.NilVal && b == cty.NilVal
			if a != cty.NilVal && b != cty.NilVal {
				want = a.RawEquals(b)
			}
			if got := Same(a, b); got != want {
				t.Errorf("%#v and %#v: %v, and by RawEquals %v", a, b, got, want)
			}
		}
	}
}
