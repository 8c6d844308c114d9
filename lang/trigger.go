package lang

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// Trigger is an entry of replace_triggered_by: an instance, all instances of a block,
// or a part of an instance.
type Trigger struct {
	Address string // pod.web[0], or pod.web for all of its instances
	All     bool   // Address is that of a block with several instances
	Text    string // as it is shown: config.site.version
	path    hcl.Traversal
}

// Value is the part of the instance's object that the trigger is about.
func (t Trigger) Value(object cty.Value) (cty.Value, bool) {
	if object == cty.NilVal || object.IsNull() {
		return cty.NilVal, false
	}
	v, diags := t.path.TraverseRel(object)
	return v, !diags.HasErrors()
}

// Part reports whether the trigger is about a part of an instance.
func (t Trigger) Part() bool { return len(t.path) > 0 }

// triggers compiles replace_triggered_by.
func (l *loader) triggers(a *hclsyntax.Attribute, s scope) []*expression {
	exprs, diags := hcl.ExprList(a.Expr)
	if diags.HasErrors() {
		l.errorf("List of references expected", a.Expr.Range(), "replace_triggered_by is a list of blocks, instances or attributes: [config.site, secret.db.value].")
		return nil
	}
	var list []*expression
	for _, e := range exprs {
		syntax, ok := e.(hclsyntax.Expression)
		if !ok {
			continue
		}
		before := len(l.diags)
		x := l.tracked(syntax, s)
		if len(l.diags) > before {
			continue
		}
		if r, _, _ := triggered(x.Expression); r == nil {
			l.errorf("Reference expected", e.Range(), "replace_triggered_by takes blocks, instances and their attributes as they are, without calculations: [config.site, secret.db.value]. To be replaced with anything else, refer to it in an argument.")
			continue
		}
		list = append(list, x)
	}
	return list
}

// triggered takes a compiled entry apart: the block, the expression of the key if it
// is not a constant, and the steps into the instance.
func triggered(e hclsyntax.Expression) (r *ref, instance *instanceRef, steps hcl.Traversal) {
	switch e := unwrap(e).(type) {
	case *ref:
		if e.target == toResource {
			return e, nil, e.rest
		}
	case *instanceRef:
		return &ref{resource: e.resource}, e, nil
	case *hclsyntax.RelativeTraversalExpr:
		if i, ok := e.Source.(*instanceRef); ok {
			return &ref{resource: i.resource}, i, e.Traversal
		}
	}
	return nil, nil, nil
}

// triggers finds out which instances the entries are about.
func (f *frame) triggers(list []*expression) (out []Trigger, diags hcl.Diagnostics) {
	for _, x := range list {
		r, instance, steps := triggered(x.Expression)
		var m meant
		var more hcl.Diagnostics
		if instance != nil {
			m, more = f.followInstance(instance, f.ctx)
		} else {
			m, more = f.meanInstance(r.resource, r.key, x.Range())
		}
		diags = append(diags, f.explain(x.Expression, more)...)
		if more.HasErrors() || m.block == nil {
			continue
		}
		t := Trigger{Address: m.block.address, All: m.index == allOf, path: steps}
		if !t.All {
			t.Address = m.block.addressOf(m.index)
		}
		t.Text = t.Address
		if len(steps) > 0 {
			t.Text += stepsText(steps)
		}
		out = append(out, t)
	}
	return out, diags
}

// stepsText writes the steps into an object: .a["b"].
func stepsText(t hcl.Traversal) string {
	path := make(cty.Path, 0, len(t))
	for _, s := range t {
		switch s := s.(type) {
		case hcl.TraverseAttr:
			path = append(path, cty.GetAttrStep{Name: s.Name})
		case hcl.TraverseIndex:
			path = append(path, cty.IndexStep{Key: s.Key})
		}
	}
	text := pathText(path)
	if len(path) > 0 {
		if _, attr := path[0].(cty.GetAttrStep); attr {
			text = "." + text
		}
	}
	return text
}

// spread gives create_before_destroy to all that a block with it depends on: else what
// is replaced would have to be destroyed before what still uses it.
func (l *loader) spread() {
	order := l.config.order
	for i := len(order) - 1; i >= 0; i-- {
		r := order[i]
		if !r.Lifecycle.CreateBeforeDestroy {
			continue
		}
		for _, to := range r.refs {
			if !to.Lifecycle.CreateBeforeDestroy {
				to.Lifecycle.CreateBeforeDestroy, to.Lifecycle.Spread = true, r.address
			}
		}
	}
}
