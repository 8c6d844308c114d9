package numbers

import (
	"errors"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// operators are those of hcl that calculate, with results within the bounds.
var operators = map[*hclsyntax.Operation]*hclsyntax.Operation{
	hclsyntax.OpAdd:      calculating(2, func(v []cty.Value) (cty.Value, error) { return v[0].Add(v[1]), nil }),
	hclsyntax.OpSubtract: calculating(2, func(v []cty.Value) (cty.Value, error) { return v[0].Subtract(v[1]), nil }),
	hclsyntax.OpMultiply: calculating(2, func(v []cty.Value) (cty.Value, error) { return v[0].Multiply(v[1]), nil }),
	hclsyntax.OpDivide:   calculating(2, divided),
	hclsyntax.OpModulo:   calculating(2, func(v []cty.Value) (cty.Value, error) { return v[0].Modulo(v[1]), nil }),
	hclsyntax.OpNegate:   calculating(1, func(v []cty.Value) (cty.Value, error) { return v[0].Negate(), nil }),
}

// comparing take numbers and make none.
var comparing = map[*hclsyntax.Operation]bool{
	hclsyntax.OpGreaterThan: true, hclsyntax.OpGreaterThanOrEqual: true,
	hclsyntax.OpLessThan: true, hclsyntax.OpLessThanOrEqual: true,
}

func divided(v []cty.Value) (cty.Value, error) {
	if v[1].AsBigFloat().Sign() == 0 {
		return cty.UnknownVal(cty.Number), errors.New("division by zero")
	}
	return v[0].Divide(v[1]), nil
}

func calculating(operands int, by func(v []cty.Value) (cty.Value, error)) *hclsyntax.Operation {
	params := make([]function.Parameter, operands)
	for i := range params {
		params[i] = function.Parameter{Name: string(rune('a' + i)), Type: cty.Number, AllowDynamicType: true}
	}
	return &hclsyntax.Operation{Type: cty.Number, Impl: function.New(&function.Spec{
		Params: params, Type: function.StaticReturnType(cty.Number),
		RefineResult: func(b *cty.RefinementBuilder) *cty.RefinementBuilder { return b.NotNull() },
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			for _, v := range args {
				if err := Size(v.AsBigFloat()); err != nil {
					return cty.UnknownVal(cty.Number), err
				}
			}
			v, err := by(args)
			if err == nil {
				err = Size(v.AsBigFloat())
			}
			if err != nil {
				return cty.UnknownVal(cty.Number), err
			}
			return v, nil
		},
	})}
}

// guard is the operator of operands that may be texts.
var guard = &hclsyntax.Operation{Type: cty.DynamicPseudoType, Impl: function.New(&function.Spec{
	Params: []function.Parameter{{Name: "a", Type: cty.DynamicPseudoType,
		AllowNull: true, AllowUnknown: true, AllowDynamicType: true, AllowMarked: true}},
	Type: func(args []cty.Value) (cty.Type, error) { return args[0].Type(), nil },
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) { return args[0], Texts(args[0], cty.Number) },
})}

// keyGuard is the operator of keys of lists, which may be texts.
var keyGuard = &hclsyntax.Operation{Type: cty.DynamicPseudoType, Impl: function.New(&function.Spec{
	Params: []function.Parameter{{Name: "a", Type: cty.DynamicPseudoType,
		AllowNull: true, AllowUnknown: true, AllowDynamicType: true, AllowMarked: true}},
	Type: func(args []cty.Value) (cty.Type, error) { return args[0].Type(), nil },
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) { return args[0], Key(args[0]) },
})}

// Key is what is wrong with a value that becomes a number if it is the key of a list.
func Key(v cty.Value) error {
	v, _ = v.Unmark()
	if v.Type() != cty.String || !v.IsKnown() || v.IsNull() || len(v.AsString()) <= MaxDigits {
		return nil
	}
	return Text(v.AsString())
}

// Guarded is the operand that a guard of Bound is around, or nil.
func Guarded(e *hclsyntax.UnaryOpExpr) hclsyntax.Expression {
	if e.Op == guard {
		return e.Val
	}
	return nil
}

// Bound makes the operators within a parsed node keep to the bounds. Texts that are
// operands get a guard around them, which looks at them before they are parsed.
func Bound(node hclsyntax.Node) {
	_ = hclsyntax.VisitAll(node, func(n hclsyntax.Node) hcl.Diagnostics {
		switch e := n.(type) {
		case *hclsyntax.BinaryOpExpr:
			if op := operators[e.Op]; op != nil {
				e.Op = op
			} else if !comparing[e.Op] {
				break
			}
			e.LHS, e.RHS = guarded(e.LHS), guarded(e.RHS)
		case *hclsyntax.UnaryOpExpr:
			if op := operators[e.Op]; op != nil {
				e.Op, e.Val = op, guarded(e.Val)
			}
		}
		return nil
	})
}

// BoundKeys makes the keys within a parsed node keep to the bounds.
func BoundKeys(node hclsyntax.Node) {
	_ = hclsyntax.VisitAll(node, func(n hclsyntax.Node) hcl.Diagnostics {
		if e, ok := n.(*hclsyntax.IndexExpr); ok {
			e.Key = &hclsyntax.UnaryOpExpr{Op: keyGuard, Val: e.Key, SrcRange: e.Key.Range(), SymbolRange: e.Key.StartRange()}
		}
		return nil
	})
}

// guarded puts a guard around an operand that is not a number in any case.
func guarded(e hclsyntax.Expression) hclsyntax.Expression {
	inner := e
	for {
		p, ok := inner.(*hclsyntax.ParenthesesExpr)
		if !ok {
			break
		}
		inner = p.Expression
	}
	switch x := inner.(type) {
	case *hclsyntax.LiteralValueExpr:
		if x.Val.Type() != cty.String {
			return e
		}
	case *hclsyntax.BinaryOpExpr:
		return e
	case *hclsyntax.UnaryOpExpr:
		return e
	}
	return &hclsyntax.UnaryOpExpr{Op: guard, Val: e, SrcRange: e.Range(), SymbolRange: e.StartRange()}
}
