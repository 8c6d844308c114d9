package lang

import (
	"errors"
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang/functions"
)

func place(rng hcl.Range) string { return fmt.Sprintf("%s:%d", rng.Filename, rng.Start.Line) }

// explain makes diagnostics of the evaluation of an expression fit to be shown:
// their expressions name the references in them, their contexts hold the values
// of these, and details that could contain a sensitive value are replaced.
func (f *frame) explain(whole hclsyntax.Expression, diags hcl.Diagnostics) hcl.Diagnostics {
	hidden := len(diags) > 0 && whole != nil && f.usesSecrets(whole)
	for i, d := range diags {
		if d.Expression == nil || d.EvalContext == nil {
			continue
		}
		e, ok := d.Expression.(hclsyntax.Expression)
		if !ok {
			continue // explained already
		}
		shown := *d
		s := shower{frame: f, ctx: d.EvalContext, vars: map[string]any{}, hidden: hidden}
		s.visit(e)
		shown.Expression = &shownExpr{Expression: e, traversals: s.traversals}
		shown.EvalContext = s.context()
		if s.secrets(d) {
			shown.Detail = "The reason is not shown because it could contain a sensitive value, which this expression uses."
		}
		diags[i] = &shown
	}
	return diags
}

// shownExpr is an expression whose Variables are those that its context holds.
type shownExpr struct {
	hcl.Expression
	traversals []hcl.Traversal
}

func (e *shownExpr) Variables() []hcl.Traversal { return e.traversals }

// shower collects the values of the references in an expression.
type shower struct {
	*frame
	ctx        *hcl.EvalContext
	vars       map[string]any // tree of names; leaves are cty.Value
	traversals []hcl.Traversal
	values     []cty.Value
	hidden     bool // the whole expression uses sensitive values: elements of these lose their marks in for expressions
}

// usesSecrets reports whether anything that e refers to is sensitive.
func (f *frame) usesSecrets(e hclsyntax.Expression) bool {
	found := false
	switch r := e.(type) {
	case *ref:
		n := len(f.deps)
		found = isConcealed(f.target(r))
		f.deps = f.deps[:n]
	case *instanceRef:
		n := len(f.deps)
		found = isConcealed(f.m.blocks[r.resource.slot].collection())
		f.deps = f.deps[:n]
	case *hclsyntax.FunctionCallExpr:
		found = r.Name == "sensitive"
	}
	if !found {
		children(e, func(c hclsyntax.Expression) { found = found || f.usesSecrets(c) })
	}
	return found
}

func (s *shower) visit(e hclsyntax.Expression) {
	switch r := e.(type) {
	case *ref:
		s.reference(r)
	case *hclsyntax.ScopeTraversalExpr:
		// A variable of a for expression or a dynamic block: where it has a value, the context knows.
		root, diags := r.Traversal[:1].TraverseAbs(s.ctx)
		if diags.HasErrors() || s.hidden {
			break
		}
		s.vars[r.Traversal.RootName()] = root
		if v, diags := r.Traversal.TraverseAbs(s.ctx); !diags.HasErrors() {
			s.show(r.Traversal, v)
		} else {
			s.show(r.Traversal[:1], root)
		}
	}
	children(e, s.visit)
}

func (s *shower) reference(r *ref) {
	n := len(s.deps)
	v := s.target(r)
	s.deps = s.deps[:n]
	path := r.Traversal[:len(r.Traversal)-len(r.rest)]
	whole := r.target == toResource && r.key == cty.NilVal && r.resource.keyed()
	if whole || r.target == toNothing {
		return
	}
	tree := s.vars
	for i, step := range path {
		name := ""
		switch step := step.(type) {
		case hcl.TraverseRoot:
			name = step.Name
		case hcl.TraverseAttr:
			name = step.Name
		case hcl.TraverseIndex:
			name = keyText(step.Key)
		}
		if i == len(path)-1 {
			tree[name] = v
			break
		}
		next, ok := tree[name].(map[string]any)
		if !ok {
			next = map[string]any{}
			tree[name] = next
		}
		tree = next
	}
	shown, diags := r.rest.TraverseRel(v)
	if diags.HasErrors() {
		s.show(path, v)
		return
	}
	s.show(r.Traversal, shown)
}

func (s *shower) show(t hcl.Traversal, v cty.Value) {
	s.traversals = append(s.traversals, t)
	s.values = append(s.values, v)
}

func (s *shower) context() *hcl.EvalContext {
	ctx := &hcl.EvalContext{Variables: map[string]cty.Value{}}
	for name, v := range s.vars {
		ctx.Variables[name] = treeValue(v)
	}
	return ctx
}

func treeValue(v any) cty.Value {
	tree, ok := v.(map[string]any)
	if !ok {
		return v.(cty.Value)
	}
	attrs := make(map[string]cty.Value, len(tree))
	for name, sub := range tree {
		attrs[name] = treeValue(sub)
	}
	return cty.ObjectVal(attrs)
}

// secrets reports whether the detail of d could contain a sensitive value: it is
// a function's own message about sensitive arguments, or quotes such a value.
func (s *shower) secrets(d *hcl.Diagnostic) bool {
	call, ofFunction := hcl.DiagnosticExtra[hclsyntax.FunctionCallDiagExtra](d)
	if ofFunction && errors.Is(call.FunctionCallError(), functions.ErrEphemeralPath) {
		return false
	}
	if s.hidden && (ofFunction || d.Summary == "Duplicate object key" || d.Summary == "Invalid index") {
		return true
	}
	for _, v := range s.values {
		if isConcealed(v) {
			if ofFunction || quotes(d.Detail, v) {
				return true
			}
		}
	}
	return false
}

// quotes reports whether text contains one of the strings or numbers in v.
func quotes(text string, v cty.Value) bool {
	v, _ = v.UnmarkDeep()
	found := false
	_ = cty.Walk(v, func(_ cty.Path, v cty.Value) (bool, error) {
		if v.IsKnown() && !v.IsNull() && (v.Type() == cty.String || v.Type() == cty.Number) {
			if t := keyText(v); t != "" && strings.Contains(text, t) {
				found = true
			}
		}
		return !found, nil
	})
	return found
}
