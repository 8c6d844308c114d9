package planner

import (
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang"
)

// A partial plan is made like any other, and then all that it is not about goes
// back to what is recorded: so it is the same plan, less what was left out. What
// is wrong with things that are left out is held back until it is known that they
// are.

// held are diagnostics about one address, in the order in which they came.
type held struct {
	address string
	diags   hcl.Diagnostics
}

// about runs f, which plans what is at an address. In a partial plan its
// diagnostics wait until it is known whether the plan is about it.
func (m *maker) about(address string, f func()) {
	if !m.in.Partial() {
		f()
		return
	}
	before := m.diags
	m.diags = nil
	f()
	if len(m.diags) > 0 {
		m.held = append(m.held, held{address, m.diags})
	}
	m.diags = before
}

// narrow takes out of a partial plan what it is not about.
func (m *maker) narrow() {
	if !m.known() || !m.in.Partial() {
		return
	}
	s := &selector{maker: m, in: map[string]bool{}, blocks: map[string]bool{}}
	switch {
	case len(m.in.Excludes) > 0 && m.in.Destroy:
		s.excludeFromDestroy()
	case len(m.in.Excludes) > 0:
		s.exclude()
	case m.in.Destroy:
		s.targetDestroy()
	default:
		s.target()
	}
	m.failed = false
	for _, h := range m.held {
		if s.in[h.address] || s.blocks[h.address] {
			m.diags = append(m.diags, h.diags...)
			m.failed = m.failed || h.diags.HasErrors()
		}
	}
	for _, address := range m.in.Replace {
		m.replaceLeftOut(s, address)
	}
	m.leave(s.in)
}

func (m *maker) replaceLeftOut(s *selector, given string) {
	for address := range s.in {
		if lang.Under(address, given) {
			return
		}
	}
	m.diags = append(m.diags, errorf(nil, "Replacement left out", fmt.Sprintf(
		"-replace=%s asks for a replacement that the plan leaves out because of its -target or -exclude. Name it in both, or in neither.", given)))
}

// leave puts back what is recorded wherever the plan is not about it.
func (m *maker) leave(in map[string]bool) {
	m.left = map[string]bool{}
	for address := range m.changes {
		if !in[address] {
			m.left[address] = true
		}
	}
	for address := range m.in.State.Instances {
		if !in[address] {
			m.left[address] = true
		}
	}
	for _, address := range sortedKeys(m.left) {
		m.stay(address)
	}
	m.plan.Checks = slices.DeleteFunc(m.plan.Checks, func(c Checked) bool { return m.left[c.Address] })
	for _, b := range m.blocks {
		kept := b.instances[:0]
		for _, c := range b.instances {
			if now := m.changes[c.Address]; now != nil {
				kept = append(kept, now)
			}
		}
		b.instances = kept
	}
}

// stay makes of an address what it is now: no change where it is recorded,
// nothing where it is not.
func (m *maker) stay(address string) {
	delete(m.changes, address)
	rec := m.recorded(address)
	if rec == nil {
		if m.ev != nil {
			m.ev.Set(address, cty.DynamicVal)
		}
		return
	}
	k := m.kinds[rec.Kind]
	if k == nil {
		return // a kind of another version: nothing is to be done to it
	}
	v, err := m.dec.instance(k, rec)
	if err != nil {
		m.failed = true
		m.diags = append(m.diags, errorf(nil, "Damaged state", sentence(err)+"."))
		return
	}
	m.changes[address] = &Change{
		Address: address, Object: identityOf(rec).Object, MovedFrom: m.from[address], Kind: rec.Kind, Action: NoOp, Before: v, After: v, Deps: rec.Deps,
		Placement: rec.Placement, PreventDestroy: rec.PreventDestroy, DeleteTimeout: deleteTimeout(rec), Settled: true, left: true,
	}
	if m.ev != nil {
		m.ev.Set(address, v)
	}
}
