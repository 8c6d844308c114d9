package planner

import (
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/providers"
	"github.com/stowage-iac/stowage/scheduler"
	"github.com/stowage-iac/stowage/state"
)

// podPlan is a pod on its way to its nodes.
type podPlan struct {
	change   *Change
	cargo    providers.Cargo
	known    bool            // what placement depends on is
	diags    hcl.Diagnostics // of the cargo
	previous map[int]string  // slot → node, now
}

// podPlan reads what is to be placed of a change.
func (m *maker) podPlan(k *kindInfo, c *Change) *podPlan {
	p := &podPlan{change: c}
	p.cargo, p.known, p.diags = k.carried.Cargo(c.id(), c.After)
	return p
}

// place finds a node for every replica, all at once.
func (m *maker) place() {
	m.gather()
	if len(m.pods) == 0 && len(m.fleet.sched) == 0 {
		return
	}
	m.usesBefore()
	nodes := m.occupied(m.lingering(true))
	requests := make([]*scheduler.Request, 0, len(m.pods))
	for _, p := range m.pods {
		requests = append(requests, &p.cargo.Request)
	}
	result := scheduler.PlaceAll(nodes, requests)
	m.settle(result)
	m.usesAfter(m.occupied(m.lingering(false)))
}

// gather lists the pods, with where each slot is now.
func (m *maker) gather() {
	bindings := m.bindings()
	m.pods = make([]*podPlan, 0, len(m.plan.Changes))
	for _, c := range m.plan.Changes {
		k := m.kinds[c.Kind]
		if k.carried == nil {
			continue
		}
		if c.Action.ends() || c.CreateFirst {
			m.ending = append(m.ending, c)
		}
		if c.Action.ends() {
			continue
		}
		if c.left {
			m.leftPod(k, c)
			continue
		}
		p := c.pod
		if c.pod = nil; p == nil {
			p = m.podPlan(k, c)
		}
		if len(p.diags) > 0 {
			m.report(m.subject(c.Address), p.diags, nil, c.Address)
		}
		if p.diags.HasErrors() {
			continue
		}
		if !p.known {
			m.diags = append(m.diags, errorf(m.subject(c.Address), "Placement depends on values known after apply", fmt.Sprintf(
				"The replicas, resources, host ports or placement of %s depend on values that only an apply will know, and a plan names the node of every replica. "+
					"Use values that are known before, or apply in two steps: first what they depend on.", c.Address)))
			continue
		}
		cargo := &p.cargo
		p.previous = bindings[cargo.Request.Pod]
		if p.previous == nil && !c.CreateFirst {
			p.previous = m.recordedPlacement(c.Address)
		}
		p.cargo.Request.Previous = p.previous
		if !cargo.Request.OnAll {
			p.cargo.Request.Slots = m.sequence(cargo.Replicas)
		}
		m.pods = append(m.pods, p)
	}
}

// sequence are the numbers from 0 to n-1. They are shared.
func (m *maker) sequence(n int) []int {
	if n <= 0 {
		return nil
	}
	for len(m.slots) < n {
		m.slots = append(m.slots, len(m.slots))
	}
	return m.slots[:n:n]
}

// bindings are the present nodes of our pods' slots.
func (m *maker) bindings() map[string]map[int]string {
	if m.bound == nil {
		m.bound = bindingsOf(m.in.World)
	}
	return m.bound
}

// bindingsOf are the nodes of all pods' slots.
func bindingsOf(w *providers.World) map[string]map[int]string {
	out := map[string]map[int]string{}
	if w == nil || w.Cluster == nil {
		return out
	}
	for _, b := range w.Cluster.Bindings {
		if out[b.Pod] == nil {
			out[b.Pod] = map[int]string{}
		}
		out[b.Pod][b.Slot] = b.Node
	}
	return out
}

func (m *maker) recordedPlacement(address string) map[int]string {
	rec := m.recorded(address)
	switch {
	case rec == nil:
		return nil
	case len(rec.Placement) == 1 && rec.Placement[0] != "":
		return m.only(rec.Placement[0])
	}
	return placementOf(rec.Placement)
}

// only is the placement of a single slot. It is shared.
func (m *maker) only(node string) map[int]string {
	if m.lone[node] == nil {
		if m.lone == nil {
			m.lone = map[string]map[int]string{}
		}
		m.lone[node] = map[int]string{0: node}
	}
	return m.lone[node]
}

// placementOf turns a list of nodes by slot into a map; nil when there are none.
func placementOf(nodes []string) map[int]string {
	if len(nodes) == 0 {
		return nil
	}
	out := make(map[int]string, len(nodes))
	for slot, node := range nodes {
		if node != "" {
			out[slot] = node
		}
	}
	return out
}

// leftPod counts the replicas of a pod that the plan is not about: they stay where
// they are, so that their nodes must, too.
func (m *maker) leftPod(k *kindInfo, c *Change) {
	cargo, known, diags := k.carried.Cargo(c.id(), c.After)
	if !known || diags.HasErrors() {
		return
	}
	slots := m.placed(m.bindings(), c.id())
	for slot, node := range slots {
		m.staying[node] = append(m.staying[node], scheduler.Running{Pod: cargo.Request.Pod, Slot: slot,
			MilliCPU: cargo.Request.MilliCPU, Memory: cargo.Request.Memory, HostPorts: cargo.Request.HostPorts})
	}
	for _, node := range distinct(slices.Collect(maps.Values(slots))) {
		goes := m.fleet.leaving[node]
		if n := m.fleet.changes[node]; n != nil && n.Action == Replace {
			goes = n
		}
		if goes != nil {
			m.diags = append(m.diags, errorf(m.subject(goes.Address), "A node with replicas would go", fmt.Sprintf(
				"This plan would take %s away, where replicas of %s run, and %s is not part of the plan (%s). Make both part of it, or neither.",
				goes.Address, c.Address, c.Address, m.in.Given())))
		}
	}
}

// occupied are the candidates with what other states run there, with pods that the plan is
// not about, and with what of ours stays beside what the plan places.
func (m *maker) occupied(lingering map[string][]scheduler.Running) []scheduler.Node {
	nodes := make([]scheduler.Node, len(m.fleet.sched))
	copy(nodes, m.fleet.sched)
	foreign := m.foreign()
	for i := range nodes {
		name := nodes[i].Name
		nodes[i].Running = slices.Concat(foreign[name], m.staying[name], lingering[name])
	}
	return nodes
}

// lingering are the replicas, by node, of pods that are forgotten; with replaced also
// of those whose replacement is made before they go.
func (m *maker) lingering(replaced bool) map[string][]scheduler.Running {
	out := map[string][]scheduler.Running{}
	bindings := m.bindings()
	for _, c := range m.ending {
		k := m.kinds[c.Kind]
		if c.Action != Forget && !(replaced && c.CreateFirst) {
			continue
		}
		cargo, known, _ := k.carried.Cargo(c.was(), c.Before)
		if !known {
			continue
		}
		r := cargo.Request
		for slot, node := range m.placed(bindings, c.was()) {
			out[node] = append(out[node], scheduler.Running{Pod: r.Pod, Slot: slot, MilliCPU: r.MilliCPU, Memory: r.Memory, HostPorts: r.HostPorts})
		}
	}
	return out
}

// placed is where the replicas of a recorded pod are: as seen, else as recorded.
func (m *maker) placed(bindings map[string]map[int]string, id providers.Identity) map[int]string {
	if now := bindings[id.Object]; now != nil {
		return now
	}
	return m.recordedPlacement(id.Address)
}

// foreign are the replicas of other lineages' pods, by node.
func (m *maker) foreign() map[string][]scheduler.Running {
	if m.others == nil {
		m.others = foreignReplicas(m.in.World, m.in.State.Lineage, imported(m.plan.Changes))
	}
	return m.others
}

// foreignReplicas are the replicas of pods that another lineage owns, by node; ours are
// pods that are taken over.
func foreignReplicas(w *providers.World, lineage string, ours map[string]bool) map[string][]scheduler.Running {
	out := map[string][]scheduler.Running{}
	if w == nil || w.Cluster == nil {
		return out
	}
	specs := map[string]*scheduler.Running{}
	for _, b := range w.Cluster.Bindings {
		r, ok := specs[b.Pod]
		if !ok {
			if obj := w.Object(api.KindPod, b.Pod); obj != nil && obj.Owner != lineage && !ours[b.Pod] {
				r = runningOf(obj)
			}
			specs[b.Pod] = r
		}
		if r != nil {
			run := *r
			run.Slot = b.Slot
			out[b.Node] = append(out[b.Node], run)
		}
	}
	return out
}

// settle puts the scheduler's decisions into the plan.
func (m *maker) settle(result scheduler.Result) {
	placed := runs(result.Decisions, func(d *scheduler.Decision) string { return d.Pod })
	unplaced := runs(result.Unplaced, func(u *scheduler.Unplaced) string { return u.Pod })
	m.plan.Pods = make([]PodPlacement, len(m.pods))
	for i, p := range m.pods {
		name := p.cargo.Request.Pod
		pp := &m.plan.Pods[i]
		pp.Address, pp.Replicas, pp.Unplaced = p.change.Address, placed(name), unplaced(name)
		m.bind(p, pp)
		if len(pp.Unplaced) > 0 {
			m.fitsNowhere(p, pp.Unplaced)
		}
	}
}

// runs finds the part of a list, which is sorted by pod, that is about one. Most pods are
// asked for in the list's order.
func runs[T any](list []T, pod func(*T) string) func(name string) []T {
	next := 0
	return func(name string) []T {
		at := next
		if at == len(list) || pod(&list[at]) != name {
			found := false
			if at, found = slices.BinarySearchFunc(list, name, func(e T, name string) int { return strings.Compare(pod(&e), name) }); !found {
				return nil
			}
		}
		next = at
		for next < len(list) && pod(&list[next]) == name {
			next++
		}
		return list[at:next:next]
	}
}

// bySlot is the inverse of placementOf.
func bySlot(previous map[int]string) []string {
	n := 0
	for slot := range previous {
		n = max(n, slot+1)
	}
	nodes := make([]string, n)
	for slot, node := range previous {
		nodes[slot] = node
	}
	return nodes
}

// bind records the nodes in the change, and makes a change of a pod that changes
// nothing but its nodes.
func (m *maker) bind(p *podPlan, pp *PodPlacement) {
	c := p.change
	m.healing(p)
	slots := len(p.cargo.Request.Slots)
	for i := range pp.Replicas {
		slots = max(slots, pp.Replicas[i].Slot+1)
	}
	c.Placement = make([]string, slots)
	pp.Previous = bySlot(p.previous)
	var moves []providers.Cause
	told := c.Action == NoOp || c.Action == Update // of others they are no cause
	for i := range pp.Replicas {
		d := &pp.Replicas[i]
		c.Placement[d.Slot] = d.Node
		was, had := p.previous[d.Slot]
		switch {
		case had && was != d.Node:
			pp.Moved = append(pp.Moved, d.Slot)
			if !told {
				break
			}
			moves = append(moves, providers.Cause{Path: "placement", Why: fmt.Sprintf("slot %d moves from %s to %s%s", d.Slot, was, d.Node, m.whyMoved(p, was))})
		case !had && told:
			moves = append(moves, providers.Cause{Path: "placement", Why: fmt.Sprintf("slot %d is new on %s", d.Slot, d.Node)})
		}
	}
	for slot, was := range p.previous {
		if slot >= slots && told {
			moves = append(moves, providers.Cause{Path: "placement", Why: fmt.Sprintf("slot %d leaves %s%s", slot, was, m.whyMoved(p, was))})
		}
	}
	if len(moves) == 0 {
		if c.Action == NoOp {
			c.After = c.Before // it was taken for one that moves, and stays
		}
		return
	}
	sort.Slice(moves, func(i, j int) bool { return moves[i].Why < moves[j].Why })
	switch c.Action {
	case NoOp:
		c.Action, c.Causes, c.Refreshed = Update, moves, false
		m.kinds[c.Kind].settleMove(c)
		m.moved = append(m.moved, c.Address)
	case Update:
		if len(pp.Moved) > 0 {
			c.Causes = append(c.Causes, moves...)
		}
	}
}

func (k *kindInfo) settleMove(c *Change) { c.After = k.withUnknown(c.After) }

// healing notes which replicas controllers moved since the last apply, so that an
// apply records it even if it changes nothing else of the pod.
func (m *maker) healing(p *podPlan) {
	c, rec := p.change, m.recorded(p.change.Address)
	if rec == nil || m.unfinished(c.Address, rec) {
		return
	}
	if healedMoves(c, rec, p.previous) && c.Action == NoOp {
		c.Refreshed = true
	}
}

// healedMoves notes the slots that are not where they are recorded to be.
func healedMoves(c *Change, rec *state.Instance, now map[int]string) (moved bool) {
	for slot, was := range rec.Placement {
		if node, ok := now[slot]; ok && was != "" && node != was {
			c.Healed = append(c.Healed, fmt.Sprintf("slot %d was moved from %s to %s", slot, was, node))
			moved = true
		}
	}
	return moved
}

// whyMoved says why a slot cannot stay.
func (m *maker) whyMoved(p *podPlan, node string) string {
	f := &m.fleet
	if f.leaving[node] != nil {
		return ": the node is deleted"
	}
	for _, n := range f.sched {
		if n.Name != node {
			continue
		}
		if !scheduler.Eligible(n, p.cargo.Request) {
			if why := scheduler.Filter(n, p.cargo.Request); len(why) > 0 {
				return ": it " + strings.Join(why, ", and ")
			}
		}
		return ": it does not fit there any more"
	}
	return ": the node is not in the configuration"
}

// fitsNowhere is the error for replicas without a node; slots that lack the same are told together.
func (m *maker) fitsNowhere(p *podPlan, unplaced []scheduler.Unplaced) {
	var b strings.Builder
	slots := make([]string, len(unplaced))
	for i, u := range unplaced {
		slots[i] = fmt.Sprint(u.Slot)
	}
	what := fmt.Sprintf("Replica %s of %s fits", slots[0], p.change.Address)
	if len(slots) > 1 {
		what = fmt.Sprintf("%d replicas of %s (slots %s) fit", len(slots), p.change.Address, strings.Join(slots, ", "))
	}
	if p.cargo.Request.OnAll && len(unplaced[0].Reasons) == 0 {
		what = fmt.Sprintf("%s fits", p.change.Address)
	}
	fmt.Fprintf(&b, "%s on no node.", what)
	if len(m.fleet.specs) == 0 && len(m.fleet.unknown) == 0 {
		b.WriteString(" The configuration declares no node: add a node block.")
	}
	for _, r := range unplaced[0].Reasons {
		fmt.Fprintf(&b, "\n  node.%s: %s", r.Node, r.Why)
	}
	if s := m.withoutFacts(); s != "" {
		b.WriteString("\n  " + s)
	}
	if p.change.CreateFirst {
		b.WriteString("\nThe replicas that these replace are still there meanwhile: create_before_destroy asks for it.")
	}
	if m.unseen() {
		b.WriteString("\nPlan without -refresh=false: what a host has is found out there, and in the state once its node was applied.")
	} else {
		b.WriteString("\nAsk for less, free some room, relax the placement, or add a node.")
	}
	m.diags = append(m.diags, errorf(m.subject(p.change.Address), "No node for a replica", b.String()))
}
