package planner

import (
	"slices"
)

// sort is Kahn's algorithm; among the steps that are ready the one with the lowest
// number comes first, so that the order is the same for the same plan. Where only
// soft edges keep steps from being ready they are dropped. stuck are the steps
// that hard edges hold in a circle.
func (g *grapher) sort() (order, stuck []int32) {
	n := len(g.nodes)
	out := newAdjacency(n, g.edges)
	waits := make([]int32, n)
	for _, e := range g.edges {
		waits[e.to]++
	}
	ready := make(intHeap, 0, n)
	for i := range waits {
		if waits[i] == 0 {
			ready = append(ready, int32(i)) // in order: a heap
		}
	}
	order = make([]int32, 0, n)
	for {
		for len(ready) > 0 {
			i := ready.pop()
			order = append(order, i)
			waits[i] = -1
			for _, e := range out.of(i) {
				if g.edges[e].from < 0 {
					continue // dropped
				}
				to := g.edges[e].to
				if waits[to]--; waits[to] == 0 {
					ready.push(to)
				}
			}
		}
		if len(order) == n {
			return order, nil
		}
		if !g.dropSoft(waits, &ready) {
			for i, w := range waits {
				if w > 0 {
					stuck = append(stuck, int32(i))
				}
			}
			return nil, stuck
		}
	}
}

// dropSoft drops the soft edges into the first step of a circle that waits for such only.
func (g *grapher) dropSoft(waits []int32, ready *intHeap) bool {
	hard := make([]int32, len(waits))
	for _, e := range g.edges {
		if e.from >= 0 && waits[e.from] > 0 && waits[e.to] > 0 && !e.soft {
			hard[e.to]++
		}
	}
	circular := g.circular(waits)
	victim := int32(-1)
	for i, w := range waits {
		if w > 0 && hard[i] == 0 && circular[i] {
			victim = int32(i)
			break
		}
	}
	if victim < 0 {
		return g.dropAllSoft(waits, ready)
	}
	for i := range g.edges {
		if e := &g.edges[i]; e.to == victim && e.from >= 0 && waits[e.from] > 0 {
			e.from = -1
			waits[victim]--
		}
	}
	ready.push(victim)
	return true
}

// circular marks the waiting steps that are not merely behind a circle: those that
// remain when steps that nobody waits for are taken away again and again.
func (g *grapher) circular(waits []int32) []bool {
	n := len(waits)
	in := newAdjacency(n, reversed(g.edges))
	follow := make([]int32, n)
	live := make([]bool, n)
	for _, e := range g.edges {
		if e.from >= 0 && waits[e.from] > 0 && waits[e.to] > 0 {
			follow[e.from]++
		}
	}
	var ends []int32
	for i, w := range waits {
		if live[i] = w > 0; live[i] && follow[i] == 0 {
			ends = append(ends, int32(i))
		}
	}
	for len(ends) > 0 {
		i := ends[len(ends)-1]
		ends = ends[:len(ends)-1]
		live[i] = false
		for _, e := range in.of(i) {
			f := g.edges[e].from
			if f < 0 || !live[f] {
				continue
			}
			if follow[f]--; follow[f] == 0 {
				ends = append(ends, f)
			}
		}
	}
	return live
}

// dropAllSoft is for circles in which no step waits for soft edges alone.
func (g *grapher) dropAllSoft(waits []int32, ready *intHeap) bool {
	dropped := false
	for i := range g.edges {
		e := &g.edges[i]
		if !e.soft || e.from < 0 || waits[e.from] <= 0 || waits[e.to] <= 0 {
			continue
		}
		e.from, dropped = -1, true
		if waits[e.to]--; waits[e.to] == 0 {
			ready.push(e.to)
		}
	}
	return dropped
}

// cycle names the steps of one circle among those that are stuck.
func (g *grapher) cycle(stuck []int32) []string {
	in := map[int32]bool{}
	for _, i := range stuck {
		in[i] = true
	}
	from := map[int32]int32{}
	for _, e := range g.edges {
		if e.from >= 0 && in[e.from] && in[e.to] {
			if f, ok := from[e.to]; !ok || e.from < f {
				from[e.to] = e.from
			}
		}
	}
	seen := map[int32]bool{}
	at := stuck[0]
	for !seen[at] {
		seen[at] = true
		at = from[at]
	}
	names := []string{g.title(at)}
	for i := from[at]; i != at; i = from[i] {
		names = append(names, g.title(i))
	}
	return append(names, g.title(at))
}

func (g *grapher) title(i int32) string {
	n := g.nodes[i]
	return stepTitle(g.plan, Step{Kind: n.kind, Index: n.index, Name: n.name})
}

// emit numbers the steps in their order. Joint steps and stand-ins stay only
// between steps that do something.
func (g *grapher) emit(order []int32) []Step {
	n := len(g.nodes)
	up, down := make([]bool, n), make([]bool, n)
	in := newAdjacency(n, reversed(g.edges))
	for _, i := range order {
		for _, e := range in.of(i) {
			if f := g.edges[e].from; f >= 0 && (g.nodes[f].kind != StepJoin || up[f]) {
				up[i] = true
			}
		}
	}
	for _, i := range slices.Backward(order) {
		if g.nodes[i].kind == StepJoin && !down[i] {
			continue
		}
		for _, e := range in.of(i) {
			if f := g.edges[e].from; f >= 0 {
				down[f] = true
			}
		}
	}
	number := make([]int, n)
	steps := make([]Step, 0, len(order))
	needs := make([]int, 0, len(g.edges)) // of all steps
	for _, i := range order {
		node := g.nodes[i]
		number[i] = -1
		if node.kind == StepJoin && !(up[i] && down[i]) {
			continue
		}
		s := Step{Kind: node.kind, Index: node.index, Name: node.name}
		from := len(needs)
		for _, e := range in.of(i) {
			if f := g.edges[e].from; f >= 0 && number[f] >= 0 {
				needs = append(needs, number[f])
			}
		}
		if len(needs) > from {
			slices.Sort(needs[from:])
			needs = needs[:from+len(slices.Compact(needs[from:]))]
			s.Needs = needs[from:len(needs):len(needs)]
		}
		number[i] = len(steps)
		steps = append(steps, s)
	}
	if len(steps) == 0 {
		return nil
	}
	return steps
}

// adjacency lists the edges of each step without a slice per step.
type adjacency struct {
	start []int32
	edges []int32 // indices
}

func (a adjacency) of(i int32) []int32 { return a.edges[a.start[i]:a.start[i+1]] }

func newAdjacency(n int, edges []gedge) adjacency {
	a := adjacency{start: make([]int32, n+1), edges: make([]int32, len(edges))}
	for _, e := range edges {
		if e.from >= 0 {
			a.start[e.from+1]++
		}
	}
	for i := range n {
		a.start[i+1] += a.start[i]
	}
	fill := slices.Clone(a.start[:n])
	for i, e := range edges {
		if e.from >= 0 {
			a.edges[fill[e.from]] = int32(i)
			fill[e.from]++
		}
	}
	return a
}

// reversed swaps the ends; dropped edges stay dropped, at their index.
func reversed(edges []gedge) []gedge {
	out := make([]gedge, len(edges))
	for i, e := range edges {
		if e.from < 0 {
			out[i] = gedge{from: -1}
			continue
		}
		out[i] = gedge{from: e.to, to: e.from, soft: e.soft}
	}
	return out
}

// intHeap is a heap with the lowest number at its root.
type intHeap []int32

func (h *intHeap) push(x int32) {
	s := append(*h, x)
	i := len(s) - 1
	for i > 0 && s[(i-1)/2] > x {
		s[i] = s[(i-1)/2]
		i = (i - 1) / 2
	}
	s[i] = x
	*h = s
}

func (h *intHeap) pop() int32 {
	s := *h
	root, x := s[0], s[len(s)-1]
	s = s[:len(s)-1]
	*h = s
	if len(s) == 0 {
		return root
	}
	i := 0
	for {
		child := 2*i + 1
		if child >= len(s) {
			break
		}
		if child+1 < len(s) && s[child+1] < s[child] {
			child++
		}
		if s[child] >= x {
			break
		}
		s[i] = s[child]
		i = child
	}
	s[i] = x
	return root
}
