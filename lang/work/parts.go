package work

import "github.com/hashicorp/hcl/v2/hclsyntax"

// Each replaces each direct part of an expression of hcl by what replace makes of it.
func Each(e hclsyntax.Expression, replace func(hclsyntax.Expression) hclsyntax.Expression) {
	all := func(exprs []hclsyntax.Expression) {
		for i := range exprs {
			exprs[i] = replace(exprs[i])
		}
	}
	switch e := e.(type) {
	case *Metered:
		e.Expression = replace(e.Expression)
	case *hclsyntax.RelativeTraversalExpr:
		e.Source = replace(e.Source)
	case *hclsyntax.IndexExpr:
		e.Collection = replace(e.Collection)
		e.Key = replace(e.Key)
	case *hclsyntax.SplatExpr:
		e.Source = replace(e.Source)
		e.Each = replace(e.Each)
	case *hclsyntax.FunctionCallExpr:
		all(e.Args)
	case *hclsyntax.TupleConsExpr:
		all(e.Exprs)
	case *hclsyntax.TemplateExpr:
		all(e.Parts)
	case *hclsyntax.ConditionalExpr:
		e.Condition = replace(e.Condition)
		e.TrueResult = replace(e.TrueResult)
		e.FalseResult = replace(e.FalseResult)
	case *hclsyntax.ObjectConsExpr:
		for i := range e.Items {
			e.Items[i].KeyExpr = replace(e.Items[i].KeyExpr)
			e.Items[i].ValueExpr = replace(e.Items[i].ValueExpr)
		}
	case *hclsyntax.ObjectConsKeyExpr:
		// A bare word is the key itself; a bare traversal is refused by hcl, in its words.
		if _, bare := e.Wrapped.(*hclsyntax.ScopeTraversalExpr); !bare || e.ForceNonLiteral {
			e.Wrapped = replace(e.Wrapped)
		}
	case *hclsyntax.ForExpr:
		e.CollExpr = replace(e.CollExpr)
		if e.KeyExpr != nil {
			e.KeyExpr = replace(e.KeyExpr)
		}
		e.ValExpr = replace(e.ValExpr)
		if e.CondExpr != nil {
			e.CondExpr = replace(e.CondExpr)
		}
	case *hclsyntax.BinaryOpExpr:
		e.LHS = replace(e.LHS)
		e.RHS = replace(e.RHS)
	case *hclsyntax.UnaryOpExpr:
		e.Val = replace(e.Val)
	case *hclsyntax.ParenthesesExpr:
		e.Expression = replace(e.Expression)
	case *hclsyntax.TemplateWrapExpr:
		e.Wrapped = replace(e.Wrapped)
	case *hclsyntax.TemplateJoinExpr:
		e.Tuple = replace(e.Tuple)
	}
}
