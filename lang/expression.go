package lang

import (
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/stowage-iac/stowage/lang/numbers"
	"github.com/stowage-iac/stowage/lang/work"
)

// level says how often the result of an expression can differ.
type level int

const (
	perConfig   level = iota // the same for all instances of a block, as long as its referents are
	perInstance              // depends on count.index, each, or the iterator of a dynamic block
)

// expression is a compiled expression: references in it are resolved to what
// they refer to, so that evaluating it needs no scope of values.
type expression struct {
	hclsyntax.Expression
	level  level
	blocks []*Resource // that it refers to itself
	named  []*named
	reach  []*Resource // blocks that it refers to itself or through named values; set by the end of Load
	weak   bool        // of an argument with weak references: no dependency
}

// constant reports whether the expression refers to nothing.
func (x *expression) constant() bool {
	return x.level == perConfig && len(x.blocks) == 0 && len(x.named) == 0
}

// named is a value that has a name and no instances: what refers to it reaches what
// its own expression reaches.
type named struct {
	name  string // local.size
	exprs []*expression
	reach []*Resource
	state visit
}

// visit is how far a walk of named values has come with one.
type visit uint8

const (
	unseen visit = iota
	open
	closed
)

// scope is what an expression may refer to.
type scope struct {
	in        string    // the block, for messages: pod.web, output "url"
	owner     *Resource // nil outside of resource blocks
	check     *Check    // whose data may be used; nil: of none
	count     bool      // count.index may be used
	each      bool      // each.key and each.value may be used
	self      bool      // self may be used: the object of the owner
	iterators []string  // of the dynamic blocks around
	only      []string  // roots that may be used; nil: all
	why       string    // with only: a sentence why others may not
}

// with adds an iterator.
func (s scope) with(iterator string) scope {
	s.iterators = append(s.iterators[:len(s.iterators):len(s.iterators)], iterator)
	return s
}

// compile resolves the references of expr, which it takes over and changes.
func (l *loader) compile(expr hclsyntax.Expression, s scope) *expression {
	if _, literal := expr.(*hclsyntax.LiteralValueExpr); literal {
		return &expression{Expression: expr}
	}
	if _, text := literalText(expr); text {
		return &expression{Expression: expr}
	}
	if _, gap := expr.(*gapExpr); gap {
		return &expression{Expression: expr}
	}
	x := &compiler{loader: l, scope: s, out: &expression{}}
	x.out.Expression = x.rewrite(expr)
	if x.out.level == perInstance {
		x.out.Expression = x.hoist(x.out.Expression)
	}
	x.out.Expression = metered(x.out.Expression)
	return x.out
}

// metered bounds what the evaluation of a compiled expression costs.
func metered(e hclsyntax.Expression) hclsyntax.Expression { return work.Meter(e, mapChildren) }

// compiler compiles one expression.
type compiler struct {
	*loader
	scope
	out    *expression
	locals []string // variables of the for expressions around
	narrow string   // the only output that the next reference to a module needs
}

// rewrite replaces references within e and returns e or what stands for it.
func (x *compiler) rewrite(e hclsyntax.Expression) hclsyntax.Expression {
	switch e := e.(type) {
	case *hclsyntax.ScopeTraversalExpr:
		return x.traversal(e)
	case *hclsyntax.RelativeTraversalExpr:
		if index, ok := e.Source.(*hclsyntax.IndexExpr); ok {
			if ref := x.callIndex(index, e.Traversal); ref != nil {
				e.Source = ref
				return e
			}
		}
	case *hclsyntax.SplatExpr:
		x.narrowSplat(e)
	case *hclsyntax.IndexExpr:
		if ref := x.callIndex(e, nil); ref != nil {
			return ref
		}
		if s, ok := e.Collection.(*hclsyntax.ScopeTraversalExpr); ok {
			if ref := x.instanceIndex(e, s); ref != nil {
				e.Key = x.rewrite(e.Key)
				return ref
			}
		}
	case *hclsyntax.ForExpr:
		x.forExpr(e)
		return e
	case *hclsyntax.FunctionCallExpr:
		x.checkFunction(e)
	case *hclsyntax.UnaryOpExpr:
		if inner := numbers.Guarded(e); inner != nil {
			return &operand{Expression: x.rewrite(inner)}
		}
	}
	mapChildren(e, x.rewrite)
	switch e := e.(type) {
	case *hclsyntax.RelativeTraversalExpr:
		x.checkAttributes(e.Source, e.Traversal)
	case *hclsyntax.SplatExpr:
		x.checkSplat(e)
	case *hclsyntax.IndexExpr:
		if _, literal := e.Key.(*hclsyntax.LiteralValueExpr); !literal {
			e.Key = &operand{e.Key, true}
		}
	case *hclsyntax.TemplateExpr:
		for i, part := range e.Parts {
			if _, literal := part.(*hclsyntax.LiteralValueExpr); !literal {
				e.Parts[i] = &textPart{part}
			}
		}
	}
	return e
}

func (x *compiler) forExpr(e *hclsyntax.ForExpr) {
	e.CollExpr = x.rewrite(e.CollExpr)
	n := len(x.locals)
	x.locals = append(x.locals, e.KeyVar, e.ValVar)
	if e.KeyExpr != nil {
		e.KeyExpr = x.rewrite(e.KeyExpr)
	}
	e.ValExpr = x.rewrite(e.ValExpr)
	if e.CondExpr != nil {
		e.CondExpr = x.rewrite(e.CondExpr)
	}
	x.locals = x.locals[:n]
}

// mapChildren replaces each direct subexpression of e by what replace makes of it.
func mapChildren(e hclsyntax.Expression, replace func(hclsyntax.Expression) hclsyntax.Expression) {
	switch e := e.(type) {
	case *instanceRef:
		e.Key = replace(e.Key)
	case *callRef:
		e.Key = replace(e.Key)
	case *textPart:
		e.Expression = replace(e.Expression)
	case *operand:
		e.Expression = replace(e.Expression)
	case *common:
		e.Expression = replace(e.Expression)
	default:
		work.Each(e, replace)
	}
}

// children calls visit for each direct subexpression of a compiled expression,
// which it does not change: it may be called while others evaluate it.
func children(e hclsyntax.Expression, visit func(hclsyntax.Expression)) {
	all := func(exprs []hclsyntax.Expression) {
		for _, c := range exprs {
			visit(c)
		}
	}
	switch e := e.(type) {
	case *hclsyntax.RelativeTraversalExpr:
		visit(e.Source)
	case *common:
		visit(e.Expression)
	case *textPart:
		visit(e.Expression)
	case *work.Metered:
		visit(e.Expression)
	case *operand:
		visit(e.Expression)
	case *instanceRef:
		visit(e.Key)
	case *callRef:
		visit(e.Key)
	case *hclsyntax.IndexExpr:
		visit(e.Collection)
		visit(e.Key)
	case *hclsyntax.SplatExpr:
		visit(e.Source)
		visit(e.Each)
	case *hclsyntax.FunctionCallExpr:
		all(e.Args)
	case *hclsyntax.TupleConsExpr:
		all(e.Exprs)
	case *hclsyntax.TemplateExpr:
		all(e.Parts)
	case *hclsyntax.ConditionalExpr:
		all([]hclsyntax.Expression{e.Condition, e.TrueResult, e.FalseResult})
	case *hclsyntax.ObjectConsExpr:
		for _, item := range e.Items {
			visit(item.KeyExpr)
			visit(item.ValueExpr)
		}
	case *hclsyntax.ObjectConsKeyExpr:
		if _, bare := e.Wrapped.(*hclsyntax.ScopeTraversalExpr); !bare || e.ForceNonLiteral {
			visit(e.Wrapped)
		}
	case *hclsyntax.ForExpr:
		visit(e.CollExpr)
		if e.KeyExpr != nil {
			visit(e.KeyExpr)
		}
		visit(e.ValExpr)
		if e.CondExpr != nil {
			visit(e.CondExpr)
		}
	case *hclsyntax.BinaryOpExpr:
		visit(e.LHS)
		visit(e.RHS)
	case *hclsyntax.UnaryOpExpr:
		visit(e.Val)
	case *hclsyntax.ParenthesesExpr:
		visit(e.Expression)
	case *hclsyntax.TemplateWrapExpr:
		visit(e.Wrapped)
	case *hclsyntax.TemplateJoinExpr:
		visit(e.Tuple)
	}
}
