package planner

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/providers"
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
		if covers(given, address) {
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
		Address: address, Kind: rec.Kind, Action: NoOp, Before: v, After: v, Deps: rec.Deps,
		Placement: rec.Placement, PreventDestroy: rec.PreventDestroy, Settled: true, left: true,
	}
	if m.ev != nil {
		m.ev.Set(address, v)
	}
}

// known reports addresses that were given and stand for nothing.
func (m *maker) known() bool {
	ok := true
	for _, flag := range []struct {
		name  string
		given []string
	}{{"target", m.in.Targets}, {"exclude", m.in.Excludes}, {"replace", m.in.Replace}} {
		for _, given := range flag.given {
			if !m.stands(given) {
				ok, m.failed = false, true
				m.diags = append(m.diags, errorf(nil, "Unknown address", fmt.Sprintf("-%s=%s: there is nothing with this address in the configuration or the state.%s",
					flag.name, given, m.meant(flag.name, given))))
			}
		}
	}
	return ok
}

// stands reports whether an address is that of an instance, a block or a module.
func (m *maker) stands(given string) bool {
	if _, ok := m.changes[given]; ok {
		return true
	}
	if b := m.blocks[given]; b != nil {
		return true
	}
	if block, key := splitAddress(given); key != "" {
		if b := m.blocks[block]; b != nil && b.failed {
			return true // its keys are not known
		}
	}
	if m.in.Destroy && m.in.Config != nil { // nothing of it is evaluated
		for _, r := range m.in.Config.Resources {
			if covers(given, r.Address()) || covers(r.Address(), given) {
				return true
			}
		}
	}
	if !strings.Contains(given, ".") {
		return false // a kind alone is no address
	}
	for address := range m.changes {
		if covers(given, address) {
			return true
		}
	}
	for block := range m.blocks {
		if covers(given, block) {
			return true
		}
	}
	return false
}

// meant suggests an address for one that stands for nothing.
func (m *maker) meant(flag, given string) string {
	if head, key, ok := strings.Cut(given, "["); ok && !strings.Contains(key, `"`) {
		quoted := head + `["` + strings.TrimSuffix(key, "]") + `"]`
		if m.stands(quoted) {
			return fmt.Sprintf(" Did you mean %s? A shell takes the quotes away unless there are others around them: -%s='%s'", quoted, flag, quoted)
		}
	}
	block, _ := splitAddress(given)
	seen := map[string]bool{}
	var among []string
	add := func(a string) {
		if !seen[a] {
			seen[a] = true
			among = append(among, a)
		}
	}
	for b := range m.blocks {
		add(b)
	}
	for address := range m.changes {
		b, _ := splitAddress(address)
		add(b)
		if b == block {
			add(address)
		}
		for i := range address {
			if address[i] == '.' && strings.HasPrefix(address, "module.") && i > len("module") {
				add(address[:i])
				break
			}
		}
	}
	if len(among) > maxSuggested {
		sort.Strings(among)
		among = among[:maxSuggested]
	}
	if s := lang.Suggest(given, among); s != "" {
		return fmt.Sprintf(" Did you mean %s?", s)
	}
	return ""
}

// maxSuggested bounds the comparison of a mistyped address with others.
const maxSuggested = 10_000

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
	if c, ok := s.changes[dep]; ok && (c == nil || c.Action != Delete) {
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
		if c == nil || c.Action == Delete {
			continue
		}
		if k := s.kinds[c.Kind]; first != "" && (k.carrier != nil || k.carried != nil) {
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
			out[providers.ObjectName(address)] = address
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
		if c := s.changes[address]; c != nil && first != "" && c.Action != Delete && (s.kinds[c.Kind].carrier != nil || s.kinds[c.Kind].carried != nil) {
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
		if !out[address] && !(c != nil && c.Action == Delete && slices.ContainsFunc(lang.Covers(address), func(name string) bool { return used[name] })) {
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
		for _, node := range s.bindings()[providers.ObjectName(address)] {
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
		if c == nil || c.Action == Delete || s.kinds[c.Kind].carrier == nil {
			continue
		}
		if m, known, _ := s.kinds[c.Kind].carrier.Machine(address, c.After); known {
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
		if was, known, _ := s.kinds[c.Kind].carrier.Machine(address, c.Before); known {
			machines[was.Spec.Name], addresses[was.Spec.Name] = was, address
		}
	}
	specs, _ := providers.Topology(machines)
	return addresses[managerOf(specs)]
}
