package functions

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"pgregory.net/rapid"
)

// wanted draws a type that a value is converted to: any parts and optional attributes, too.
func wanted(t *rapid.T, depth int) cty.Type {
	ty := anyType(t, depth)
	switch {
	case rapid.IntRange(0, 9).Draw(t, "any") == 0:
		return cty.DynamicPseudoType
	case !ty.IsObjectType():
		return ty
	}
	attrs := map[string]cty.Type{"a": wanted(t, depth-1), "c": wanted(t, depth-1)}
	return cty.ObjectWithOptionalAttrs(attrs, rapid.SampledFrom([][]string{nil, {"a"}, {"a", "c"}}).Draw(t, "optional"))
}

// anything draws a value of any type.
func anything(t *rapid.T) cty.Value {
	switch rapid.IntRange(0, 19).Draw(t, "kind") {
	case 0:
		return cty.DynamicVal
	case 1:
		return cty.NullVal(cty.DynamicPseudoType)
	case 2:
		return cty.EmptyTupleVal
	case 3:
		return cty.EmptyObjectVal
	case 4:
		vals := make([]cty.Value, wideEnough)
		ty := anyType(t, 1)
		for i := range vals {
			vals[i] = valueOf(t, ty, true, true)
		}
		return cty.TupleVal(vals)
	case 5:
		return cty.TupleVal([]cty.Value{anything(t), anything(t)})
	case 6:
		return cty.ObjectVal(map[string]cty.Value{"a": anything(t), "d": anything(t)})
	}
	return valueOf(t, anyType(t, 2), true, true)
}

// A conversion fails or gives what was asked for.
func TestConvertAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { typed(t, anything(t), wanted(t, 2)) })
}

// A function fails or gives a result, whatever it is called with.
func TestCallAnything(t *testing.T) {
	all := New(Options{Files: NewFiles(t.TempDir(), nil), Sensitive: "m", Ephemeral: func(any) bool { return false }})
	names := slices.Sorted(maps.Keys(all))
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom(names).Draw(t, "function")
		f := all[name]
		n := len(f.Params())
		if f.VarParam() != nil {
			n += rapid.IntRange(0, 2).Draw(t, "more")
		}
		args := make([]hclsyntax.Expression, n)
		var vals []cty.Value
		for i := range args {
			var v cty.Value
			ty := cty.DynamicPseudoType
			if i < len(f.Params()) {
				ty = ParameterType(f.Params()[i])
			}
			switch {
			case ty.IsPrimitiveType() && rapid.IntRange(0, 3).Draw(t, "fits") > 0:
				v = valueOf(t, ty, true, true)
			default:
				v = anything(t)
			}
			vals = append(vals, v)
			args[i] = &hclsyntax.LiteralValueExpr{Val: v}
		}
		got, diags := (&hclsyntax.FunctionCallExpr{Name: name, Args: args}).Value(&hcl.EvalContext{Functions: all})
		if text := diags.Error(); strings.Contains(text, "panic") || !diags.HasErrors() && got == cty.NilVal {
			t.Fatalf("%s(%#v): %#v, %.3000s", name, vals, got, text)
		}
	})
}
