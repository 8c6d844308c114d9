package functions

import (
	"fmt"
	"testing"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// TestConvert: the linear way gives what cty gives, errors included.
func TestConvert(t *testing.T) {
	var texts, mixed, objects, wrong []cty.Value
	attrs := map[string]cty.Value{}
	for i := range 2 * wideEnough {
		s := cty.StringVal(fmt.Sprint(i))
		texts, attrs[fmt.Sprintf("k%d", i)] = append(texts, s), cty.NumberIntVal(int64(i))
		objects = append(objects, cty.ObjectVal(map[string]cty.Value{"a": s}))
		if mixed = append(mixed, s); i%2 == 0 {
			mixed[i] = cty.NumberIntVal(int64(i))
		}
		if wrong = append(wrong, s); i == 70 {
			wrong[i] = cty.EmptyTupleVal
		}
	}
	unknown := append([]cty.Value{cty.UnknownVal(cty.String), cty.NullVal(cty.String)}, texts...)
	any := cty.DynamicPseudoType
	for name, tc := range map[string]struct {
		v  cty.Value
		ty cty.Type
	}{
		"list":     {cty.TupleVal(texts), cty.List(cty.String)},
		"numbers":  {cty.TupleVal(texts), cty.List(cty.Number)},
		"mixed":    {cty.TupleVal(mixed), cty.List(any)},
		"set":      {cty.TupleVal(append(texts, texts...)), cty.Set(any)},
		"unknown":  {cty.TupleVal(unknown), cty.List(any)},
		"objects":  {cty.TupleVal(objects), cty.List(cty.Object(map[string]cty.Type{"a": cty.Number}))},
		"any kind": {cty.TupleVal(objects), cty.List(any)},
		"map":      {cty.ObjectVal(attrs), cty.Map(cty.String)},
		"any map":  {cty.ObjectVal(attrs), cty.Map(any)},
		"wrong":    {cty.TupleVal(wrong), cty.List(cty.String)},
		"no list":  {cty.StringVal("x"), cty.List(cty.String)},
	} {
		got, err := Convert(tc.v, tc.ty)
		want, wantErr := convert.Convert(tc.v, tc.ty)
		if fmt.Sprint(err) != fmt.Sprint(wantErr) || err == nil && !got.RawEquals(want) {
			t.Errorf("%s: %#v, %v instead of %#v, %v", name, got, err, want, wantErr)
		}
	}
	// Comparing each with each would take minutes.
	many := make([]cty.Value, 200_000)
	for i := range many {
		many[i] = cty.StringVal("x")
	}
	if got, err := Convert(cty.TupleVal(many), cty.Set(any)); err != nil || got.LengthInt() != 1 {
		t.Errorf("%#v, %v", got, err)
	}
}
