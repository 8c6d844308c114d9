package planner

import (
	"fmt"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
	"pgregory.net/rapid"

	"github.com/stowage-iac/stowage/lang"
)

// What the codec writes, cty's own decoder reads, and the other way round: a state
// is plain cty JSON for whoever looks at it with other tools.
func TestCodecAgreesWithCty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ty := drawType(t, 3, true)
		v := drawValue(t, ty)
		c := newCodec(ty)
		e, err := c.encode(v)
		if err != nil {
			t.Fatal(err)
		}
		back, err := newDecoder().decode(c, e.JSON)
		if err != nil || !back.RawEquals(v) {
			t.Fatalf("%s decodes to %#v, %v; it was %#v", e.JSON, back, err, v)
		}
		theirs, err := ctyjson.Unmarshal(e.JSON, ty)
		if err != nil || !theirs.RawEquals(v) {
			t.Fatalf("cty reads %s as %#v, %v; it was %#v", e.JSON, theirs, err, v)
		}
		raw, err := ctyjson.Marshal(v, ty)
		if err != nil {
			t.Fatal(err)
		}
		if back, err = newDecoder().decode(c, raw); err != nil || !back.RawEquals(v) {
			t.Fatalf("cty's %s decodes to %#v, %v; it was %#v", raw, back, err, v)
		}
	})
}

// Marks and unknowns are kept apart from the JSON, and come back where they were.
func TestCodecKeepsMarksAndUnknowns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ty := drawType(t, 3, false) // cty itself hoists marks out of sets
		v := drawValue(t, ty)
		v, err := cty.Transform(v, func(_ cty.Path, v cty.Value) (cty.Value, error) {
			switch {
			case rapid.IntRange(0, 5).Draw(t, "leave") > 0:
				return v, nil
			case rapid.Bool().Draw(t, "mark"):
				return v.WithMarks(lang.Sensitive), nil
			default:
				return cty.UnknownVal(v.Type()), nil
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		c := newCodec(ty)
		e, err := c.encode(v)
		if err != nil {
			t.Fatal(err)
		}
		back, err := newDecoder().decode(c, e.JSON)
		if err == nil {
			back, err = restore(back, e.Sensitive, e.Unknown)
		}
		if c.known(v) != v.IsWhollyKnown() {
			t.Fatalf("%#v: wholly known is %v", v, v.IsWhollyKnown())
		}
		if err != nil || !back.RawEquals(v) {
			t.Fatalf("%s (sensitive %q, unknown %q) decodes to %#v, %v; it was %#v", e.JSON, e.Sensitive, e.Unknown, back, err, v)
		}
	})
}

// A newer version's attributes are skipped; nothing else that does not fit passes.
func TestDecodeRefuses(t *testing.T) {
	c := newCodec(cty.Object(map[string]cty.Type{"a": cty.String, "n": cty.Number, "l": cty.List(cty.Bool)}))
	for _, tc := range []struct {
		in string
		ok bool
	}{
		{`{"a":"x","newer":{"deep":[1,{"x":"]}"}]},"n":1}`, true},
		{` { "a" : null , "l" : [ true , false ] } `, true},
		{`{"a":"\u00e4\n\"\\"}`, true},
		{`{"n":1e2}`, true},
		{`{"n":1e999999999}`, false},
		{`{"a":1}`, false},
		{`{"l":[true,]}`, false},
		{`{"l":true}`, false},
		{`{"a":"x"`, false},
		{`{"a":"x"}}`, false},
		{`{"a" "x"}`, false},
		{`[]`, false},
		{``, false},
		{`{"a":"x`, false},
	} {
		v, err := newDecoder().decode(c, []byte(tc.in))
		if (err == nil) != tc.ok {
			t.Errorf("%s: %#v, %v", tc.in, v, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"a":"x","m":{"k":"v"},"l":[1,2.5,-3e2],"o":[{"s":["x"],"b":true}]}`))
	f.Add([]byte(`{"l":[[[[`))
	ty := cty.Object(map[string]cty.Type{
		"a": cty.String, "m": cty.Map(cty.String), "l": cty.List(cty.Number), "d": cty.DynamicPseudoType,
		"o": cty.List(cty.Object(map[string]cty.Type{"s": cty.Set(cty.String), "b": cty.Bool})),
	})
	f.Fuzz(func(t *testing.T, in []byte) {
		c := newCodec(ty)
		v, err := newDecoder().decode(c, in)
		if err != nil {
			return
		}
		e, err := c.encode(v)
		if err != nil {
			t.Fatalf("%s was decoded and cannot be encoded: %v", in, err)
		}
		back, err := newDecoder().decode(c, e.JSON)
		if err != nil || !back.RawEquals(v) {
			t.Fatalf("%s → %s → %#v, %v", in, e.JSON, back, err)
		}
	})
}

func drawType(t *rapid.T, depth int, sets bool) cty.Type {
	n := 3
	if depth > 0 {
		n = 8
	}
	switch rapid.IntRange(1, n).Draw(t, "type") {
	case 1:
		return cty.String
	case 2:
		return cty.Number
	case 3:
		return cty.Bool
	case 4:
		return cty.List(drawType(t, depth-1, sets))
	case 5:
		return cty.Map(drawType(t, depth-1, sets))
	case 6:
		if !sets {
			return cty.List(cty.String)
		}
		return cty.Set(cty.String)
	case 7:
		return cty.Tuple([]cty.Type{drawType(t, depth-1, sets), cty.String})
	default:
		m := map[string]cty.Type{}
		for _, name := range []string{"a", "bb", "c_c"} {
			m[name] = drawType(t, depth-1, sets)
		}
		return cty.Object(m)
	}
}

func drawValue(t *rapid.T, ty cty.Type) cty.Value {
	if rapid.IntRange(0, 5).Draw(t, "null") == 0 {
		return cty.NullVal(ty)
	}
	switch {
	case ty == cty.String:
		return cty.StringVal(rapid.StringN(0, 8, 40).Draw(t, "s"))
	case ty == cty.Number:
		if rapid.Bool().Draw(t, "int") {
			return cty.NumberIntVal(rapid.Int64().Draw(t, "n"))
		}
		return cty.MustParseNumberVal(rapid.SampledFrom([]string{"0.1", "-2.5", "1e30", "123456789012345678901234567890", "3.14159265358979"}).Draw(t, "f"))
	case ty == cty.Bool:
		return cty.BoolVal(rapid.Bool().Draw(t, "b"))
	case ty.IsObjectType():
		m := map[string]cty.Value{}
		for name, aty := range ty.AttributeTypes() {
			m[name] = drawValue(t, aty)
		}
		return cty.ObjectVal(m)
	case ty.IsTupleType():
		var l []cty.Value
		for _, ety := range ty.TupleElementTypes() {
			l = append(l, drawValue(t, ety))
		}
		return cty.TupleVal(l)
	}
	n := rapid.IntRange(0, 3).Draw(t, "len")
	switch {
	case ty.IsMapType():
		m := map[string]cty.Value{}
		for range n {
			m[rapid.StringN(0, 4, 12).Draw(t, "key")] = drawValue(t, ty.ElementType())
		}
		if len(m) == 0 {
			return cty.MapValEmpty(ty.ElementType())
		}
		return cty.MapVal(m)
	case ty.IsSetType():
		if n == 0 {
			return cty.SetValEmpty(ty.ElementType())
		}
		var l []cty.Value
		for range n {
			l = append(l, cty.StringVal(rapid.StringN(0, 4, 12).Draw(t, "elem")))
		}
		return cty.SetVal(l)
	default:
		if n == 0 {
			return cty.ListValEmpty(ty.ElementType())
		}
		var l []cty.Value
		for range n {
			l = append(l, drawValue(t, ty.ElementType()))
		}
		return cty.ListVal(l)
	}
}

// The fast comparison says what cty's says, of any two values.
func TestCompareAgreesWithCty(t *testing.T) {
	if !layoutKnown {
		t.Error("cty's layout is not the one that was written for: the slow way is taken everywhere")
	}
	rapid.Check(t, func(t *rapid.T) {
		ty := drawType(t, 3, true)
		c := newCodec(ty)
		a := drawMarked(t, drawValue(t, ty))
		b := a
		if rapid.Bool().Draw(t, "other") {
			b = drawMarked(t, drawValue(t, ty))
		}
		if got, want := c.same(a, b), a.RawEquals(b); got != want {
			t.Fatalf("%#v and %#v: same is %v", a, b, got)
		}
	})
}

func drawMarked(t *rapid.T, v cty.Value) cty.Value {
	switch rapid.IntRange(0, 5).Draw(t, "special") {
	case 0:
		return v.WithMarks(lang.Sensitive)
	case 1:
		return cty.UnknownVal(v.Type())
	case 2:
		return cty.UnknownVal(v.Type()).RefineNotNull()
	}
	return v
}

// What the decoder builds is what cty would have built, also around dynamic values.
func TestDecodeDynamic(t *testing.T) {
	ty := cty.Object(map[string]cty.Type{
		"o": cty.List(cty.Object(map[string]cty.Type{"d": cty.DynamicPseudoType, "s": cty.String})),
		"p": cty.Object(map[string]cty.Type{"s": cty.String}), "d": cty.DynamicPseudoType,
	})
	for _, in := range []string{
		`{"o":[{"s":"a"},{"s":"b"}],"p":{"s":"x"}}`,
		`{"o":[{"s":"a","d":{"value":[1],"type":["list","number"]}}],"p":{"s":"x"}}`,
		`{"o":[{"s":"a"}],"d":{"value":{"k":"v"},"type":["map","string"]}}`,
	} {
		want, err := ctyjson.Unmarshal([]byte(in), ty)
		if err != nil {
			t.Fatal(err)
		}
		got, err := newDecoder().decode(newCodec(ty), []byte(in))
		if err != nil || !got.RawEquals(want) || !got.Type().Equals(want.Type()) {
			t.Errorf("%s: %#v, %v; cty has %#v", in, got, err, want)
		}
	}
}

// TestSharedTexts: texts, keys and numbers that come again have the values that cty's own
// decoder gives them, also after more of them than are kept.
func TestSharedTexts(t *testing.T) {
	ty := cty.Object(map[string]cty.Type{"l": cty.List(cty.String), "m": cty.Map(cty.Number), "e": cty.List(cty.String), "s": cty.Map(cty.List(cty.String))})
	c, d := newCodec(ty), newDecoder()
	long := strings.Repeat("x", textMax+1)
	for i := range textTries + 10 {
		in := fmt.Sprintf(`{"e":[],"l":["a","%d","e\u0301","é","%s",null,"\n"],"m":{"e\u0301":-0,"k%d":%d,"n":255,"o":256,"p":1.5},"s":{"a":["a","b","c","d","e"],"b":[]}}`, i, long, i, i)
		got, err := d.decode(c, []byte(in))
		if err != nil {
			t.Fatal(err)
		}
		if i%100 > 0 && i < textTries {
			continue
		}
		want, err := ctyjson.Unmarshal([]byte(in), ty)
		if err != nil || !got.RawEquals(want) {
			t.Fatalf("%s is %#v, and not %#v (%v)", in, got, want, err)
		}
	}
}
