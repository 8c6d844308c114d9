package lang

import (
	"math/big"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// plain is the value of an argument that is written out and right, as most are: what
// frame.argument makes of it, without its detours. ok is false where there is more to
// it, or something to be said about it.
func (a *argument) plain(f *frame) (v cty.Value, ok bool) {
	s := a.schema
	if !layoutKnown || s.Ref != nil || s.Sensitive {
		return cty.NilVal, false
	}
	if v, ok = f.written(a.expr.Expression, s.Type); !ok {
		return cty.NilVal, false
	}
	if text, isText := raw(v).(string); isText && len(text) > maxValue {
		return cty.NilVal, false
	}
	return v, s.Validate == nil || s.Validate(v) == nil
}

// written is the value of type ty that an expression of constants writes out: a simple
// one, or a list or map of such. It is false where a conversion is needed.
func (f *frame) written(e hclsyntax.Expression, ty cty.Type) (cty.Value, bool) {
	switch x := e.(type) {
	case *hclsyntax.TupleConsExpr:
		if len(x.Exprs) == 0 || !ty.IsListType() {
			return cty.NilVal, false
		}
		elem := ty.ElementType()
		vals := make([]any, len(x.Exprs))
		for i, item := range x.Exprs {
			v, ok := f.simple(item, elem)
			if !ok {
				return cty.NilVal, false
			}
			vals[i] = raw(v)
		}
		return fromRaw(ty, vals), true
	case *hclsyntax.ObjectConsExpr:
		if len(x.Items) == 0 || !ty.IsMapType() {
			return cty.NilVal, false
		}
		elem := ty.ElementType()
		vals := make(map[string]any, len(x.Items))
		for i := range x.Items {
			key, ok := literalKey(x.Items[i].KeyExpr)
			if !ok {
				return cty.NilVal, false
			}
			v, ok := f.simple(x.Items[i].ValueExpr, elem)
			if !ok {
				return cty.NilVal, false
			}
			vals[key] = raw(v)
		}
		return fromRaw(ty, vals), len(vals) == len(x.Items) // no key twice
	}
	return f.simple(e, ty)
}

// simple is a text, number or bool that is written out.
func (f *frame) simple(e hclsyntax.Expression, ty cty.Type) (cty.Value, bool) {
	v, ok := literalText(e)
	switch x := e.(type) {
	case *hclsyntax.LiteralValueExpr:
		v, ok = x.Val, true
	case *gapExpr:
		v, ok = x.value(f), true
	}
	if !ok {
		return cty.NilVal, false
	}
	switch raw(v).(type) {
	case string, bool, *big.Float:
		return v, v.Type() == ty
	}
	return cty.NilVal, false
}

// normal is cty.NormalizeString, at once for what is ASCII only.
func normal(s string) string {
	for i := 0; i < len(s); i++ {
		if s[i] >= 0x80 {
			return cty.NormalizeString(s)
		}
	}
	return s
}
