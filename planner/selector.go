package planner

import (
	"slices"
	"strings"

	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/providers"
)

// selector finds out what a partial plan is about.
type selector struct {
	*maker
	in     map[string]bool     // instances
	blocks map[string]bool     // whose expansion matters
	wide   map[string][]string // see inModules
}

func (s *selector) take(address string) bool {
	if s.in[address] {
		return false
	}
	s.in[address] = true
	block, _ := splitAddress(address)
	s.blocks[block] = true
	return true
}

// deps are what an instance depends on, also where it could not be planned.
func (s *selector) deps(address string) []string {
	if c := s.changes[address]; c != nil {
		return c.Deps
	}
	return s.failedDeps[address]
}

// members are the instances that a dependency stands for: one, or a block's. The
// address of a block may be that of an instance that goes, too.
func (s *selector) members(dep string) []string {
	if c, ok := s.changes[dep]; ok && (c == nil || !c.Action.ends()) {
		return []string{dep}
	}
	b := s.maker.blocks[dep]
	if b == nil {
		return s.inModules(dep)
	}
	out := make([]string, 0, len(b.keys))
	for _, key := range b.keys {
		out = append(out, lang.InstanceAddress(dep, key))
	}
	return out
}

// inModules are the instances that a dependency on a module, or on a block in all
// instances of its module, stands for.
func (s *selector) inModules(dep string) []string {
	if !strings.HasPrefix(dep, "module.") {
		return nil
	}
	if s.wide == nil {
		s.wide = map[string][]string{}
		for address := range s.changes {
			for _, name := range lang.Covers(address) {
				s.wide[name] = append(s.wide[name], address)
			}
		}
	}
	return s.wide[dep]
}

// target takes what is covered, and what that depends on.
func (s *selector) target() {
	var queue []string
	visit := func(address string) {
		if s.take(address) {
			queue = append(queue, address)
		}
	}
	for address := range s.changes {
		if coveredBy(s.maker.in.Targets, address) {
			visit(address)
		}
	}
	for block := range s.maker.blocks {
		if coveredBy(s.maker.in.Targets, block) {
			s.blocks[block] = true
		}
	}
	nodes, first := len(s.nodesByName()) > 0, s.first()
	for len(queue) > 0 {
		address := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		for _, dep := range s.deps(address) {
			s.blocks[dep] = true
			for _, member := range s.members(dep) {
				visit(member)
			}
		}
		c := s.changes[address]
		if c == nil || c.Action.ends() {
			continue
		}
		if k := s.kinds[c.Kind]; first != "" && k.resides(c) {
			visit(first)
			if k.carried != nil && !nodes { // no cluster yet, and no replica without one
				nodes = true
				for other, oc := range s.changes {
					if oc != nil && s.kinds[oc.Kind].carrier != nil {
						visit(other)
					}
				}
			}
		}
	}
}

// nodesByName are the addresses of the nodes that the state has.
func (s *selector) nodesByName() map[string]string {
	out := map[string]string{}
	for address, rec := range s.maker.in.State.Instances {
		if k := s.kinds[rec.Kind]; k != nil && k.carrier != nil {
			out[identityOf(rec).Object] = address
		}
	}
	return out
}

// exclude takes all but what is covered and what depends on that. What is left out
// keeps what it is recorded to use.
func (s *selector) exclude() {
	out := map[string]bool{}
	state := map[string]int8{} // 1: being looked at, 2: done
	first := s.first()
	var visit func(address string) bool
	visit = func(address string) bool {
		if state[address] != 0 {
			return out[address]
		}
		state[address] = 1
		left := coveredBy(s.maker.in.Excludes, address)
		if c := s.changes[address]; c != nil && first != "" && !c.Action.ends() && s.kinds[c.Kind].resides(c) {
			left = visit(first) || left
		}
		for _, dep := range s.deps(address) {
			left = left || coveredBy(s.maker.in.Excludes, dep)
			for _, member := range s.members(dep) {
				left = visit(member) || left
			}
		}
		out[address], state[address] = left, 2
		return left
	}
	for address := range s.changes {
		visit(address)
	}
	used := map[string]bool{}
	for address, rec := range s.maker.in.State.Instances {
		if out[address] {
			for _, dep := range rec.Deps {
				used[dep] = true
			}
		}
	}
	for address, c := range s.changes {
		if !out[address] && !(c != nil && c.Action.ends() && slices.ContainsFunc(lang.Covers(address), func(name string) bool { return used[name] })) {
			s.take(address)
		}
	}
	for block := range s.maker.blocks {
		if !coveredBy(s.maker.in.Excludes, block) {
			s.blocks[block] = true
		}
	}
}

// targetDestroy takes what is covered, and what is recorded as using that. With
// the manager everything goes.
func (s *selector) targetDestroy() {
	users := map[string][]string{}
	for address, rec := range s.maker.in.State.Instances {
		for _, dep := range rec.Deps {
			users[dep] = append(users[dep], address)
		}
	}
	manager := s.manager()
	var queue []string
	visit := func(address string) {
		if _, ok := s.changes[address]; ok && s.take(address) {
			queue = append(queue, address)
		}
	}
	for address := range s.changes {
		if coveredBy(s.maker.in.Targets, address) {
			visit(address)
		}
	}
	for len(queue) > 0 {
		address := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		for _, name := range lang.Covers(address) {
			for _, user := range users[name] {
				visit(user)
			}
		}
		if address == manager {
			for other := range s.changes {
				visit(other)
			}
		}
	}
}

// excludeFromDestroy takes all but what is covered and what that is recorded to
// use. As long as anything of a cluster stays, so do its manager and the nodes on
// which replicas stay.
func (s *selector) excludeFromDestroy() {
	stays := map[string]bool{}
	members := map[string][]string{}
	for address := range s.changes {
		block, _ := splitAddress(address)
		members[block] = append(members[block], address)
	}
	var queue []string
	visit := func(address string) {
		if _, ok := s.changes[address]; ok && !stays[address] {
			stays[address] = true
			queue = append(queue, address)
		}
	}
	for address := range s.changes {
		if coveredBy(s.maker.in.Excludes, address) {
			visit(address)
		}
	}
	manager, nodes := s.manager(), s.nodesByName()
	for len(queue) > 0 {
		address := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		visit(manager)
		rec := s.recorded(address)
		if rec == nil {
			continue
		}
		for _, dep := range rec.Deps {
			if _, ok := s.changes[dep]; ok {
				visit(dep)
				continue
			}
			for _, member := range append(members[dep], s.inModules(dep)...) {
				visit(member)
			}
		}
		if k := s.kinds[rec.Kind]; k == nil || k.carried == nil {
			continue
		}
		for _, node := range rec.Placement {
			visit(nodes[node])
		}
		for _, node := range s.bindings()[identityOf(rec).Object] {
			visit(nodes[node])
		}
	}
	for address := range s.changes {
		if !stays[address] {
			s.take(address)
		}
	}
}

// first is the address of the manager that is to be made: other nodes and pods need
// it. "" when there is one.
func (s *selector) first() string {
	machines, addresses := map[string]providers.Machine{}, map[string]string{}
	for address, c := range s.changes {
		if c == nil || c.Action.ends() || s.kinds[c.Kind].carrier == nil {
			continue
		}
		if m, known, _ := s.kinds[c.Kind].carrier.Machine(c.id(), c.After); known {
			machines[m.Spec.Name], addresses[m.Spec.Name] = m, address
		}
	}
	specs, _ := providers.Topology(machines)
	address := addresses[managerOf(specs)]
	if s.recorded(address) != nil {
		return ""
	}
	return address
}

// manager is the address of the node that the state records as the manager, "" when there is none.
func (s *selector) manager() string {
	machines, addresses := map[string]providers.Machine{}, map[string]string{}
	for address, c := range s.changes {
		if c == nil || s.kinds[c.Kind].carrier == nil || s.recorded(address) == nil {
			continue
		}
		if was, known, _ := s.kinds[c.Kind].carrier.Machine(c.was(), c.Before); known {
			machines[was.Spec.Name], addresses[was.Spec.Name] = was, address
		}
	}
	specs, _ := providers.Topology(machines)
	return addresses[managerOf(specs)]
}
