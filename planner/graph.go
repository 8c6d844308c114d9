package planner

import (
	"fmt"
	"slices"
	"strings"

	"github.com/stowage-iac/stowage/lang"
)

// graph puts the plan's steps in order. Edges run between instances; a dependency
// on a whole block goes through one joint step, so that N instances that depend on
// M others make N+M edges. There is no transitive reduction: it costs more than
// the edges that it saves.
func (m *maker) graph() {
	if len(m.plan.Transfers) == 0 && !m.anyChange() {
		return
	}
	g := newGraph(m)
	g.steps()
	for i, c := range g.changes {
		g.forward(i, c)
		g.backward(i, c)
	}
	g.cluster()
	g.leaving()
	g.pushes()
	g.hostPorts()
	order, stuck := g.sort()
	if stuck != nil {
		m.diags = append(m.diags, errorf(m.subject(""), "Cycle in the plan", fmt.Sprintf(
			"These steps each wait for the next: %s. Break the circle: apply a part of the change first.", strings.Join(g.cycle(stuck), " → "))))
		return
	}
	m.plan.Steps = g.emit(order)
}

func (m *maker) anyChange() bool {
	for _, c := range m.plan.Changes {
		if c.Action != NoOp {
			return true
		}
	}
	return false
}

type grapher struct {
	*maker
	changes []*Change
	members map[string][]int // block → changes; see membersOf
	twice   map[string]bool  // blocks whose address is that of an instance, too
	wide    map[string][]int // module, or block in all instances of its module → changes; see membersOf
	nodes   []gnode
	apply   []int32 // change → its apply step, or its stand-in; -1 for deletes
	delete  []int32 // change → its delete step; -1 when there is none
	push    []int32 // transfer → step
	edges   []gedge
	groups  map[string]int32 // block → joint step of its instances' apply
	deleted map[string]int32 // block → joint step of the deletion of all that used it
	updated map[string]int32 // block → joint step of the update of all that used it
}

type gnode struct {
	kind  StepKind
	index int
	name  string
}

// gedge: to waits for from. A soft edge is dropped where it closes a circle.
type gedge struct {
	from, to int32
	soft     bool
}

func newGraph(m *maker) *grapher {
	n := len(m.plan.Changes)
	return &grapher{
		maker: m, changes: m.plan.Changes, nodes: make([]gnode, 0, n+len(m.plan.Transfers)), edges: make([]gedge, 0, 4*n),
		apply: make([]int32, n), delete: make([]int32, n),
		twice: map[string]bool{}, groups: map[string]int32{}, deleted: map[string]int32{}, updated: map[string]int32{},
	}
}

// at is the index of the change of an address.
func (g *grapher) at(address string) (int, bool) {
	if c := g.maker.changes[address]; c != nil {
		return c.at, true
	}
	return 0, false
}

func (g *grapher) node(kind StepKind, index int, name string) int32 {
	g.nodes = append(g.nodes, gnode{kind, index, name})
	return int32(len(g.nodes) - 1)
}

func (g *grapher) edge(from, to int32, soft bool) {
	if from >= 0 && to >= 0 && from != to {
		g.edges = append(g.edges, gedge{from, to, soft})
	}
}

// steps makes the steps of all changes and transfers. A change that needs nothing
// done has a stand-in, through which the order of the others holds.
func (g *grapher) steps() {
	for i, c := range g.changes {
		c.at = i
		if block, key := splitAddress(c.Address); key != "" && g.maker.changes[block] != nil {
			g.twice[block] = true
		}
		g.apply[i], g.delete[i] = -1, -1
		if c.Action.ends() || c.Action == Replace {
			g.delete[i] = g.node(StepDelete, i, "")
		}
		switch c.Action {
		case NoOp:
			g.apply[i] = g.node(StepJoin, i, c.Address)
		case Delete, Forget:
		default:
			g.apply[i] = g.node(StepApply, i, "")
		}
		if c.Action == Replace {
			if c.CreateFirst {
				g.edge(g.apply[i], g.delete[i], false)
			} else {
				g.edge(g.delete[i], g.apply[i], false)
			}
		}
	}
	for i := range g.plan.Transfers {
		g.push = append(g.push, g.node(StepPush, i, ""))
	}
}

// done is the step after which a dependency is there; -1 when nothing stands for
// it. An address may stand for an instance that goes and, as that of a block, for
// those that come instead.
func (g *grapher) done(dep string) int32 {
	if i, ok := g.at(dep); ok && g.apply[i] >= 0 {
		return g.apply[i]
	}
	return g.group(g.groups, dep, func(join int32, i int) { g.edge(g.apply[i], join, false) })
}

// membersOf are the changes that a dependency on more than one instance stands for.
func (g *grapher) membersOf(dep string) []int {
	if g.members == nil {
		g.members = make(map[string][]int)
		for i, c := range g.changes {
			block, _ := splitAddress(c.Address)
			g.members[block] = append(g.members[block], i)
		}
	}
	if members, ok := g.members[dep]; ok || !strings.HasPrefix(dep, "module.") {
		return members
	}
	if g.wide == nil {
		g.wide = map[string][]int{}
		for block, members := range g.members {
			for _, wider := range lang.Covers(block)[1:] {
				g.wide[wider] = append(g.wide[wider], members...)
			}
		}
		for _, members := range g.wide {
			slices.Sort(members)
		}
	}
	return g.wide[dep]
}

// group makes the joint step of a block once; link adds the edges of its members.
func (g *grapher) group(groups map[string]int32, block string, link func(join int32, i int)) int32 {
	if id, ok := groups[block]; ok {
		return id
	}
	members := g.membersOf(block)
	if members == nil {
		return -1
	}
	id := g.node(StepJoin, -1, block)
	groups[block] = id
	for _, i := range members {
		link(id, i)
	}
	return id
}

// forward: an apply waits for what the configuration refers to.
func (g *grapher) forward(i int, c *Change) {
	if g.apply[i] < 0 {
		return
	}
	for _, dep := range c.Deps {
		g.edge(g.done(dep), g.apply[i], false)
	}
}

// backward: what is deleted waits for all that was recorded as using it: for its
// deletion always, for its update where that ends the use. The latter can close a
// circle (what used the old thing may wait for a new thing whose predecessor the
// old thing used); it then gives way.
func (g *grapher) backward(i int, c *Change) {
	deps := c.Deps
	if rec := g.recorded(c.Address); rec != nil {
		deps = rec.Deps
	}
	for _, dep := range deps {
		// A block that lost its count has its address twice: that of the instance that
		// stays, and that of the block, of which others go.
		if j, ok := g.at(dep); ok && !g.twice[dep] && (g.delete[j] >= 0 || g.recorded(dep) != nil) {
			g.unused(i, j)
			continue
		}
		if g.delete[i] >= 0 {
			g.edge(g.delete[i], g.group(g.deleted, dep, func(join int32, j int) { g.edge(join, g.delete[j], false) }), false)
		} else if c.Action == Update {
			g.edge(g.apply[i], g.group(g.updated, dep, func(join int32, j int) {
				if g.ends(j) {
					g.edge(join, g.delete[j], true)
				}
			}), true)
		}
	}
}

// unused: user i has to let go of j before j is deleted.
func (g *grapher) unused(i, j int) {
	switch {
	case g.delete[j] < 0:
	case g.delete[i] >= 0:
		g.edge(g.delete[i], g.delete[j], false)
	case g.changes[i].Action == Update && g.ends(j):
		g.edge(g.apply[i], g.delete[j], true)
	}
}

// ends reports whether users of j change over before j is deleted: when j is not
// created again, or was created first.
func (g *grapher) ends(j int) bool {
	c := g.changes[j]
	return c.Action.ends() || c.Action == Replace && c.CreateFirst
}

// cluster: everything that lives in the cluster waits for its manager, and the
// manager goes last.
func (g *grapher) cluster() {
	f := &g.fleet
	before := g.beforeCarriers()
	manager := int32(-1)
	var managerChange *Change
	if c := f.changes[f.manager]; c != nil && c.Action != NoOp {
		managerChange = c
		manager = g.apply[c.at]
	}
	var last int32 = -1
	if c := f.leaving[f.priorManager]; c != nil {
		last = g.delete[c.at]
	}
	for i, c := range g.changes {
		if c.Action == Read {
			continue // it is of this machine, not of the cluster
		}
		if manager >= 0 && c != managerChange && !before[i] {
			g.edge(manager, g.apply[i], false)
			if managerChange.Action == Update {
				g.edge(manager, g.delete[i], true)
			}
		}
		if last >= 0 && g.delete[i] != last {
			g.edge(g.delete[i], last, false)
			if c.Action != NoOp && !before[i] {
				g.edge(g.apply[i], last, false)
			}
		}
	}
}

// beforeCarriers marks what a node itself refers to (a secret with its address,
// say): that cannot wait for the node.
func (g *grapher) beforeCarriers() map[int]bool {
	before := map[int]bool{}
	var visit func(deps []string)
	mark := func(i int) {
		if !before[i] {
			before[i] = true
		}
	}
	visit = func(deps []string) {
		for _, dep := range deps {
			members := g.membersOf(dep)
			if i, ok := g.at(dep); ok && g.apply[i] >= 0 {
				members = []int{i}
			}
			for _, i := range members {
				if !before[i] && g.kinds[g.changes[i].Kind].carrier == nil {
					mark(i)
					visit(g.changes[i].Deps)
				}
			}
		}
	}
	for _, c := range g.changes {
		if g.kinds[c.Kind].carrier != nil {
			visit(c.Deps)
		}
	}
	return before
}

// leaving: replicas wait for the nodes they go to, and a node leaves after the
// replicas that were on it.
func (g *grapher) leaving() {
	for _, p := range g.pods {
		i := p.change.at
		if p.change.Action == NoOp {
			continue
		}
		for _, node := range distinct(p.change.Placement) {
			if c := g.fleet.changes[node]; c != nil && c.Action != NoOp {
				g.edge(g.apply[c.at], g.apply[i], false)
			}
		}
		for _, node := range p.previous {
			g.leaves(node, g.apply[i])
		}
	}
	bindings := g.bindings()
	for i, c := range g.changes {
		if !c.Action.ends() || g.kinds[c.Kind].carried == nil {
			continue
		}
		for _, node := range c.Placement {
			g.leaves(node, g.delete[i])
		}
		for _, node := range bindings[c.was().Object] {
			g.leaves(node, g.delete[i])
		}
	}
}

func (g *grapher) leaves(node string, step int32) {
	if c := g.fleet.leaving[node]; c != nil {
		g.edge(step, g.delete[c.at], false)
	}
}

// pushes: content waits for its image and its node, pods for their content.
func (g *grapher) pushes() {
	for t := range g.plan.Transfers {
		tr, step := &g.plan.Transfers[t], g.push[t]
		if c := g.fleet.changes[tr.Node]; c != nil && c.Action != NoOp {
			g.edge(g.apply[c.at], step, false)
		}
		if i := g.maker.changes[tr.source].at; tr.Unknown {
			for _, dep := range g.changes[i].Deps {
				g.edge(g.done(dep), step, false)
			}
		} else if g.kinds[g.changes[i].Kind].carried == nil {
			g.edge(g.apply[i], step, false)
		}
		for _, address := range tr.Pods {
			g.edge(step, g.apply[g.maker.changes[address].at], false)
		}
	}
}

// hostPorts: who takes over a host port waits for who has it now. Two that swap
// theirs cannot: the edge gives way.
func (g *grapher) hostPorts() {
	leaving := map[string][]int32{}
	bindings := g.bindings()
	for i, c := range g.changes {
		k := g.kinds[c.Kind]
		if k.carried == nil || c.Action == NoOp || c.Action == Create || c.Before.IsNull() {
			continue
		}
		cargo, known, _ := k.carried.Cargo(c.was(), c.Before)
		if !known || len(cargo.Request.HostPorts) == 0 {
			continue
		}
		step := g.delete[i]
		if step < 0 {
			step = g.apply[i]
		}
		now := bindings[cargo.Request.Pod]
		if now == nil {
			now = g.recordedPlacement(c.Address)
		}
		for _, node := range now {
			for _, port := range cargo.Request.HostPorts {
				leaving[node+" "+port] = append(leaving[node+" "+port], step)
			}
		}
	}
	if len(leaving) == 0 {
		return
	}
	for _, p := range g.pods {
		i := p.change.at
		if p.change.Action == NoOp {
			continue
		}
		for _, node := range distinct(p.change.Placement) {
			for _, port := range p.cargo.Request.HostPorts {
				for _, step := range leaving[node+" "+port] {
					if step != g.delete[i] {
						g.edge(step, g.apply[i], true)
					}
				}
			}
		}
	}
	slices.SortFunc(g.edges, func(a, b gedge) int {
		if a.to != b.to {
			return int(a.to - b.to)
		}
		return int(a.from - b.from)
	})
}
