// Package work bounds what the evaluation of one expression costs. A for in a for goes
// through a million elements a million times, and nothing can stop hcl in between: each
// for asks a budget before it begins, and so does what goes through large values within
// one.
package work

import (
	"fmt"
	"reflect"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// maxSteps is what an expression may cost. A step is some 100 ns or 2 bytes.
const maxSteps = 30_000_000

// What the parts of an expression cost.
const (
	round     = 10 // of a for
	element   = 16 // bytes that an element takes
	perStep   = 2  // bytes of what a for makes
	lookedAt  = 2  // for each element that a function goes through
	lookedFor = 64 // bytes of a text that a function goes through
)

// Rounds is how many rounds all for of an expression can have together, if what they
// make is small.
const Rounds = maxSteps / (round + element/perStep)

// Budget is what an expression may still cost. The zero value is that of one that was
// not evaluated yet.
type Budget struct {
	spent int
	most  int // instead of maxSteps, unless 0
	over  *hcl.Diagnostic
}

func (b *Budget) limit() int {
	if b.most > 0 {
		return b.most
	}
	return maxSteps
}

// Name is that of the budget among the variables of the outermost context. It cannot be
// written in the language.
const Name = "\x00work"

var budgetType = cty.Capsule("budget", reflect.TypeFor[Budget]())

// Value is the budget as a variable of a context.
func (b *Budget) Value() cty.Value { return cty.CapsuleVal(budgetType, b) }

// Context is a context for an expression that refers to nothing.
func Context() *hcl.EvalContext {
	return &hcl.EvalContext{Variables: map[string]cty.Value{Name: new(Budget).Value()}}
}

func budgetOf(ctx *hcl.EvalContext) *Budget {
	if ctx == nil {
		return nil
	}
	for ctx.Parent() != nil {
		ctx = ctx.Parent()
	}
	if v, ok := ctx.Variables[Name]; ok {
		return v.EncapsulatedValue().(*Budget)
	}
	return nil
}

// Metered is a part of an expression whose value costs something. It stands for the
// expression that it embeds.
type Metered struct {
	hclsyntax.Expression
	cost func(v cty.Value) int
	of   hcl.Range // of the for
}

// Value implements hclsyntax.Expression. An expression that costs too much has an error
// in each of its rounds that are left: these are what try and can may see.
func (m *Metered) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	b := budgetOf(ctx)
	if b != nil && b.over != nil {
		return cty.DynamicVal, hcl.Diagnostics{b.over}
	}
	v, diags := m.Expression.Value(ctx)
	if b == nil || v == cty.NilVal {
		return v, diags
	}
	if b.over != nil {
		return cty.DynamicVal, diags
	}
	plain, _ := v.Unmark()
	if !plain.IsKnown() || plain.IsNull() {
		return v, diags
	}
	if b.spent += m.cost(plain); b.spent > b.limit() {
		b.over = &hcl.Diagnostic{
			Severity: hcl.DiagError, Summary: "Too much to evaluate", Subject: m.of.Ptr(),
			Detail: fmt.Sprintf("The for expressions of one expression have at most %d rounds together, and fewer if these make or go through large values. Iterate over less, or make a map once, in a local value, and look up in it.", Rounds),
		}
		return cty.DynamicVal, append(diags, b.over)
	}
	return v, diags
}

// Subexpression is the expression that it stands for.
func (m *Metered) Subexpression() hclsyntax.Expression { return m.Expression }

func length(v cty.Value) int {
	if v.CanIterateElements() {
		return v.LengthInt()
	}
	return 0
}

func iterated(v cty.Value) int { return length(v) * round }

func made(v cty.Value) int {
	bytes := element + element*length(v)
	if v.Type() == cty.String {
		bytes += len(v.AsString())
	}
	return bytes / perStep
}

func gone(v cty.Value) int {
	if v.Type() == cty.String {
		return len(v.AsString()) / lookedFor
	}
	return length(v) * lookedAt
}

// Meter makes the parts of an expression that cost something ask the budget of their
// context. It changes the expression, of which hcl does not see all variables any more.
// each calls its argument for the direct parts of an expression and replaces them.
func Meter(e hclsyntax.Expression, each func(hclsyntax.Expression, func(hclsyntax.Expression) hclsyntax.Expression)) hclsyntax.Expression {
	m := meter{each: each}
	return m.visit(e)
}

type meter struct {
	each func(hclsyntax.Expression, func(hclsyntax.Expression) hclsyntax.Expression)
	in   *hclsyntax.ForExpr // the innermost for
}

func (m *meter) visit(e hclsyntax.Expression) hclsyntax.Expression {
	if f, ok := e.(*hclsyntax.ForExpr); ok {
		f.CollExpr = &Metered{m.visit(f.CollExpr), iterated, f.SrcRange}
		outer := m.in
		m.in = f
		if f.KeyExpr != nil {
			f.KeyExpr = &Metered{m.visit(f.KeyExpr), made, f.SrcRange}
		}
		f.ValExpr = &Metered{m.visit(f.ValExpr), made, f.SrcRange}
		if f.CondExpr != nil {
			f.CondExpr = m.visit(f.CondExpr)
		}
		m.in = outer
		return f
	}
	m.each(e, m.visit)
	if m.in == nil {
		return e
	}
	looks := func(e hclsyntax.Expression) hclsyntax.Expression {
		if _, constant := e.(*hclsyntax.LiteralValueExpr); constant {
			return e
		}
		return &Metered{e, gone, m.in.SrcRange}
	}
	switch e := e.(type) {
	case *hclsyntax.FunctionCallExpr:
		for i := range e.Args {
			e.Args[i] = looks(e.Args[i])
		}
	case *hclsyntax.SplatExpr:
		e.Source = looks(e.Source)
	case *hclsyntax.ConditionalExpr:
		e.TrueResult, e.FalseResult = looks(e.TrueResult), looks(e.FalseResult)
	case *hclsyntax.BinaryOpExpr:
		if e.Op == hclsyntax.OpEqual || e.Op == hclsyntax.OpNotEqual {
			e.LHS, e.RHS = looks(e.LHS), looks(e.RHS)
		}
	}
	return e
}
