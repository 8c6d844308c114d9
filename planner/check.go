package planner

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang"
)

// Checked is the outcome of the conditions of one thing.
type Checked struct {
	Kind     string      `json:"kind"`    // resource, output, check
	Address  string      `json:"address"` // pod.web[0], output.url, check.health
	Status   lang.Status `json:"status"`
	Problems []string    `json:"problems,omitempty"`
}

// conditions notes the outcome of an instance's conditions; what is not known yet is
// asked again when it is applied.
func (m *maker) conditions(b *lang.Block, inst *lang.Instance, c *Change) {
	out := m.ev.Postconditions(b, inst.Key, c.After)
	m.diags = append(m.diags, out.Diags...)
	if len(out.Deps) > 0 {
		c.Deps = mergeDeps(c.Deps, out.Deps)
	}
	status := inst.Pre.Status.Worst(out.Status)
	if status == "" {
		return
	}
	m.plan.Checks = append(m.plan.Checks, Checked{"resource", c.Address, status, append(inst.Pre.Problems, out.Problems...)})
	if inst.Pre.Status == lang.Unknown {
		c.Settled = false
	}
	c.Pending = status == lang.Unknown
}

// mergeDeps is sorted; an address of its own instance is none.
func mergeDeps(a, b []string) []string {
	all := append(slices.Clone(a), b...)
	slices.Sort(all)
	return slices.Compact(all)
}

// checks evaluates the check blocks: they only warn.
func (m *maker) checks() {
	if m.ev == nil || m.failed {
		return
	}
	for _, r := range m.ev.Checks() {
		m.diags = append(m.diags, r.Diags...)
		m.plan.Checks = append(m.plan.Checks, Checked{"check", r.Address, r.Status, r.Problems})
	}
}

// postconditions judges what was applied.
func (x *executor) postconditions(c *Change, v cty.Value) hcl.Diagnostics {
	b, key, ok := x.instance(c.Address)
	if !ok || !b.Resource.Conditioned() {
		return nil
	}
	return x.ev.Postconditions(b, key, v).Diags
}

// instance finds an instance of the configuration.
func (x *executor) instance(address string) (*lang.Block, cty.Value, bool) {
	if x.ev == nil {
		return nil, cty.NilVal, false
	}
	block, _ := splitAddress(address)
	b := x.sources[block]
	key, ok := x.key(b, address)
	return b, key, ok
}

// unjudged judges what needed nothing done, but has conditions that the plan could not
// judge; what they depend on must have been done.
func (x *executor) unjudged() (diags hcl.Diagnostics) {
	undone := x.undone()
	for _, c := range x.plan.Changes {
		if c.Action != NoOp || !c.Pending || slices.ContainsFunc(c.Deps, func(d string) bool { return undone[d] }) {
			continue
		}
		b, key, ok := x.instance(c.Address)
		v, known := x.value(c.Address)
		if !ok || !known {
			continue
		}
		_, more := x.ev.Decode(b, key)
		diags = append(append(diags, more...), x.ev.Postconditions(b, key, v).Diags...)
	}
	return diags
}

// check evaluates the check blocks again, after the steps.
func (x *executor) check() (diags hcl.Diagnostics) {
	if x.ev == nil {
		return nil
	}
	for _, r := range x.ev.Checks() {
		x.checks = append(x.checks, Checked{"check", r.Address, r.Status, r.Problems})
		diags = append(diags, r.Diags...)
	}
	return diags
}
