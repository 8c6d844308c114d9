package lang

import (
	"maps"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/stowage-iac/stowage/lang/nesting"
	"github.com/stowage-iac/stowage/lang/numbers"
	"github.com/stowage-iac/stowage/lang/schema"
	"github.com/stowage-iac/stowage/lang/work"
)

// Scope evaluates expressions that are not part of the configuration, in the
// place of an output of the root module: those of a console, and of tests.
type Scope struct {
	// Names are further names by what they stand for, such as run.
	Names map[string]cty.Value
	// In says where the expressions stand, for messages: "run \"x\"".
	In string

	e     *Evaluator
	types bool
}

// Scope makes a scope of what the evaluator knows now and later.
func (e *Evaluator) Scope() *Scope { return &Scope{In: "this expression", e: e} }

// WithTypes makes the function type, which names the type of a value, available.
func (s *Scope) WithTypes() *Scope {
	s.types = true
	return s
}

// Parse parses an expression. Errors refer to filename.
func (s *Scope) Parse(src []byte, filename string) (hclsyntax.Expression, hcl.Diagnostics) {
	if len(src) > maxFileSize {
		return nil, hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "Expression too large", Detail: "The expression is too large. Use locals for parts of it.",
			Subject: &hcl.Range{Filename: filename, Start: hcl.InitialPos, End: hcl.InitialPos}}}
	}
	if d := nesting.InExpression(src, filename); d != nil {
		return nil, hcl.Diagnostics{d}
	}
	if d := numbers.InExpression(src, filename); d != nil {
		return nil, hcl.Diagnostics{d}
	}
	expr, diags := hclsyntax.ParseExpression(src, filename, hcl.InitialPos)
	numbers.Bound(expr)
	return expr, diags
}

// Compiled is an expression of a scope.
type Compiled struct {
	expr hclsyntax.Expression
	f    *frame
	ctx  *hcl.EvalContext
}

// Compile resolves the references of an expression, which it takes over and changes.
// With errors it must not be used.
func (s *Scope) Compile(expr hclsyntax.Expression) (*Compiled, hcl.Diagnostics) {
	l := &loader{
		opts: s.e.config.opts, config: s.e.config, functions: s.e.functions,
		module: s.e.config.Root, shapes: map[*schema.Block]*shape{},
	}
	c := &Compiled{f: s.e.root.frame(nil)}
	c.ctx = c.f.ctx.NewChild()
	c.ctx.Variables = s.Names
	if s.types {
		l.functions = maps.Clone(l.functions)
		l.functions["type"] = typeFunc
		c.ctx.Functions = map[string]function.Function{"type": typeFunc}
	}
	x := &compiler{loader: l, scope: scope{in: s.In}, out: &expression{}, locals: keysOf(s.Names)}
	c.expr = metered(x.rewrite(expr))
	return c, tidy(l.diags)
}

// Value evaluates the expression.
func (c *Compiled) Value() (cty.Value, hcl.Diagnostics) {
	c.f.work = work.Budget{}
	v, diags := c.expr.Value(c.ctx)
	return v, tidy(append(c.f.explain(c.expr, diags), c.f.e.reported()...))
}

// Explain adds to a diagnostic about the expression the values in it, without
// those that are sensitive.
func (c *Compiled) Explain(d *hcl.Diagnostic) hcl.Diagnostics {
	d.Expression, d.EvalContext = c.expr, c.ctx
	return c.f.explain(c.expr, hcl.Diagnostics{d})
}

// Eval parses, compiles and evaluates an expression.
func (s *Scope) Eval(src []byte, filename string) (cty.Value, hcl.Diagnostics) {
	expr, diags := s.Parse(src, filename)
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	c, diags := s.Compile(expr)
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	return c.Value()
}

var typeFunc = function.New(&function.Spec{
	Params: []function.Parameter{{
		Name: "value", Type: cty.DynamicPseudoType,
		AllowNull: true, AllowUnknown: true, AllowDynamicType: true, AllowMarked: true,
	}},
	Type: function.StaticReturnType(cty.String),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		return cty.StringVal(typeexpr.TypeString(args[0].Type())), nil
	},
})
