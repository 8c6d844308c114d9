package planner

import (
	"fmt"

	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/providers"
)

// originate completes the causes of an update or a replacement: a field that
// differs because of another resource's change names that, and one that somebody
// changed on the hosts says so. The others were edited.
func (m *maker) originate(c *Change, inst *lang.Instance) {
	block, _ := splitAddress(c.Address)
	b := m.blocks[block]
	drifted := make(map[string]bool, len(c.Drift))
	for _, d := range c.Drift {
		drifted[d.Path] = true
	}
	for i := range c.Causes {
		cause := &c.Causes[i]
		if cause.Path == "" {
			continue
		}
		if b != nil && len(inst.Deps) > 0 {
			m.dependency(cause, b, inst)
		}
		if cause.Why == "" && cause.Dependency == "" && drifted[cause.Path] {
			cause.Why = whyDrifted
		}
	}
}

const whyDrifted = "changed outside of Stowage"

// dependency finds the resource whose change is the cause of a field's.
func (m *maker) dependency(cause *providers.Cause, b *blockPlan, inst *lang.Instance) {
	steps, err := parsePath(cause.Path)
	if err != nil {
		return
	}
	path := make([]string, len(steps))
	for i, s := range steps {
		if path[i] = s.name; s.kind == stepIndex {
			path[i] = fmt.Sprintf("[%d]", s.index)
		}
	}
	for _, o := range m.ev.Origins(b.block, inst.Key, path) {
		if !m.changing(o.Address) || m.keeps(o) {
			continue
		}
		cause.Dependency = o.Address
		if cause.Why == "" {
			cause.Why = "changed with " + o.Address
			if o.Attribute != "" {
				cause.Why = "changed with " + join(o.Address, o.Attribute)
			}
		}
		return
	}
}

// keeps reports whether the attribute that is read stays as it is.
func (m *maker) keeps(o lang.Origin) bool {
	c := m.changes[o.Address]
	if c == nil || o.Attribute == "" {
		return false
	}
	before, after := plain(c.Before), plain(c.After)
	if !usable(before) || !usable(after) || !before.Type().HasAttribute(o.Attribute) || !after.Type().HasAttribute(o.Attribute) {
		return false
	}
	return same(before.GetAttr(o.Attribute), after.GetAttr(o.Attribute))
}

// changing reports whether anything is done to an instance, or to any of a block.
// Both come before what depends on them.
func (m *maker) changing(address string) bool {
	if c := m.changes[address]; c != nil {
		return c.Action != NoOp
	}
	if known, ok := m.changed[address]; ok {
		return known
	}
	changing := false
	if b := m.blocks[address]; b != nil {
		for _, c := range b.instances {
			changing = changing || c.Action != NoOp
		}
	}
	m.changed[address] = changing
	return changing
}

// Because is why a change happens, in full: for every action but no-op there is at
// least one cause.
func (c *Change) Because() []providers.Cause {
	if c.Action == NoOp {
		return nil
	}
	why := c.Reason
	if why == "" && len(c.Causes) == 0 {
		switch c.Action {
		case Create:
			why = "it is new in the configuration"
		case Delete:
			why = "what the state records is to be destroyed"
		}
	}
	if why == "" {
		return c.Causes
	}
	return append([]providers.Cause{{Why: why}}, c.Causes...)
}
