package work

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/tryfunc"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
	"pgregory.net/rapid"
)

var some = func() cty.Value {
	vals := make([]cty.Value, 10_000)
	for i := range vals {
		vals[i] = cty.NumberIntVal(int64(i))
	}
	return cty.ListVal(vals)
}()

func evaluate(t interface{ Fatal(...any) }, src string, metered bool) (cty.Value, hcl.Diagnostics) {
	e, diags := hclsyntax.ParseExpression([]byte(src), "a", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	b := Budget{most: maxSteps / 100}
	ctx := &hcl.EvalContext{Variables: map[string]cty.Value{Name: b.Value()}}
	if metered {
		e = Meter(e, Each)
	} else {
		delete(ctx.Variables, Name)
	}
	ctx.Variables["some"], ctx.Variables["l"] = some, cty.ListVal([]cty.Value{cty.StringVal("a"), cty.StringVal("b"), cty.StringVal("a")})
	ctx.Variables["o"] = cty.ObjectVal(map[string]cty.Value{"x": cty.TupleVal([]cty.Value{cty.True, cty.Zero}), "y": cty.EmptyTupleVal})
	ctx.Variables["m"], ctx.Variables["u"] = ctx.Variables["l"].Mark("m"), cty.UnknownVal(cty.List(cty.String))
	ctx.Variables["text"] = cty.StringVal(strings.Repeat("x", 1<<20))
	ctx.Variables["n"], ctx.Variables["s"] = cty.NullVal(cty.List(cty.String)), cty.StringVal("no list")
	ctx.Functions = map[string]function.Function{"length": stdlib.LengthFunc, "contains": stdlib.ContainsFunc, "upper": stdlib.UpperFunc, "try": tryfunc.TryFunc, "concat": stdlib.ConcatFunc}
	return e.Value(ctx)
}

// What costs too much stops, with one error at the for that was too much.
func TestTooMuch(t *testing.T) {
	for _, src := range []string{
		"[for a in some : [for b in some : b]]",
		"{for a in some : a => {for b in some : b => a}}",
		"[for a in some : 1 if length([for b in some : b]) > 0]",
		"[for a in some : [for b in l : [for c in some : c]]]",
		"[for a in some : contains(some, -a)]",
		"[for a in some : some[*]]",
		"[for a in some : some == some]",
		"[for a in some : true ? some : l]",
		"[for a in some : \"${text}${a}\"]",
		"[for a in some : upper(text)]",
		"[for a in some : concat(l, some)]",
		"\"%{ for a in some }%{ for b in some }x%{ endfor }%{ endfor }\"",
	} {
		_, diags := evaluate(t, src, true)
		unique := map[*hcl.Diagnostic]bool{}
		for _, d := range diags {
			unique[d] = true
		}
		if len(unique) != 1 || diags[0].Summary != "Too much to evaluate" || diags[0].Subject == nil {
			t.Errorf("%s: %d errors, the first %v", src, len(unique), diags)
		}
	}
	if v, diags := evaluate(t, "try([for a in some : [for b in some : b]], \"too much\")", true); diags.HasErrors() || v.AsString() != "too much" {
		t.Error(v, diags)
	}
	if v, diags := evaluate(t, "length([for a in some : a])", true); diags.HasErrors() || !v.RawEquals(cty.NumberIntVal(10_000)) {
		t.Error(diags)
	}
}

// An expression within the bounds has the value and the errors that it has in hcl.
func TestSame(t *testing.T) {
	leaf := rapid.SampledFrom([]string{"1", "\"t\"", "l", "o", "m", "u", "n", "s", "a", "k", "o.x", "l[0]", "upper(s)", "length(l)", "contains(l, \"a\")", "try(a.b, 7)", "l[*]", "a == l", "true ? o.x : l", "missing"})
	var expression func(t *rapid.T, depth int) string
	expression = func(t *rapid.T, depth int) string {
		if depth == 0 {
			return leaf.Draw(t, "leaf")
		}
		sub := func() string { return expression(t, depth-1) }
		switch rapid.IntRange(0, 6).Draw(t, "form") {
		case 0:
			return "[for k, a in " + sub() + " : " + sub() + "]"
		case 1:
			return "[for a in " + sub() + " : " + sub() + " if " + sub() + "]"
		case 2:
			return "{for k, a in " + sub() + " : " + sub() + " => " + sub() + "...}"
		case 3:
			return "{for a in " + sub() + " : a => " + sub() + "}"
		case 4:
			return "\"${" + sub() + "}%{ for a in " + sub() + " }${a}%{ endfor }\""
		case 5:
			return "{ x = " + sub() + ", y = (" + sub() + ") }"
		}
		return "try(" + sub() + ", " + sub() + ")"
	}
	rapid.Check(t, func(t *rapid.T) {
		src := expression(t, rapid.IntRange(1, 3).Draw(t, "depth"))
		want, wantDiags := evaluate(t, src, false)
		got, diags := evaluate(t, src, true)
		if said(diags) != said(wantDiags) || !got.RawEquals(want) {
			t.Fatalf("%s: %#v, %v; want %#v, %v", src, got, diags, want, wantDiags)
		}
	})
}

// said leaves out which of similar names hcl suggests, which is up to chance.
func said(diags hcl.Diagnostics) string {
	var b strings.Builder
	for _, d := range diags {
		detail, _, _ := strings.Cut(d.Detail, "Did you mean")
		fmt.Fprintln(&b, d.Summary, detail, d.Subject)
	}
	return b.String()
}
