package lang

import (
	"fmt"
	"slices"
	"sync"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/stowage-iac/stowage/lang/functions"
	"github.com/stowage-iac/stowage/lang/schema"
	"github.com/stowage-iac/stowage/lang/work"
)

// Decode evaluates the body of one instance. Called again after referents were
// Set to applied values, it returns the configuration with these known. An error
// in a part that all instances share is reported by the first of them.
func (e *Evaluator) Decode(b *Block, key cty.Value) (*Instance, hcl.Diagnostics) {
	inst := new(Instance)
	return inst, e.DecodeInto(inst, b, key)
}

// DecodeInto is Decode into an instance that is there already.
func (e *Evaluator) DecodeInto(inst *Instance, b *Block, key cty.Value) hcl.Diagnostics {
	r := b.Resource
	*inst = Instance{
		Kind: r.Kind, Name: r.Name, Key: key, Range: r.Range,
		Lifecycle: r.Lifecycle, Timeouts: r.Timeouts,
		Config: cty.UnknownVal(r.ty),
	}
	i, ok := b.find(key)
	if !ok {
		inst.Address = b.address
		if key != cty.NilVal && key.IsKnown() {
			inst.Address = InstanceAddress(b.address, key)
		}
		return hcl.Diagnostics{{
			Severity: hcl.DiagError, Summary: "No such instance",
			Detail:  inst.Address + " is not an instance of the configuration.",
			Subject: r.Range.Ptr(),
		}}
	}
	inst.Address = b.addressOf(i)
	f := b.in.pooledFrame(r.forEach)
	f.bind(b, i)
	f.deps, f.once = append(f.deps, b.deps...), !r.keyed()
	if len(r.pre) > 0 {
		inst.Pre = f.judge(r.pre, "precondition of "+inst.Address)
	}
	diags := inst.Pre.Diags[:len(inst.Pre.Diags):len(inst.Pre.Diags)]
	if diags.HasErrors() { // they say better what is wrong with the arguments
		f.once, f.uncached = false, true
		inst.Config, _ = f.body(r.body, f.ctx)
	} else {
		v, more := f.decode(r)
		inst.Config, inst.Fresh, inst.Known = v, f.once, f.once && !f.unknown
		diags = append(diags, more...)
	}
	for _, d := range r.dependsOn {
		diags = append(diags, f.dependOn(d)...)
	}
	if len(r.triggers) > 0 {
		var more hcl.Diagnostics
		inst.Triggers, more = f.triggers(r.triggers)
		diags = append(diags, more...)
	}
	inst.Deps = f.addresses()
	if len(diags) == 0 {
		f.release()
	}
	return tidy(append(b.in.locate(diags), e.reported()...))
}

// bind gives count and each their values, and a copy's gaps theirs.
func (f *frame) bind(b *Block, i int) {
	f.sketch = b.Resource.sketch
	switch {
	case b.Resource.count != nil:
		f.index = b.keys[i]
	case b.Resource.forEach != nil:
		f.eachKey, f.eachVal = b.keys[i], b.each[i]
	}
}

// bodyCache holds the parts of a body that are the same for all instances, as
// long as nothing that they refer to is Set anew.
type bodyCache struct {
	mu    sync.Mutex
	valid bool
	seen  []uint64
	base  attrs     // shared: clone before a change
	whole cty.Value // the object, when all of the body is the same
	deps  []dep
}

// body evaluates a body.
func (f *frame) body(b *body, ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	if b.iterate || f.uncached {
		a := b.shape.absent.clone()
		diags := f.fill(b, a, ctx, perConfig)
		diags = append(diags, f.fill(b, a, ctx, perInstance)...)
		if b.name != cty.NilVal {
			a.set(b.label, b.name)
		}
		return a.object(b.shape.ty), diags
	}
	if f.once && b.level == perConfig {
		n := len(f.deps)
		a := b.shape.absent.clone()
		if diags := f.fill(b, a, ctx, perConfig); len(diags) == 0 {
			if b.name != cty.NilVal {
				a.set(b.label, b.name)
			}
			return a.object(b.shape.ty), nil
		}
		f.deps, f.once = f.deps[:n], false // once more, for what is told once only
	}
	base, whole, deps := f.m.cached(b)
	f.deps = append(f.deps, deps...)
	if whole != cty.NilVal {
		return whole, nil
	}
	a := base.clone()
	diags := f.fill(b, a, ctx, perInstance)
	return a.object(b.shape.ty), diags
}

// cached returns the parts of the body that all instances share.
func (m *moduleInstance) cached(b *body) (base attrs, whole cty.Value, deps []dep) {
	c := m.bodies[b.slot].Load()
	if c == nil {
		m.bodies[b.slot].CompareAndSwap(nil, new(bodyCache))
		c = m.bodies[b.slot].Load()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.valid && m.e.unchanged(b.reach, c.seen) {
		return c.base, c.whole, c.deps
	}
	c.seen = m.e.generations(b.reach, c.seen)
	f := m.pooledFrame(nil)
	a := b.shape.absent.clone()
	diags := f.fill(b, a, f.ctx, perConfig)
	m.report(diags)
	if b.name != cty.NilVal {
		a.set(b.label, b.name)
	}
	c.base, c.whole, c.valid = a, cty.NilVal, true
	if b.level == perConfig {
		c.whole = a.object(b.shape.ty)
		c.deps = slices.Clone(compact(f.deps))
	} else {
		c.deps = m.e.shared(f.deps)
	}
	if len(diags) == 0 {
		f.release()
	}
	return c.base, c.whole, c.deps
}

// fill evaluates the parts of a body that are of one level.
func (f *frame) fill(b *body, into attrs, ctx *hcl.EvalContext, lv level) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, a := range b.args {
		if a.expr.level != lv {
			continue
		}
		v, more := f.argument(b, a, ctx)
		into.set(a.name, v)
		diags = append(diags, more...)
	}
	for _, bs := range b.blocks {
		if bs.level != lv {
			continue
		}
		v, more := f.nested(b, bs, ctx)
		into.set(bs.name, v)
		diags = append(diags, more...)
	}
	return diags
}

// argument evaluates an argument: a value of exactly the schema's type.
func (f *frame) argument(b *body, a *argument, ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	if v, ok := a.plain(f); ok {
		return v, nil
	}
	s := a.schema
	f.work = work.Budget{}
	var v cty.Value
	var diags hcl.Diagnostics
	if s.Ref != nil {
		v, diags = f.reference(b, a, ctx)
	} else if text, ok := literalText(a.expr.Expression); ok {
		v = text
	} else if gap, ok := a.expr.Expression.(*gapExpr); ok {
		v = gap.value(f)
	} else if direct, ok := f.literal(a.expr.Expression, s.Type, ctx); ok {
		v = direct
	} else {
		v, diags = a.expr.Value(ctx)
	}
	if diags.HasErrors() {
		return f.failed(s), f.explain(a.expr.Expression, diags)
	}
	fail := func(summary, detail string) (cty.Value, hcl.Diagnostics) {
		diags = append(diags, &hcl.Diagnostic{
			Severity: hcl.DiagError, Summary: summary, Detail: detail,
			Subject: a.expr.Range().Ptr(), Context: &a.source.SrcRange, Expression: a.expr.Expression, EvalContext: ctx,
		})
		return f.failed(s), f.explain(a.expr.Expression, diags)
	}
	if f.e.config.ephemeral {
		if problem := a.kept(b, v); problem != "" {
			return fail("Ephemeral value not allowed here", problem)
		}
	}
	if !v.Type().IsPrimitiveType() && tooLarge(v) {
		return fail("Value too large", fmt.Sprintf("The argument %s of %s has more than %d MiB.", a.name, b.in, maxValue>>20))
	}
	if !sameType(v.Type(), s.Type) {
		converted, err := functions.Convert(v, s.Type)
		if err != nil {
			return fail("Wrong type of value", "The argument "+a.name+" of "+b.in+" needs "+article(s.Type)+": "+conversionProblem(v, s.Type, err)+".")
		}
		v = converted
	}
	if text, _ := v.Unmark(); text.Type() == cty.String && text.IsKnown() && !text.IsNull() && len(text.AsString()) > maxValue {
		return fail("Value too large", fmt.Sprintf("The argument %s of %s has more than %d MiB.", a.name, b.in, maxValue>>20))
	}
	if v.IsNull() {
		if s.Required {
			return fail("Missing value", "The argument "+a.name+" of "+b.in+" is required, and its value is null.")
		}
		v = constantDefault(s.Default, s.Type).WithSameMarks(v)
	} else if s.Validate != nil {
		if problem := validate(s, v); problem != "" {
			return fail("Invalid value", "The argument "+a.name+" of "+b.in+" is not valid: "+problem)
		}
	}
	if s.Sensitive {
		v = v.WithMarks(Sensitive)
	}
	f.unknown = f.unknown || !Plain(v)
	return v, f.explain(a.expr.Expression, diags)
}

// failed stands for an argument with an error, so that others can be checked.
func (f *frame) failed(s *schema.Attribute) cty.Value { return cty.UnknownVal(s.Type) }

// validate calls the schema's Validate for a value that is known.
func validate(s *schema.Attribute, v cty.Value) string {
	sensitive := s.Sensitive
	if !Plain(v) {
		if v.ContainsMarked() {
			v, _ = v.UnmarkDeep()
			sensitive = true
		}
		if !v.IsWhollyKnown() {
			return ""
		}
	}
	err := s.Validate(v)
	switch {
	case err == nil:
		return ""
	case sensitive:
		return "the reason is not shown because the value is sensitive. See the argument's documentation for what is valid."
	}
	return err.Error() + "."
}

// nested evaluates the nested blocks of one type.
func (f *frame) nested(b *body, bs *blocks, ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	var diags hcl.Diagnostics
	vals := make([]cty.Value, 0, len(bs.items))
	known := true
	var places map[string]hcl.Range // of labels; dynamic blocks may repeat them
	if bs.dynamic {
		places = map[string]hcl.Range{}
	}
	for _, it := range bs.items {
		if it.dynamic == nil {
			v, more := f.body(it.body, ctx)
			diags = append(diags, more...)
			vals = append(vals, v)
			if bs.dynamic && it.body.name != cty.NilVal {
				places[it.body.name.AsString()] = it.body.header
			}
			continue
		}
		more, ok := f.dynamic(b, bs, it, ctx, &vals, places)
		diags = append(diags, more...)
		known = known && ok
	}
	f.unknown = f.unknown || !known
	if bs.schema.Nesting == schema.List {
		if !known {
			return cty.UnknownVal(bs.shape.list), diags
		}
		if bs.dynamic {
			if problem := wrongNumber(bs.schema, bs.name, len(vals), b.in); problem != "" && !diags.HasErrors() {
				diags = append(diags, f.blockError(bs, "Wrong number of blocks", problem))
			}
		}
		return listOf(bs.shape.list, vals), diags
	}
	switch {
	case !known:
		return cty.UnknownVal(bs.shape.ty), diags
	case len(vals) == 0:
		if bs.schema.Required && !diags.HasErrors() {
			diags = append(diags, f.blockError(bs, "Missing block", b.in+" needs a "+bs.name+" block, and the dynamic block makes none."))
		}
		return cty.NullVal(bs.shape.ty), diags
	case len(vals) > 1:
		diags = append(diags, f.blockError(bs, "Wrong number of blocks", b.in+" may have one "+bs.name+" block, and the dynamic block makes more."))
	}
	return vals[0], diags
}

func (f *frame) blockError(bs *blocks, summary, detail string) *hcl.Diagnostic {
	rng := bs.items[0].body.header
	for _, it := range bs.items {
		if it.dynamic != nil {
			rng = it.dynamic.rng
		}
	}
	return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: detail, Subject: rng.Ptr()}
}

// dynamic appends the blocks that a dynamic block makes. It returns false when
// their number is not known yet.
func (f *frame) dynamic(b *body, bs *blocks, it *item, ctx *hcl.EvalContext, vals *[]cty.Value, places map[string]hcl.Range) (hcl.Diagnostics, bool) {
	d := it.dynamic
	f.work = work.Budget{}
	coll, diags := d.forEach.Value(ctx)
	if diags.HasErrors() {
		return f.explain(d.forEach.Expression, diags), false
	}
	fail := func(detail string) (hcl.Diagnostics, bool) {
		diags = append(diags, &hcl.Diagnostic{
			Severity: hcl.DiagError, Summary: "Invalid for_each", Detail: detail,
			Subject: d.forEach.Range().Ptr(), Expression: d.forEach.Expression, EvalContext: ctx,
		})
		return f.explain(d.forEach.Expression, diags), false
	}
	switch {
	case len(shallowOrigins(coll)) > 0:
		return fail("The number of " + bs.name + " blocks would depend on a value " + derived(shallowOrigins(coll)) + ": plans and the state would show it. " + ephemeralUses)
	case coll.IsMarked():
		return fail("The number of " + bs.name + " blocks would depend on a sensitive value. Iterate over nonsensitive(keys(…)) and look the values up.")
	case coll.IsNull():
		return fail("The for_each of dynamic " + quote(bs.name) + " in " + b.in + " is null. Give a list, set or map; [] makes no block.")
	case !coll.IsKnown():
		return f.explain(d.forEach.Expression, diags), false
	case !coll.CanIterateElements():
		return fail("The for_each of dynamic " + quote(bs.name) + " in " + b.in + " is " + article(coll.Type()) + "; it must be a list, set or map.")
	}
	for iter := coll.ElementIterator(); iter.Next(); {
		k, v := iter.Element()
		if f.rounds++; f.rounds > maxRounds {
			return fail(fmt.Sprintf("Dynamic blocks would make more than %d blocks in %s, all together.", maxRounds, b.in))
		}
		if coll.Type().IsSetType() {
			k = v
		}
		child := ctx.NewChild()
		child.Variables = map[string]cty.Value{d.iterator: cty.ObjectVal(map[string]cty.Value{"key": k, "value": v})}
		f.iterated = append(f.iterated, iteration{d.iterator, d.forEach, k})
		more := f.round(b, bs, it, child, vals, places)
		f.iterated = f.iterated[:len(f.iterated)-1]
		diags = append(diags, more...)
	}
	return f.explain(d.forEach.Expression, diags), true
}

// round makes one block of a dynamic block.
func (f *frame) round(b *body, bs *blocks, it *item, ctx *hcl.EvalContext, vals *[]cty.Value, places map[string]hcl.Range) hcl.Diagnostics {
	v, diags := f.body(it.body, ctx)
	if it.dynamic.label == nil {
		*vals = append(*vals, v)
		return diags
	}
	label, more := it.dynamic.label.Value(ctx)
	diags = append(diags, more...)
	if more.HasErrors() {
		return f.explain(it.dynamic.label.Expression, diags)
	}
	fail := func(detail string) hcl.Diagnostics {
		return f.explain(it.dynamic.label.Expression, append(diags, &hcl.Diagnostic{
			Severity: hcl.DiagError, Summary: "Invalid name", Detail: detail,
			Subject: it.dynamic.label.Range().Ptr(), Expression: it.dynamic.label.Expression, EvalContext: ctx,
		}))
	}
	label, err := convert.Convert(label, cty.String)
	switch {
	case err != nil || label.IsNull():
		return fail("The name of a " + bs.name + " block in " + b.in + " must be a text.")
	case len(shallowOrigins(label)) > 0:
		return fail("The name of a " + bs.name + " block in " + b.in + " is " + derived(shallowOrigins(label)) + ": plans and the state would show it. " + ephemeralUses)
	case label.IsMarked():
		return fail("The name of a " + bs.name + " block in " + b.in + " is derived from a sensitive value. Pass what may be shown through nonsensitive().")
	case label.IsKnown():
		name := label.AsString()
		if first, twice := places[name]; twice {
			return fail("There is a second " + bs.name + " block named " + quote(name) + " in " + b.in + "; the first is at " + place(first) + ". Names are unique.")
		}
		places[name] = it.dynamic.rng
	}
	f.unknown = f.unknown || !label.IsKnown()
	labelled := newAttrs(len(v.Type().AttributeTypes()))
	for name, attr := range v.AsValueMap() {
		labelled.set(name, attr)
	}
	labelled.set(it.body.label, label)
	*vals = append(*vals, labelled.object(bs.shape.ty))
	return diags
}
