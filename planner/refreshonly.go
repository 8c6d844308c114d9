package planner

import (
	"context"
	"fmt"

	"github.com/hashicorp/hcl/v2"

	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/state"
)

// refreshOnly plans to record what changed by itself: each instance that the state
// has, as it is now. Nothing is to be done to any of them. What the last apply left
// unfinished stays as it is recorded: only an apply can tell what it is.
func (m *maker) refreshOnly(ctx context.Context) {
	for _, address := range sortedKeys(m.in.State.Instances) {
		rec := m.in.State.Instances[address]
		k := m.kinds[rec.Kind]
		if k == nil || !m.in.Options.about(address) || m.unfinished(address, rec) {
			m.stay(address)
			continue
		}
		m.asItIs(k, address, rec)
	}
	m.expandAll(ctx)
	m.known()
	m.sortChanges()
	m.outputs()
	m.checks()
	for _, c := range m.plan.Changes {
		if c.After.IsNull() && m.recorded(c.Address).PreventDestroy {
			m.diags = append(m.diags, &hcl.Diagnostic{
				Severity: hcl.DiagWarning, Summary: "Gone in spite of prevent_destroy", Subject: m.subject(c.Address),
				Detail: fmt.Sprintf("%s was deleted outside of Stowage. An apply of this plan forgets it; an ordinary apply makes it again.", c.Address),
			})
		}
	}
	m.warnings()
}

// about reports whether a plan with these options looks at an address by itself.
func (o Options) about(address string) bool {
	if len(o.Targets) > 0 {
		return coveredBy(o.Targets, address)
	}
	return !coveredBy(o.Excludes, address)
}

// asItIs makes the change of the record of one instance.
func (m *maker) asItIs(k *kindInfo, address string, rec *state.Instance) {
	c := &Change{Address: address, Object: identityOf(rec).Object, MovedFrom: m.from[address], Kind: rec.Kind, Action: NoOp, Deps: rec.Deps, Placement: rec.Placement,
		PreventDestroy: rec.PreventDestroy, DeleteTimeout: deleteTimeout(rec), Settled: true}
	if !m.prior(k, c, rec) {
		m.failed = true
		return
	}
	c.After = c.Before
	if c.Refreshed {
		c.Before, _ = m.dec.instance(k, rec) // prior has read it
	}
	if k.carried != nil && !c.After.IsNull() {
		m.replicasNow(c, rec)
	}
	m.changes[address] = c
}

// replicasNow records where controllers have moved replicas.
func (m *maker) replicasNow(c *Change, rec *state.Instance) {
	now := m.bindings()[c.Object]
	if now == nil {
		return
	}
	if !healedMoves(c, rec, now) {
		return
	}
	c.Placement = append([]string(nil), rec.Placement...)
	for slot, node := range now {
		if slot >= 0 && slot < len(c.Placement) {
			c.Placement[slot] = node
		}
	}
	c.Refreshed = true
}

// expandAll makes the instances of all blocks known to the evaluator, for outputs;
// what cannot be expanded stays unknown. Data is read as far as it can be now.
func (m *maker) expandAll(ctx context.Context) {
	ev, diags := lang.NewEvaluator(m.in.Config, m.in.Inputs)
	m.diags = append(m.diags, diags...)
	if diags.HasErrors() {
		return
	}
	m.ev, m.plan.ev = ev, ev
	for batch := range ev.Batches(m.isSource) {
		r := batch[0]
		if m.isSource(r.Resource) {
			m.sources(ctx, batch)
			m.unreadStays(batch)
			continue
		}
		keys, diags := ev.Expand(r)
		b := m.blockPlan(r)
		b.keys, b.failed = keys, diags.HasErrors()
		for _, key := range keys {
			address := lang.InstanceAddress(r.Address(), key)
			if c := m.changes[address]; c != nil && !c.After.IsNull() {
				ev.Set(address, c.After)
			}
		}
	}
}

// unreadStays leaves unknown what only an apply could read: this plan has no steps.
func (m *maker) unreadStays(blocks []*lang.Block) {
	for _, r := range blocks {
		b := m.blocks[r.Address()]
		for _, c := range b.instances {
			delete(m.changes, c.Address)
		}
		b.instances = nil
	}
}
