package planner

import (
	"fmt"
	"sort"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/providers"
	"github.com/stowage-iac/stowage/scheduler"
)

// nodesPlan are the nodes that there will be.
type nodesPlan struct {
	specs   map[string]api.NodeSpec // with roles settled
	changes map[string]*Change      // by name, those to come
	leaving map[string]*Change      // by name, those deleted
	facts   map[string]api.NodeFacts
	manager string // name, "" when there is none
	// priorManager is the manager that the state records.
	priorManager string
	sched        []scheduler.Node // sorted, without what runs there
	unknown      []string         // names of nodes whose arguments only apply will know
}

// planNodes settles the roles and finds out what each node offers.
func (m *maker) planNodes() {
	f := &m.fleet
	f.changes, f.leaving, f.facts = map[string]*Change{}, map[string]*Change{}, map[string]api.NodeFacts{}
	machines, before := map[string]providers.Machine{}, map[string]providers.Machine{}
	for _, c := range m.plan.Changes {
		k := m.kinds[c.Kind]
		if k.carrier == nil {
			continue
		}
		if was, known, _ := k.carrier.Machine(c.was(), c.Before); known && (m.recorded(c.Address) != nil || c.Importing != "") {
			before[was.Spec.Name] = was
		}
		name := c.Object
		if c.Action == Delete {
			f.leaving[name] = c
		}
		if c.Action.ends() {
			continue
		}
		f.changes[name] = c
		machine, known, diags := k.carrier.Machine(c.id(), c.After)
		m.report(m.subject(c.Address), diags, nil, c.Address)
		if !known {
			f.unknown = append(f.unknown, name)
			continue
		}
		machines[name] = machine
		f.facts[name] = m.factsOf(name, c)
	}
	if m.failed && len(machines) == 0 {
		return
	}
	prior, _ := providers.Topology(before)
	f.priorManager = managerOf(prior)
	var diags hcl.Diagnostics
	f.specs, diags = providers.Topology(machines)
	if len(f.unknown) == 0 || len(machines) > 0 {
		m.diags = append(m.diags, diags...)
	}
	f.manager = managerOf(f.specs)
	m.checkManager()
	m.offers()
}

// homeless warns of a plan that cannot be applied because nothing is or will be a node.
func (m *maker) homeless() {
	if m.fleet.manager != "" || m.fleet.priorManager != "" || len(m.fleet.unknown) > 0 {
		return
	}
	var first *Change
	n := 0
	for _, c := range m.plan.Changes {
		if c.Action == NoOp || c.Action == Read || !m.kinds[c.Kind].resides(c) {
			continue
		}
		if n++; first == nil {
			first = c
		}
	}
	if first == nil {
		return
	}
	what := first.Address + " lives"
	if n > 1 {
		what = fmt.Sprintf("%s and %d more live", first.Address, n-1)
	}
	m.diags = append(m.diags, &hcl.Diagnostic{
		Severity: hcl.DiagWarning, Summary: "No node", Subject: m.subject(first.Address),
		Detail: what + " in a cluster, and no node is declared or recorded: an apply will fail. Declare a node, with the address of a host.",
	})
}

func managerOf(specs map[string]api.NodeSpec) string {
	for _, s := range specs {
		if s.Role == api.RoleManager {
			return s.Name
		}
	}
	return ""
}

// checkManager refuses to take the cluster's store away from under its objects.
func (m *maker) checkManager() {
	f := &m.fleet
	old := f.priorManager
	if old == "" || m.in.Destroy {
		return
	}
	gone := f.leaving[old]
	replaced := f.changes[old]
	switch {
	case gone != nil && f.manager == "":
		return // the end of the cluster, or an error of Topology
	case gone == nil && (replaced == nil || replaced.Action != Replace) && (f.manager == old || f.manager == ""):
		return
	}
	if !m.residents() && f.manager == old {
		return
	}
	c := gone
	if c == nil {
		c = replaced
	}
	detail := fmt.Sprintf("The manager node.%s holds the cluster's store, and this plan would ", old)
	if f.manager == old {
		detail += "replace it"
		if c != nil && len(c.Causes) > 0 {
			detail += " (" + clause(c.Causes[0]) + ")"
		}
	} else {
		detail += fmt.Sprintf("make node.%s the manager instead", f.manager)
	}
	detail += ". This version of Stowage cannot move the store. Undo the change; or run `stowage destroy` with the old configuration, and apply the new one."
	m.diags = append(m.diags, errorf(m.subject("node."+old), "The manager cannot be moved", detail))
}

// residents reports whether anything but its nodes stays in the cluster.
func (m *maker) residents() bool {
	for _, c := range m.plan.Changes {
		if m.kinds[c.Kind].carrier == nil && c.Action != Create && !c.Action.ends() {
			return true
		}
	}
	return len(m.fleet.changes) > 1
}

// factsOf finds what a host is: as seen now, as its agent said, or as recorded.
func (m *maker) factsOf(name string, c *Change) api.NodeFacts {
	if w := m.in.World; w != nil {
		if h := w.Hosts[name]; h != nil && h.Err == nil && h.Facts.CPUs > 0 {
			return h.Facts
		}
		if w.Cluster != nil {
			for _, n := range w.Cluster.Nodes {
				if n.Name == name && n.Facts.CPUs > 0 {
					return n.Facts
				}
			}
		}
	}
	return recordedFacts(c.Before)
}

// recordedFacts reads the attribute facts, where a kind records it.
func recordedFacts(v cty.Value) api.NodeFacts {
	f, ok := providers.Object(v, "facts")
	if !ok || !f.Type().IsObjectType() {
		return api.NodeFacts{}
	}
	return api.NodeFacts{Arch: providers.Str(f, "arch"), CPUs: int(providers.Int(f, "cpus")), Memory: providers.Int(f, "memory")}
}

// offers fills the list of candidates for placement.
func (m *maker) offers() {
	f := &m.fleet
	names := make([]string, 0, len(f.specs))
	for name := range f.specs {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		spec, facts := f.specs[name], f.facts[name]
		if facts.CPUs == 0 {
			continue // nothing is known of it: placed there is nothing
		}
		n := candidate(spec)
		n.MilliCPU = max(0, int64(facts.CPUs)*1000-spec.ReserveMilliCPU)
		n.Memory = max(0, facts.Memory-spec.ReserveMemory)
		f.sched = append(f.sched, n)
	}
}

// candidate is a node for the scheduler, without its capacity.
func candidate(spec api.NodeSpec) scheduler.Node {
	n := scheduler.Node{Name: spec.Name, Labels: spec.Labels, Schedulable: spec.Schedulable, Taints: map[string]string{}}
	for _, t := range spec.Taints {
		n.Taints[t.Key] = t.Effect
	}
	return n
}

// unseen reports whether there are hosts of which nothing is known because this plan
// looks at none.
func (m *maker) unseen() bool {
	if m.in.World != nil {
		return false
	}
	for name := range m.fleet.specs {
		if m.fleet.facts[name].CPUs == 0 {
			return true
		}
	}
	return false
}

// withoutFacts names the nodes on which nothing can be placed in this plan, and why.
func (m *maker) withoutFacts() string {
	f := &m.fleet
	var out []string
	for _, name := range f.unknown {
		out = append(out, fmt.Sprintf("node.%s: how to reach it is known only after apply", name))
	}
	for name := range f.specs {
		if f.facts[name].CPUs == 0 {
			why := "nothing is known of its host"
			if m.in.World == nil {
				why += ", and -refresh=false does not look at it"
			}
			out = append(out, fmt.Sprintf("node.%s: %s", name, why))
		}
	}
	for address := range m.left {
		block, _ := splitAddress(address)
		if b := m.blocks[block]; b != nil && m.recorded(address) == nil && m.kinds[b.block.Resource.Kind].carrier != nil {
			out = append(out, fmt.Sprintf("%s: it is not there yet, and not part of this plan (%s)", address, m.in.Given()))
		}
	}
	sort.Strings(out)
	return strings.Join(out, "\n  ")
}
