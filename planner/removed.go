package planner

import (
	"fmt"
	"sort"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/providers"
	"github.com/stowage-iac/stowage/state"
)

// removed plans the deletion of what is recorded and not in the configuration.
func (m *maker) removed() {
	var gone []string
	for address := range m.state.Instances {
		if _, ok := m.changes[address]; !ok {
			gone = append(gone, address)
		}
	}
	sort.Strings(gone)
	for _, address := range gone {
		rec := m.state.Instances[address]
		block, _ := splitAddress(address)
		if b := m.blocks[block]; b != nil && b.failed || m.failed && b == nil && m.ev == nil && !m.in.Destroy {
			continue // its block could not be expanded: it may well be there
		}
		if m.unexpanded(address) {
			continue
		}
		m.about(address, func() { m.remove(address, rec, m.whyRemoved(block, address)) })
	}
}

// unexpanded reports whether the instances of a module around the address are not
// known: it may well be there.
func (m *maker) unexpanded(address string) bool {
	if m.ev == nil || !m.failed || lang.ModuleOf(address) == "" {
		return false
	}
	_, known := m.ev.NoModule(address)
	return !known
}

// whyRemoved says why nothing in the configuration stands for an instance.
func (m *maker) whyRemoved(block, address string) string {
	b := m.blocks[block]
	_, key := splitAddress(address)
	switch {
	case m.in.Destroy:
		return ""
	case b == nil && m.ev != nil && lang.ModuleOf(block) != "":
		if why, _ := m.ev.NoModule(address); why != "" {
			return why
		}
		return fmt.Sprintf("%s is not in the configuration", block)
	case b == nil:
		return fmt.Sprintf("%s is not in the configuration", block)
	case len(b.keys) == 1 && b.keys[0] == cty.NilVal:
		return fmt.Sprintf("%s has neither count nor for_each any more", block)
	case key == "":
		return fmt.Sprintf("%s has count or for_each now", block)
	case key[0] == '"':
		if len(b.keys) > 0 && b.keys[0].Type() == cty.Number {
			return fmt.Sprintf("%s has count instead of for_each now", block)
		}
		return fmt.Sprintf("for_each of %s has no key %s", block, key)
	case len(b.keys) > 0 && b.keys[0].Type() == cty.String:
		return fmt.Sprintf("%s has for_each instead of count now", block)
	}
	return fmt.Sprintf("count of %s is %d", block, len(b.keys))
}

func (m *maker) remove(address string, rec *state.Instance, reason string) {
	k := m.kinds[rec.Kind]
	if k == nil {
		m.failed = true
		m.changes[address] = nil
		m.diags = append(m.diags, errorf(nil, "Unknown kind in the state", fmt.Sprintf(
			"The state records %s, and this version of Stowage has no kind %q. Use the version that made it, or a newer one.", address, rec.Kind)))
		return
	}
	c := &Change{Address: address, Object: identityOf(rec).Object, MovedFrom: m.from[address], Kind: rec.Kind, Action: Delete, Reason: reason, Deps: rec.Deps,
		PreventDestroy: rec.PreventDestroy, DeleteTimeout: deleteTimeout(rec), Placement: rec.Placement, Settled: true}
	written := m.written(address)
	if written != nil {
		c.DeleteTimeout = written.Timeouts.Delete
	}
	if !m.prior(k, c, rec) {
		m.failed = true
		m.changes[address] = nil
		return
	}
	if c.Before.IsNull() {
		// Gone already. Deleting again is harmless and clears up what may be left of it.
		c.Before, c.Reason = k.codec.null, "it is gone already"
		if v, err := m.dec.instance(k, rec); err == nil {
			c.Before = v
		}
		c.PreventDestroy = false
	}
	c.Refreshed = false
	c.After = k.codec.null
	m.changes[address] = c
	if r := m.removal(address); r != nil && !r.Destroy {
		c.Action, c.Reason, c.PreventDestroy = Forget, "a removed block says so", false
		return
	}
	if c.PreventDestroy || written != nil && written.Lifecycle.PreventDestroy {
		m.prevented(c, m.subject(address))
	}
}

// removal is the removed block that an address falls under, if it matters.
func (m *maker) removal(address string) *lang.Removal {
	if m.in.Destroy || m.in.Config == nil {
		return nil
	}
	return m.in.Config.Removal(address)
}

// written is the block of an address as it is in the configuration now, whether its
// instances were evaluated or, in a destroy plan, were not; nil when there is none.
func (m *maker) written(address string) *lang.Resource {
	if m.in.Config == nil {
		return nil
	}
	if m.declared == nil {
		m.declared = make(map[string]*lang.Resource, len(m.in.Config.Resources))
		for _, r := range m.in.Config.Resources {
			m.declared[r.Address()] = r
		}
	}
	a, ok := lang.ParseAddress(address)
	if !ok {
		return nil
	}
	a.Key = cty.NilVal
	for i := range a.Modules {
		a.Modules[i].Key = cty.NilVal
	}
	return m.declared[a.String()]
}

func (m *maker) subject(address string) *hcl.Range {
	block, _ := splitAddress(address)
	if b := m.blocks[block]; b != nil {
		return &b.block.Resource.Range
	}
	return nil
}

// orphans plans the deletion of objects in the cluster that are ours, but neither
// recorded nor declared: an apply was killed between writing and recording them.
func (m *maker) orphans() {
	if m.in.World == nil || m.in.World.Cluster == nil || m.failed {
		return
	}
	known := m.objects()
	for _, o := range m.in.World.Cluster.Objects {
		address := providers.AddressOf(string(o.Kind), o.Name)
		k := m.kinds[string(o.Kind)]
		if k == nil || o.Owner != m.in.State.Lineage || known[string(o.Kind)+"."+o.Name] {
			continue
		}
		id := providers.Identity{Address: address, Object: o.Name}
		if _, used := m.changes[address]; used { // by an instance whose object has another name
			id.Address += " (left behind)"
		}
		before := k.empty()
		if resp, err := read(k, providers.ReadRequest{Identity: id, Prior: k.codec.null, World: m.in.World}); err == nil && !providers.IsNull(resp.Value) {
			before = resp.Value
		}
		m.changes[id.Address] = &Change{
			Address: id.Address, Object: o.Name, Kind: string(o.Kind), Action: Delete, Before: before, After: k.codec.null,
			Reason: "left behind by an interrupted apply, or forgotten by state rm", ModRevision: o.ModRevision, Settled: true,
		}
	}
}

// objects are those of all instances, as kind.object.
func (m *maker) objects() map[string]bool {
	known := make(map[string]bool, len(m.changes))
	for _, c := range m.changes {
		known[c.Kind+"."+c.Object] = true
		if c.Old != "" {
			known[c.Kind+"."+c.Old] = true
		}
	}
	return known
}
