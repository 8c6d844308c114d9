package numbers

import (
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"pgregory.net/rapid"
)

var nines = strings.Repeat("9", MaxDigits+1)

// The same texts are refused as a literal, as a text that becomes a number, and in
// what is decoded; all others are the numbers that cty makes of them.
func TestTexts(t *testing.T) {
	for text, refused := range map[string]bool{
		"0": false, "1": false, "1e1000": false, "1e+1000": false, "1e-1000": false, "0e1000": false, "0e999999999": false,
		"1e1001": true, "1e-1001": true, "1.1e1000": true, "0.9e1000": false, "0.1e1001": false, "10e1000": true, "0.9e-1000": true,
		"1e10000000": true, "1e999999999": true, "1e-999999999": true, "1E999999999": true, "1e99999999999999999999": true, "1e-99999999999999999999": true,
		nines[:1000]: false, nines[:1001]: true, nines: true, "0." + nines[:1999]: false, "0." + nines: true, "0." + strings.Repeat("0", 1001) + "1": true,
	} {
		want := cty.NilVal
		if !refused {
			want = cty.MustParseNumberVal(text)
		}
		is := func(how string, v cty.Value, err error) {
			t.Helper()
			switch {
			case refused && err == nil:
				t.Errorf("%s: %.30s… is accepted", how, text)
			case !refused && (err != nil || !v.RawEquals(want)):
				t.Errorf("%s: %.30s…: %#v, %v", how, text, v, err)
			}
		}
		v, err := Convert(cty.StringVal(text), cty.Number)
		is("text", v, err)
		v, err = Convert(cty.TupleVal([]cty.Value{cty.StringVal(text)}), cty.List(cty.Number))
		if err == nil {
			v = v.Index(cty.Zero)
		}
		is("list", v, err)
		v, err = FromJSON([]byte(text), cty.Number)
		is("JSON", v, err)
		v, err = FromJSON([]byte(`{"type":["object",{"a":"number"}],"value":{"a":`+text+`}}`), cty.DynamicPseudoType)
		if err == nil {
			v = v.GetAttr("a")
		}
		is("JSON with a type", v, err)
		for how, d := range map[string]*hcl.Diagnostic{
			"configuration": InConfig([]byte("a {\n  b = [1, "+text+"]\n}\n"), "a.hcl"),
			"expression":    InExpression([]byte("1+"+text), "a.hcl"),
			"index":         InExpression([]byte("a["+text+"]"), "a.hcl"),
			"template":      InTemplate([]byte("1e99999 ${ "+text+" }"), "a.hcl"),
		} {
			if refused != (d != nil) {
				t.Errorf("%s: %.30s…: %v", how, text, d)
			}
			if d != nil && (d.Subject.Filename != "a.hcl" || d.Subject.End.Byte-d.Subject.Start.Byte != len(text)) {
				t.Errorf("%s: %v", how, d.Subject)
			}
		}
	}
}

// What only looks like a number is none.
func TestNoNumbers(t *testing.T) {
	for _, src := range []string{
		`a = "1e99999"`, `# 1e99999`, "a1e99999 = 1", "a = b.c1e99999", `a = "sha256:12e45678901234"`, `a = "` + nines + `"`, "a = <<E\n1e99999 " + nines + "\nE\n",
	} {
		if d := InConfig([]byte(src), "a.hcl"); d != nil {
			t.Errorf("%.50s: %s", src, d)
		}
	}
	for _, text := range []string{"", "x", "e", "1e", "1e-", nines[:10] + "x", "12e4567890ab", strings.Repeat("a", 10_000)} {
		if err := Beyond(text); err != nil {
			t.Errorf("%.20s: %v", text, err)
		}
	}
	if err := InJSON(`{"a` + nines + `": "1e99999999", "b": "` + nines + `\"1e99999999"}`); err != nil {
		t.Error(err)
	}
}

// Whatever is suspicious to Beyond is looked at in a source.
func TestNothingEscapes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[0-9]{1,5}(\.[0-9]{1,5})?[eE][+-]?[0-9]{1,7}`).Draw(t, "number")
		before := rapid.SampledFrom([]string{"", "-", "[", "a ? ", "1+", "f(", "a-b*", "{ a = "}).Draw(t, "before")
		d := InExpression([]byte(before+text), "a")
		if (Beyond(text) != nil) != (d != nil) {
			t.Fatalf("%s%s: %v, %v", before, text, Beyond(text), d)
		}
	})
}

func TestSize(t *testing.T) {
	for _, s := range []string{"Inf", "-Inf"} {
		if err := Size(cty.MustParseNumberVal(s).AsBigFloat()); err == nil {
			t.Errorf("%s is accepted", s)
		}
	}
	large := cty.NumberVal(new(big.Float).SetMantExp(big.NewFloat(1), 1<<20))
	for _, v := range []cty.Value{large, large.Negate(), cty.ListVal([]cty.Value{cty.Zero, large}), cty.ObjectVal(map[string]cty.Value{"a": cty.TupleVal([]cty.Value{large.Mark("x")})}).Mark("y"), cty.SetVal([]cty.Value{large})} {
		if Check(v) == nil {
			t.Errorf("%.50s is accepted", v.GoString())
		}
	}
	for _, v := range []cty.Value{cty.Zero, cty.NullVal(cty.Number), cty.UnknownVal(cty.Number), cty.DynamicVal, cty.StringVal("1e99999"), cty.NullVal(cty.List(cty.Number)), cty.UnknownVal(cty.List(cty.Number))} {
		if err := Check(v); err != nil {
			t.Errorf("%#v: %v", v, err)
		}
	}
	if n := Digits(cty.MustParseNumberVal("1e900")); n < 900 || n > 903 {
		t.Errorf("1e900 has %d digits", n)
	}
}

// A conversion is that of cty, errors included, as long as numbers are within the bounds.
func TestConvert(t *testing.T) {
	object := cty.Object(map[string]cty.Type{"a": cty.Number, "b": cty.String})
	for _, c := range []struct {
		v  cty.Value
		ty cty.Type
	}{
		{cty.StringVal("12"), cty.Number}, {cty.StringVal("x"), cty.Number}, {cty.StringVal(nines[:300]), cty.String}, {cty.StringVal(nines), cty.String},
		{cty.True, cty.Number}, {cty.UnknownVal(cty.String), cty.Number}, {cty.NullVal(cty.String), cty.Number}, {cty.StringVal("1").Mark("m"), cty.Number},
		{cty.ObjectVal(map[string]cty.Value{"a": cty.StringVal("1"), "b": cty.StringVal("1e999999999"), "c": cty.StringVal(nines)}), object},
		{cty.ObjectVal(map[string]cty.Value{"a": cty.StringVal("1")}), object}, {cty.NumberIntVal(7), cty.String},
		{cty.ListVal([]cty.Value{cty.StringVal("1"), cty.StringVal("2")}), cty.Set(cty.Number)}, {cty.NumberIntVal(7), cty.DynamicPseudoType},
		{cty.TupleVal([]cty.Value{cty.StringVal("1"), cty.StringVal("1e99999999")}), cty.Tuple([]cty.Type{cty.Number, cty.String})},
		{cty.SetVal([]cty.Value{cty.NullVal(cty.String), cty.StringVal("a")}), object}, {cty.SetVal([]cty.Value{cty.UnknownVal(cty.String), cty.StringVal("a")}), object},
	} {
		want, wantErr := convert.Convert(c.v, c.ty)
		got, err := Convert(c.v, c.ty)
		if fmt.Sprint(err) != fmt.Sprint(wantErr) || err == nil && !got.RawEquals(want) {
			t.Errorf("%#v to %s: %#v, %v; want %#v, %v", c.v, c.ty.FriendlyName(), got, err, want, wantErr)
		}
	}
}

func evaluate(t interface{ Fatal(...any) }, src string, bound bool) (cty.Value, hcl.Diagnostics) {
	e, diags := hclsyntax.ParseExpression([]byte(src), "a", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	if bound {
		Bound(e)
		BoundKeys(e)
	}
	return e.Value(&hcl.EvalContext{Variables: map[string]cty.Value{
		"n": cty.NumberIntVal(3), "s": cty.StringVal("4"), "x": cty.StringVal("x"), "u": cty.UnknownVal(cty.Number), "d": cty.DynamicVal,
		"z": cty.NullVal(cty.Number), "m": cty.StringVal("5").Mark("m"), "l": cty.ListVal([]cty.Value{cty.True}),
		"nines": cty.StringVal(nines), "large": cty.StringVal("1e99999999"), "small": cty.StringVal("1e-99999999"),
	}})
}

// The operators are those of hcl, errors and their places included.
func TestOperators(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		operand := rapid.SampledFrom([]string{"1", "2.5", "n", "s", "x", "u", "d", "z", "m", "l", "(n)", "(7)", "\"8\"", "-n", "-s", "true", "1e900", "l[s]", "l[\"0\"]", "[n, s][n - s + 2]"})
		operator := rapid.SampledFrom([]string{"+", "-", "*", "%", "<", ">", "<=", ">=", "==", "!=", "&&"})
		src := operand.Draw(t, "first")
		for range rapid.IntRange(1, 3).Draw(t, "operators") {
			src += " " + operator.Draw(t, "operator") + " " + operand.Draw(t, "operand")
		}
		want, wantDiags := evaluate(t, src, false)
		if n, _ := want.Unmark(); n.Type() == cty.Number && n.IsKnown() && !n.IsNull() && Size(n.AsBigFloat()) != nil {
			return
		}
		got, diags := evaluate(t, src, true)
		if fmt.Sprint(diags) != fmt.Sprint(wantDiags) && !strings.Contains(fmt.Sprint(diags), "a number of more") || !wantDiags.HasErrors() && !diags.HasErrors() && !got.RawEquals(want) {
			t.Fatalf("%s: %#v, %v; want %#v, %v", src, got, diags, want, wantDiags)
		}
	})
	for src, want := range map[string]string{
		"1e900 * 1e900": "Error during operation: a number of more than 1000 digits", "1e-900 / 1e900": "a number of more than 1000 digits", "1e1000 + 1e1000": "a number of more than 1000 digits",
		"-1e1000 - 1e1000": "a number of more than 1000 digits", "large + 1": "a number of more than 1000 digits", "1 - small": "a number of more than 1000 digits", "-large": "a number of more than 1000 digits",
		"1 / 0": "division by zero", "0 / 0": "division by zero", "n / (3 - n)": "division by zero",
		"nines + 1": "a number of more than 2000 digits", "1 < nines": "a number of more than 2000 digits", "-nines": "a number of more than 2000 digits", "(nines) % 2": "a number of more than 2000 digits",
		"[1][nines]": "a number of more than 2000 digits",
	} {
		if v, diags := evaluate(t, src, true); !strings.Contains(fmt.Sprint(diags), want) {
			t.Errorf("%s: %#v, %v; want %s", src, v, diags, want)
		}
	}
	if v, diags := evaluate(t, "7 / 2 % 2 - -1", true); diags.HasErrors() || !v.RawEquals(cty.NumberFloatVal(2.5)) {
		t.Error(v, diags)
	}
}
