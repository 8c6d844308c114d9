package planner

import (
	"context"
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/lang/schema"
	"github.com/stowage-iac/stowage/providers"
)

// Write-only arguments may be ephemeral. A kind plans with them, and from there on
// they are in no value: in their place is a null that is marked sensitive, which says
// that something was given. Where an apply needs them they are evaluated again, from
// the variables that are given to it.

// writesOnly reports whether a schema has write-only arguments.
func writesOnly(b *schema.Block) bool {
	for _, a := range b.Attributes {
		if a.WriteOnly {
			return true
		}
	}
	for _, nb := range b.Blocks {
		if writesOnly(&nb.Block) {
			return true
		}
	}
	return false
}

// kept is a value without what is given to write-only arguments.
func (k *kindInfo) kept(v cty.Value) cty.Value {
	if !k.writeOnly || v == cty.NilVal {
		return v
	}
	return mapWriteOnly(k.schema, v, func(_ []string, v cty.Value) cty.Value {
		if bare := plain(v); bare.IsKnown() && bare.IsNull() {
			return v
		}
		return cty.NullVal(v.Type()).WithMarks(lang.Sensitive)
	})
}

// given is a value with what its configuration gives to write-only arguments, for the
// kind and nobody else: without the mark of ephemeral values.
func (k *kindInfo) given(v, config cty.Value) cty.Value {
	return mapWriteOnly(k.schema, v, func(path []string, old cty.Value) cty.Value {
		at := config
		for _, name := range path {
			if at = plain(at); !usable(at) || !at.Type().HasAttribute(name) {
				return old
			}
			at = at.GetAttr(name)
		}
		return plain(at).WithMarks(lang.Sensitive)
	})
}

// mapWriteOnly replaces the write-only arguments of a block and of the single blocks
// within it; others have none.
func mapWriteOnly(b *schema.Block, v cty.Value, change func(path []string, v cty.Value) cty.Value, path ...string) cty.Value {
	obj, marks := v.Unmark()
	if !usable(obj) {
		return v
	}
	set := map[string]cty.Value{}
	in := func(name string) []string { return append(path[:len(path):len(path)], name) }
	for name, a := range b.Attributes {
		if a.WriteOnly {
			set[name] = change(in(name), obj.GetAttr(name))
		}
	}
	for name, nb := range b.Blocks {
		if nb.Nesting == schema.Single && writesOnly(&nb.Block) {
			set[name] = mapWriteOnly(&nb.Block, obj.GetAttr(name), change, in(name)...)
		}
	}
	if len(set) == 0 {
		return v
	}
	return lang.WithAttributes(obj, set).WithMarks(marks)
}

// keys finds the private keys of the nodes that are to be destroyed where the
// configuration still has them: the state has none.
func (r *refresher) keys(ctx context.Context, byName map[string]*target) bool {
	if !r.writes() {
		return true
	}
	ev, diags := lang.NewEvaluator(r.Config, r.Inputs)
	if r.diags = append(r.diags, diags...); diags.HasErrors() {
		return false
	}
	r.sources(ctx, ev)
	for b := range ev.Blocks() {
		k := r.kinds[b.Resource.Kind]
		if k == nil || k.carrier == nil {
			continue
		}
		keys, diags := ev.Expand(b)
		if diags.HasErrors() {
			continue // what is left of the configuration need not be whole
		}
		for _, key := range keys {
			inst, diags := ev.Decode(b, key)
			if diags.HasErrors() {
				continue
			}
			id := r.ledger.names.of(inst.Kind, inst.Address, r.ledger.state.Instances[inst.Address])
			if m, known, _ := k.carrier.Machine(id, inst.Config); known && byName[id.Object] != nil {
				byName[id.Object].machine.SSH.Key = m.SSH.Key
			}
		}
	}
	return true
}

// writes reports whether the configuration gives any node a write-only argument.
func (r *refresher) writes() bool {
	for name, k := range r.kinds {
		if k.carrier != nil && r.Config != nil && r.Config.WritesOnly(name) {
			return true
		}
	}
	return false
}

// writes reports whether an apply needs what is given to write-only arguments.
func (x *executor) writes() bool {
	if x.Config == nil {
		return false
	}
	for _, c := range x.plan.Changes {
		k := x.kinds[c.Kind]
		if k.writeOnly && (k.carrier != nil || !c.Action.ends()) && x.Config.WritesOnly(c.Kind) {
			return true
		}
	}
	return false
}

// Instance gives the present value of another resource.
func (x *executor) Instance(address string) (cty.Value, bool) {
	v, ok := x.value(address)
	c := x.changes[address]
	if !ok || c == nil || !x.kinds[c.Kind].writeOnly || c.Action.ends() {
		return v, ok
	}
	config, diags := x.configOf(c)
	if diags.HasErrors() || config == cty.NilVal {
		return v, ok // the configuration does not have it: nothing is given
	}
	return x.kinds[c.Kind].given(v, config), true
}

// configOf is the configuration of an instance; cty.NilVal where it has none.
func (x *executor) configOf(c *Change) (cty.Value, hcl.Diagnostics) {
	b, key, found := x.instance(c.Address)
	if !found {
		return cty.NilVal, nil
	}
	inst, diags := x.ev.Decode(b, key)
	return inst.Config, diags
}

// CheckGiven checks, before an opened plan is begun, the ephemeral variables that are
// given for its apply: they are valid, and lead to what was planned.
func CheckGiven(p *Plan, in ApplyInput) hcl.Diagnostics {
	if in.Config == nil || len(in.Config.Ephemerals()) == 0 {
		return nil
	}
	_, diags := newExecutor(p, in)
	return diags
}

// rewritten tells the fleet the private keys of nodes, and checks what is given to
// write-only arguments against an opened plan: where it leads to another value than
// the planned one, as another value of a secret does, the plan does not hold.
func (x *executor) rewritten() (diags hcl.Diagnostics) {
	if x.ev == nil || !x.writes() {
		return nil
	}
	for _, c := range x.plan.Changes {
		k := x.kinds[c.Kind]
		if !k.writeOnly || !x.Config.WritesOnly(c.Kind) || x.plan.Partial() && c.Action == NoOp {
			continue
		}
		config, more := x.configOf(c)
		if more.HasErrors() || config == cty.NilVal {
			continue // its step says so
		}
		if k.carrier != nil {
			if m, known, _ := k.carrier.Machine(c.id(), config); known && x.Fleet != nil {
				x.Fleet.Add(m.SSH.Name, m.SSH)
			}
			continue
		}
		if x.plan.ev == nil && !c.Action.ends() && mapped(k, config) {
			diags = append(diags, x.differs(k, c, config)...)
		}
	}
	return diags
}

// mapped reports whether a configuration gives anything known to a write-only argument.
func mapped(k *kindInfo, config cty.Value) bool {
	found := false
	mapWriteOnly(k.schema, config, func(_ []string, v cty.Value) cty.Value {
		bare := plain(v)
		found = found || bare.IsKnown() && !bare.IsNull()
		return v
	})
	return found
}

func (x *executor) differs(k *kindInfo, c *Change, config cty.Value) hcl.Diagnostics {
	was, ok := x.value(c.Address)
	if !ok {
		return nil
	}
	resp, err := plan(k, providers.PlanRequest{
		Identity: c.id(), Prior: k.codec.null, Config: config, HashKey: x.hashKey, BaseDir: x.BaseDir, Resolve: x.Resolve, Outside: x.Outside,
	})
	if err != nil || resp.Diags.HasErrors() {
		return nil // its step says so
	}
	path, same := agrees(was, k.kept(k.markSensitive(resp.Planned)), "")
	if same {
		return nil
	}
	return hcl.Diagnostics{x.problem(c, "Other value than planned", fmt.Sprintf(
		"What is given to a write-only argument of %s is not what the plan was made with: %s would be different. "+
			"Nothing was done. Give the ephemeral variables the values that they had, or plan again.", c.Address, orIt(path)))}
}
