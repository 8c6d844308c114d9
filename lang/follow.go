package lang

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// throughName follows a reference to a named value, and steps into it, to what
// defines the value: the expression of a local value, the argument of the call of
// a module, the value of an output. named is false where r is something else.
func (f *frame) throughName(r *ref, steps ...hcl.Traverser) (m meant, named, ok bool) {
	all := append(r.rest[:len(r.rest):len(r.rest)], steps...)
	switch r.target {
	case toLocal:
		m, ok = f.selectSteps(r.local.expr.Expression, f.ctx, all)
		return m, true, ok
	case toVariable:
		m, ok = f.throughVariable(r.variable, all)
		return m, true, ok
	case toModule:
		if r.output == nil || r.key == cty.NilVal && r.call.keyed() {
			return m, true, false
		}
		if mi, why := f.m.calls[r.call.slot].find(r.key); why == "" && mi != nil {
			m, ok = f.throughOutput(mi, r.output, all)
		}
		return m, true, ok
	}
	return m, false, false
}

// throughVariable follows the argument of the call that the module was made by.
func (f *frame) throughVariable(v *Variable, steps []hcl.Traverser) (meant, bool) {
	if f.m.called == nil {
		return meant{}, false
	}
	arg := f.m.called.call.arguments[v.index]
	if arg == nil {
		return meant{}, false
	}
	out := f.m.outside()
	m, ok := out.selectSteps(arg.Expression, out.ctx, steps)
	f.deps = append(f.deps, out.deps...)
	if ok && v.secret() {
		_, own := v.marked(cty.DynamicVal).Unmark()
		m.marks = both(m.marks, own)
	}
	return m, ok
}

func (f *frame) throughOutput(mi *moduleInstance, o *Output, steps []hcl.Traverser) (meant, bool) {
	in := mi.inside()
	m, ok := in.selectSteps(o.value.Expression, in.ctx, steps)
	for _, d := range o.dependsOn {
		in.dependOn(d)
	}
	f.deps = append(f.deps, in.deps...)
	if ok {
		_, own := o.marked(cty.DynamicVal).Unmark()
		m.marks = both(m.marks, own)
	}
	return m, ok
}

// throughCall follows module.app[EXPR].OUTPUT.
func (f *frame) throughCall(r *callRef, ctx *hcl.EvalContext, steps []hcl.Traverser) (meant, bool) {
	if r.output == nil || len(steps) == 0 {
		return meant{}, false
	}
	key, diags := r.Key.Value(ctx)
	if diags.HasErrors() {
		return meant{}, false
	}
	key, marks := key.Unmark()
	key, ok := r.call.keyOf(key)
	if !ok || !key.IsKnown() {
		return meant{}, false
	}
	mi, why := f.m.calls[r.call.slot].find(key)
	if why != "" || mi == nil {
		return meant{}, false
	}
	m, ok := f.throughOutput(mi, r.output, steps[1:])
	m.marks = both(m.marks, marks)
	return m, ok
}

// both are the marks of a and b together.
func both(a, b cty.ValueMarks) cty.ValueMarks {
	_, marks := cty.DynamicVal.WithMarks(a, b).Unmark()
	return marks
}
