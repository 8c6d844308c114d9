package lang

import (
	"fmt"
	"strings"
	"sync"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// called is a module block in one instance of the module that it is in, with the
// present state of its own instances.
type called struct {
	call  *Call
	in    *moduleInstance
	whole *Block // stands for everything in all instances, as a dependency

	mu        sync.Mutex
	open      bool
	failed    bool // its count or for_each had errors
	keys      []cty.Value
	index     map[string]int // of for_each: by key
	instances []*moduleInstance
	shared    []cache // by Variable.index: arguments that are the same for all instances
}

// expand makes the instances, once: what count or for_each refers to must have
// been Set. Problems are reported to the next caller who takes them.
func (c *called) expand() []*moduleInstance {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open {
		return c.instances
	}
	e := c.in.e
	f := c.in.frame(nil)
	x := expansion{frame: f, address: c.whole.address, count: c.call.count, forEach: c.call.forEach}
	x.expand()
	if e.checking && c.call.keyed() {
		x.keys, x.values = []cty.Value{cty.NilVal}, []cty.Value{commonElement(x.values)} // one stands for all
	}
	diags := f.explain(x.expression(), x.diags)
	for _, d := range c.call.dependsOn {
		diags = append(diags, f.dependOn(d)...)
	}
	c.in.report(diags)
	c.open, c.failed = true, x.diags.HasErrors()
	deps := append(e.shared(f.deps), c.in.deps...)
	c.keys = x.keys
	c.shared = make([]cache, len(c.call.Module.variables))
	if c.call.forEach != nil {
		c.index = make(map[string]int, len(x.keys))
	}
	for i, key := range x.keys {
		mi := e.newInstance(c.call.Module, InstanceAddress(c.whole.address, key))
		mi.called, mi.key, mi.deps = c, key, deps
		if x.values != nil {
			mi.each = x.values[i]
		}
		if c.index != nil && key != cty.NilVal {
			c.index[key.AsString()] = i
		}
		c.instances = append(c.instances, mi)
		e.addModule(mi)
	}
	return c.instances
}

// find returns the instance with a known key, or why there is none; neither where
// that is not known.
func (c *called) find(key cty.Value) (*moduleInstance, string) {
	instances := c.expand()
	if c.in.e.checking && len(instances) == 1 {
		return instances[0], ""
	}
	if c.failed {
		return nil, ""
	}
	i, ok := position(key, c.call.count != nil, c.index, len(instances))
	if ok && i < len(instances) {
		return instances[i], ""
	}
	return nil, noInstance(c.whole.address, c.call.repetition(), c.keys, key)
}

// position is the index of the instance with a known key, of n with numbers or index as keys.
func position(key cty.Value, counted bool, index map[string]int, n int) (int, bool) {
	switch {
	case key == cty.NilVal:
		return 0, !counted && index == nil && n == 1
	case key.Type() == cty.Number && counted:
		i, accuracy := key.AsBigFloat().Int64()
		if accuracy != 0 || i < 0 || i >= int64(n) {
			return 0, false
		}
		return int(i), true
	case key.Type() == cty.String && index != nil:
		i, ok := index[key.AsString()]
		return i, ok
	}
	return 0, false
}

// calledInstance is the outputs of the instance with a known key, or the only one
// that is needed. why says why there is no such instance.
func (f *frame) calledInstance(c *Call, key cty.Value, only *Output) (v cty.Value, why string) {
	in := f.m.calls[c.slot]
	mi, why := in.find(key)
	switch {
	case why != "":
		return cty.DynamicVal, why
	case mi == nil:
		f.depend(in.whole, allOf)
		return cty.DynamicVal, ""
	case only != nil:
		return f.output(mi, only), ""
	}
	return f.outputs(mi, nil), ""
}

// called is the value of a module block as a whole: the outputs of its one
// instance, or the tuple or object of those of all.
func (f *frame) called(c *Call, only *Output) cty.Value {
	in := f.m.calls[c.slot]
	instances := in.expand()
	switch {
	case in.failed || f.e.checking && c.keyed():
		for _, mi := range instances {
			f.outputs(mi, only)
		}
		return cty.DynamicVal
	case !c.keyed():
		if only != nil {
			return f.output(instances[0], only)
		}
		return f.outputs(instances[0], nil)
	case c.count != nil:
		vals := make([]cty.Value, len(instances))
		for i, mi := range instances {
			vals[i] = f.outputs(mi, only)
		}
		return cty.TupleVal(vals)
	}
	vals := make(map[string]cty.Value, len(instances))
	for _, mi := range instances {
		vals[mi.key.AsString()] = f.outputs(mi, only)
	}
	return cty.ObjectVal(vals)
}

// outputs is an object of the outputs of an instance: of all, or of the only one needed.
func (f *frame) outputs(mi *moduleInstance, only *Output) cty.Value {
	vals := make(map[string]cty.Value, len(mi.module.Outputs))
	for _, o := range mi.module.Outputs {
		if only == nil || only == o {
			vals[o.Name] = f.output(mi, o)
		}
	}
	return cty.ObjectVal(vals)
}

// output is the value of an output of a called module, and makes its dependencies those of f.
func (f *frame) output(mi *moduleInstance, o *Output) cty.Value {
	v, deps := mi.output(o)
	f.deps = append(f.deps, deps...)
	return v
}

func (m *moduleInstance) output(o *Output) (cty.Value, []dep) {
	v, deps, _ := m.e.remember(&m.outputs[o.index], o.named.reach, m.inside, func(f *frame) cty.Value {
		diags := f.judge(o.pre, "precondition of output "+quote(o.Name)+" of "+m.address).Diags
		v, more := o.value.Value(f.ctx)
		if !diags.HasErrors() { // else they say better what is wrong
			diags = append(diags, f.explain(o.value.Expression, more)...)
		}
		for _, d := range o.dependsOn {
			diags = append(diags, f.dependOn(d)...)
		}
		if !diags.HasErrors() && !o.Ephemeral {
			if d := ephemeralOutput(o.Name, " of "+m.address, "Add ephemeral = true to the output.", v, o.value); d != nil {
				diags = append(diags, d)
			}
		}
		m.report(diags)
		if diags.HasErrors() {
			return cty.DynamicVal
		}
		return o.marked(v)
	})
	return v, deps
}

// outside is a frame of the module that m was called from, in which its arguments
// are evaluated.
func (m *moduleInstance) outside() *frame {
	c := m.called
	f := c.in.frame(c.call.forEach)
	switch {
	case c.in.e.checking && m.key == cty.NilVal:
		if c.call.forEach != nil && m.each != cty.NilVal {
			f.eachVal = m.each
		}
	case c.call.count != nil:
		f.index = m.key
	case c.call.forEach != nil:
		f.eachKey, f.eachVal = m.key, m.each
	}
	return f
}

// variable is the value of a variable of a called module: what its call gives, or its default.
func (m *moduleInstance) variable(v *Variable) (cty.Value, []dep) {
	call := m.called.call
	arg := call.arguments[v.index]
	if arg == nil {
		return v.marked(v.Default), nil
	}
	c := &m.variables[v.index]
	if arg.level == perConfig {
		c = &m.called.shared[v.index]
	}
	value, deps, fresh := m.e.remember(c, v.named.reach, m.outside, func(f *frame) cty.Value {
		value, diags := call.argument(f, v, arg)
		m.called.in.report(f.explain(arg.Expression, diags))
		return v.marked(value)
	})
	if fresh && len(v.validations) > 0 {
		m.report(m.validate(v, false))
	}
	return value, deps
}

// argument evaluates an argument of a call.
func (c *Call) argument(f *frame, v *Variable, arg *expression) (cty.Value, hcl.Diagnostics) {
	raw, diags := arg.Value(f.ctx)
	if diags.HasErrors() {
		return cty.UnknownVal(v.Type), diags
	}
	if origins := ephemeralOrigins(raw); len(origins) > 0 && !v.Ephemeral {
		return cty.UnknownVal(v.Type), append(diags, &hcl.Diagnostic{
			Severity: hcl.DiagError, Summary: "Ephemeral value not allowed here", Subject: arg.Range().Ptr(), Expression: arg.Expression, EvalContext: f.ctx,
			Detail: fmt.Sprintf("The argument %s of module %q is %s, and the variable that is declared at %s is not. Add ephemeral = true to it.", v.Name, c.Name, derived(origins), place(v.Range)),
		})
	}
	if raw.IsNull() && !v.Nullable && v.Default != cty.NilVal {
		return v.Default, diags
	}
	value, problem := v.convert(raw)
	if problem == "" {
		return value, diags
	}
	var extra any
	if v.secret() || isConcealed(raw) {
		problem = "it does not fit the type " + strings.TrimPrefix(article(v.Type), "a ")
		extra = secretSubject{}
	}
	return cty.UnknownVal(v.Type), append(diags, &hcl.Diagnostic{
		Severity: hcl.DiagError, Summary: "Invalid value for a variable", Subject: arg.Range().Ptr(), Expression: arg.Expression, EvalContext: f.ctx, Extra: extra,
		Detail: fmt.Sprintf("The argument %s of module %q is not valid: %s. The variable is declared at %s.", v.Name, c.Name, problem, place(v.Range)),
	})
}

// secretSubject is the Extra of a diagnostic; see HasSecretSubject.
type secretSubject struct{}

// HasSecretSubject reports whether what a diagnostic points to is the value of something
// sensitive: what stands there is not to be shown.
func HasSecretSubject(d *hcl.Diagnostic) bool {
	_, is := d.Extra.(secretSubject)
	return is
}
