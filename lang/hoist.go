package lang

import (
	"slices"
	"sync"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang/numbers"
)

// Within an expression that differs between instances, the parts that do not are
// evaluated once as well: with
//
//	args = [config.c[count.index].version, join(",", config.c[*].version)]
//
// each of N instances would otherwise go through all N configs.

// common is such a part. It stands for the expression that it embeds.
type common struct {
	hclsyntax.Expression
	slot int
	x    *expression // what it reaches
}

// Value implements hclsyntax.Expression.
func (c *common) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	f := frameOf(ctx)
	s := &f.m.commons[c.slot]
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.valid || !f.e.unchanged(c.x.reach, s.seen) {
		s.seen = f.e.generations(c.x.reach, s.seen)
		own := f.m.frame(nil)
		s.value, s.diags = c.Expression.Value(own.ctx)
		s.diags = own.explain(c.Expression, s.diags)
		s.deps, s.valid = f.e.shared(own.deps), true
	}
	f.deps = append(f.deps, s.deps...)
	return s.value, s.diags
}

type commonCache struct {
	mu    sync.Mutex
	valid bool
	seen  []uint64
	value cty.Value
	diags hcl.Diagnostics
	deps  []dep
}

// hoist replaces the largest parts of e that are worth keeping and the same for
// all instances.
func (x *compiler) hoist(e hclsyntax.Expression) hclsyntax.Expression {
	switch e.(type) {
	case *hclsyntax.FunctionCallExpr, *hclsyntax.ForExpr, *hclsyntax.SplatExpr:
		if !varies(e, nil) {
			sub := &expression{Expression: e}
			collect(e, sub)
			x.exprs = append(x.exprs, sub)
			x.module.commons++
			return &common{Expression: e, slot: x.module.commons - 1, x: sub}
		}
	}
	mapChildren(e, x.hoist)
	return e
}

// varies reports whether e depends on the instance, or on variables of a for
// expression, splat or dynamic block around it; bound are those within.
func varies(e hclsyntax.Expression, bound []string) bool {
	switch r := e.(type) {
	case *ref:
		return r.target == toCountIndex || r.target == toEachKey || r.target == toEachValue || r.target == toSelf
	case *hclsyntax.ScopeTraversalExpr:
		return !slices.Contains(bound, r.Traversal.RootName())
	case *hclsyntax.AnonSymbolExpr:
		return !slices.Contains(bound, anonymous)
	case *hclsyntax.ForExpr:
		inner := append(bound[:len(bound):len(bound)], r.KeyVar, r.ValVar)
		return varies(r.CollExpr, bound) || r.KeyExpr != nil && varies(r.KeyExpr, inner) ||
			varies(r.ValExpr, inner) || r.CondExpr != nil && varies(r.CondExpr, inner)
	case *hclsyntax.SplatExpr:
		return varies(r.Source, bound) || varies(r.Each, append(bound[:len(bound):len(bound)], anonymous))
	}
	found := false
	children(e, func(c hclsyntax.Expression) { found = found || varies(c, bound) })
	return found
}

// anonymous names the item of a splat among bound variables.
const anonymous = "*"

// collect notes what e refers to.
func collect(e hclsyntax.Expression, into *expression) {
	for _, n := range namesOf(e) {
		if !slices.Contains(into.named, n) {
			into.named = append(into.named, n)
		}
	}
	switch r := e.(type) {
	case *ref:
		if r.resource != nil && !slices.Contains(into.blocks, r.resource) {
			into.blocks = append(into.blocks, r.resource)
		}
	case *instanceRef:
		if !slices.Contains(into.blocks, r.resource) {
			into.blocks = append(into.blocks, r.resource)
		}
	}
	children(e, func(c hclsyntax.Expression) { collect(c, into) })
}

// textPart is a part of a template, and stands for the expression that it embeds:
// whole numbers become text without the detour over big decimals, which takes
// ten times as long.
type textPart struct {
	hclsyntax.Expression
}

// Value implements hclsyntax.Expression.
func (p *textPart) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	v, diags := p.Expression.Value(ctx)
	if v.Type() == cty.Number && !v.IsMarked() && v.IsKnown() && !v.IsNull() {
		v = cty.StringVal(numberText(v))
	}
	return v, diags
}

// operand is an operand of an operator that calculates, and stands for the expression
// that it embeds: hcl makes a number of a text, which must not have a million digits.
type operand struct {
	hclsyntax.Expression
	key bool // it is the key of an index instead
}

// Value implements hclsyntax.Expression.
func (o *operand) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	v, diags := o.Expression.Value(ctx)
	if v.Type() != cty.String {
		return v, diags
	}
	err := numbers.Key(v)
	if !o.key {
		err = numbers.Texts(v, cty.Number)
	}
	if err != nil {
		diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Number too large or too small",
			Detail: "This is " + err.Error() + ".", Subject: o.Range().Ptr(), Expression: o.Expression, EvalContext: ctx})
		return cty.UnknownVal(cty.Number), diags
	}
	return v, diags
}

// literal evaluates an object or tuple that is written out straight to the map
// or list of simple values that an argument needs: half the cost of first making
// an object and its type. It returns false where the general way must report an
// error or knows better.
func (f *frame) literal(e hclsyntax.Expression, ty cty.Type, ctx *hcl.EvalContext) (cty.Value, bool) {
	if !layoutKnown || !ty.IsCollectionType() || !ty.ElementType().IsPrimitiveType() {
		return cty.NilVal, false
	}
	elem := ty.ElementType()
	n := len(f.deps)
	switch x := e.(type) {
	case *hclsyntax.ObjectConsExpr:
		if !ty.IsMapType() || len(x.Items) == 0 {
			return cty.NilVal, false
		}
		vals := make(map[string]any, len(x.Items))
		for _, item := range x.Items {
			key, ok := literalKey(item.KeyExpr)
			if _, twice := vals[key]; !ok || twice {
				f.deps = f.deps[:n]
				return cty.NilVal, false
			}
			v, ok := f.element(item.ValueExpr, elem, ctx)
			if !ok {
				f.deps = f.deps[:n]
				return cty.NilVal, false
			}
			vals[key] = raw(v)
		}
		return fromRaw(ty, vals), true
	case *hclsyntax.TupleConsExpr:
		if !ty.IsListType() || len(x.Exprs) == 0 {
			return cty.NilVal, false
		}
		vals := make([]any, len(x.Exprs))
		for i, item := range x.Exprs {
			v, ok := f.element(item, elem, ctx)
			if !ok {
				f.deps = f.deps[:n]
				return cty.NilVal, false
			}
			vals[i] = raw(v)
		}
		return fromRaw(ty, vals), true
	}
	return cty.NilVal, false
}

// literalText is the value of a text that is written out, without the buffers of a template.
func literalText(e hclsyntax.Expression) (cty.Value, bool) {
	if t, ok := e.(*hclsyntax.TemplateExpr); ok && len(t.Parts) == 1 {
		if lit, ok := t.Parts[0].(*hclsyntax.LiteralValueExpr); ok && lit.Val.Type() == cty.String {
			return lit.Val, true
		}
	}
	return cty.NilVal, false
}

func (f *frame) element(e hclsyntax.Expression, ty cty.Type, ctx *hcl.EvalContext) (cty.Value, bool) {
	if v, ok := literalText(e); ok && ty == cty.String {
		return v, true
	}
	var v cty.Value
	var diags hcl.Diagnostics
	if gap, ok := e.(*gapExpr); ok {
		v = gap.value(f)
	} else {
		v, diags = e.Value(ctx)
	}
	if len(diags) > 0 {
		return v, false
	}
	if v.Type() != ty {
		var err error
		if v, err = numbers.Convert(v, ty); err != nil {
			return v, false
		}
	}
	return v, true
}

// literalKey is the key of an object's item, if it is a plain word or text.
func literalKey(e hclsyntax.Expression) (string, bool) {
	k, ok := e.(*hclsyntax.ObjectConsKeyExpr)
	if !ok || k.ForceNonLiteral {
		return "", false
	}
	switch w := k.Wrapped.(type) {
	case *hclsyntax.ScopeTraversalExpr:
		return normal(w.Traversal.RootName()), len(w.Traversal) == 1
	case *hclsyntax.TemplateExpr:
		if len(w.Parts) == 1 {
			if lit, ok := w.Parts[0].(*hclsyntax.LiteralValueExpr); ok && lit.Val.Type() == cty.String {
				return lit.Val.AsString(), true
			}
		}
	}
	return "", false
}
