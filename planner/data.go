package planner

import (
	"context"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/providers"
	"github.com/stowage-iac/stowage/providers/data"
)

// isSource reports whether a block is one of data.
func (m *maker) isSource(r *lang.Resource) bool {
	if !strings.HasPrefix(r.Kind, data.Prefix) {
		return false
	}
	k := m.kinds[r.Kind]
	return k != nil && k.source != nil
}

// sources plans data blocks, all of whose referents are planned: what can be read
// is read, all at once, and the rest is left to the apply.
func (m *maker) sources(ctx context.Context, blocks []*lang.Block) {
	var jobs []*dataJob
	var insts []*lang.Instance
	for _, in := range blocks {
		m.sourceBlock(in, func(k *kindInfo, inst *lang.Instance) {
			jobs = append(jobs, &dataJob{req: requestOf(k, inst, m.in.BaseDir)})
			insts = append(insts, inst)
		})
	}
	readAll(ctx, m.in.Data, jobs)
	for i, j := range jobs {
		inst := insts[i]
		m.about(inst.Address, func() {
			for _, d := range j.diags {
				m.diags = append(m.diags, located(d, m.resourceOf(inst.Address), inst.Range.Ptr()))
			}
		})
		if j.diags.HasErrors() {
			m.unread(inst)
			continue
		}
		if !m.judged(inst, j) {
			continue
		}
		m.plan.Data = append(m.plan.Data, Data{Address: inst.Address, Kind: inst.Kind, Value: j.value})
		m.ev.Set(inst.Address, j.value)
	}
}

// judged judges the postconditions of what was read. Where they depend on what only an
// apply will know, the source is read again during it.
func (m *maker) judged(inst *lang.Instance, j *dataJob) bool {
	b := m.blocks[lang.BlockOf(inst.Address)]
	out := m.ev.Postconditions(b.block, inst.Key, j.value)
	if out.Status == lang.Unknown {
		m.defers(b, inst, "its postcondition refers to values not yet known")
		return false
	}
	m.about(inst.Address, func() { m.diags = append(m.diags, out.Diags...) })
	if status := inst.Pre.Status.Worst(out.Status); status != "" {
		m.plan.Checks = append(m.plan.Checks, Checked{"resource", inst.Address, status, append(inst.Pre.Problems, out.Problems...)})
	}
	if out.Diags.HasErrors() {
		m.unread(inst)
		return false
	}
	return true
}

// defers leaves the reading of an instance to the apply.
func (m *maker) defers(b *blockPlan, inst *lang.Instance, why string) {
	c := m.later(m.kinds[inst.Kind], inst, why)
	m.about(inst.Address, func() { m.conditions(b.block, inst, c) })
	b.instances = append(b.instances, c)
	m.changes[c.Address] = c
	m.ev.Set(c.Address, c.After)
}

// sourceBlock plans the instances of a block; ready is called for those that can be
// read now.
func (m *maker) sourceBlock(in *lang.Block, ready func(*kindInfo, *lang.Instance)) {
	b := m.blockPlan(in)
	k := m.kinds[in.Resource.Kind]
	keys, diags := m.ev.Expand(in)
	m.about(in.Address(), func() { m.diags = append(m.diags, diags...) })
	if diags.HasErrors() {
		b.failed, m.failed = true, true
		return
	}
	b.keys = keys
	for _, key := range keys {
		inst, diags := m.ev.Decode(in, key)
		m.about(inst.Address, func() { m.diags = append(m.diags, diags...) })
		if diags.HasErrors() {
			m.unread(inst)
			continue
		}
		m.note(inst)
		why := m.deferred(inst)
		if why == "" {
			ready(k, inst)
			continue
		}
		m.defers(b, inst, why)
	}
}

// unread stands for an instance that could not be decoded or read.
func (m *maker) unread(inst *lang.Instance) {
	block, _ := splitAddress(inst.Address)
	m.blocks[block].failed, m.failed = true, true
	m.changes[inst.Address], m.failedDeps[inst.Address] = nil, m.withData(inst.Deps)
	m.ev.Set(inst.Address, cty.UnknownVal(m.kinds[inst.Kind].codec.ty))
}

// deferred says why a source cannot be read before the apply; "" when it can.
func (m *maker) deferred(inst *lang.Instance) string {
	switch {
	case !inst.Config.IsWhollyKnown():
		return "config refers to values not yet known"
	case inst.Pre.Status == lang.Unknown:
		return "its precondition refers to values not yet known"
	}
	for _, dep := range inst.Deps {
		if m.pending(dep) {
			return "depends on " + dep + ", which has changes pending"
		}
	}
	if m.in.Data == nil {
		return "nothing is read before the apply"
	}
	return ""
}

// pending reports whether an instance, or any of a block, is about to change.
func (m *maker) pending(address string) bool {
	if c, ok := m.changes[address]; ok {
		return c == nil || c.Action != NoOp || m.moving[address]
	}
	if known, ok := m.pendingOf[address]; ok {
		return known
	}
	p := m.anyPending(address)
	m.pendingOf[address] = p
	return p
}

// anyPending reports whether anything that a dependency on a block or a module
// stands for is about to change. All of it is planned by now.
func (m *maker) anyPending(address string) bool {
	if b := m.blocks[address]; b != nil {
		if b.failed {
			return true
		}
		for _, c := range b.instances {
			if c.Action != NoOp || m.moving[c.Address] {
				return true
			}
		}
	} else {
		for of, c := range m.changes {
			if (c == nil || c.Action != NoOp || m.moving[of]) && slices.Contains(lang.Covers(of), address) {
				return true
			}
		}
	}
	return m.leaves(address)
}

// leaves reports whether a block or module has recorded instances that it no longer declares.
func (m *maker) leaves(address string) bool {
	for of := range m.in.State.Instances {
		if _, declared := m.changes[of]; !declared && slices.Contains(lang.Covers(of), address) {
			return true
		}
	}
	return false
}

// later is the change that stands for a source that the apply reads.
func (m *maker) later(k *kindInfo, inst *lang.Instance, why string) *Change {
	resp := k.source.Plan(providers.PlanRequest{Identity: providers.Identify(inst.Address), Prior: k.codec.null, Config: inst.Config})
	return &Change{
		Address: inst.Address, Object: providers.ObjectName(inst.Address), Kind: inst.Kind, Action: Read, Before: k.codec.null, After: resp.Planned,
		Reason: why, Deps: inst.Deps, Timeout: inst.Timeouts.Read,
	}
}

// note keeps what a data block's instance depends on, in the place of which its
// dependents are destroyed.
func (m *maker) note(inst *lang.Instance) {
	if len(inst.Deps) == 0 {
		return
	}
	deps := m.withData(inst.Deps)
	m.through[inst.Address] = deps
	for _, dep := range deps {
		m.needed[dep] = true
	}
}

// withData adds to dependencies those of the data blocks among them: what is
// recorded and destroyed knows no data.
func (m *maker) withData(deps []string) []string {
	if len(m.needed) == 0 {
		return deps
	}
	var more []string
	for _, dep := range deps {
		if one, ok := m.through[dep]; ok {
			more = append(more, one...)
		} else if data.IsAddress(dep) || lang.ModuleOf(dep) == dep {
			more = append(more, m.throughAll(dep)...)
		}
	}
	if len(more) == 0 {
		return deps
	}
	return sortedUnion(deps, more)
}

// throughAll is what the data in a block or a module depends on.
func (m *maker) throughAll(address string) []string {
	if known, ok := m.through[address]; ok {
		return known
	}
	var all []string
	for of, deps := range m.through {
		if of != address && slices.Contains(lang.Covers(of), address) {
			all = append(all, deps...)
		}
	}
	m.through[address] = sortedUnion(all, nil)
	return m.through[address]
}

// sortedUnion merges two lists, each address once.
func sortedUnion(a, b []string) []string {
	all := append(slices.Clone(a), b...)
	slices.Sort(all)
	return slices.Compact(all)
}

// withoutData are dependencies as they are recorded.
func withoutData(deps []string) []string {
	if !slices.ContainsFunc(deps, data.IsAddress) {
		return deps
	}
	return slices.DeleteFunc(slices.Clone(deps), data.IsAddress)
}
