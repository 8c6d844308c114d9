package lang

import (
	"container/heap"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// finish computes what every expression reaches through local values, finds
// cycles, and fixes the order of evaluation.
func (l *loader) finish() {
	if l.localCycles() {
		return
	}
	reach := map[*Local][]*Resource{}
	for _, local := range l.config.locals {
		localReach(local, reach)
	}
	for _, x := range l.exprs {
		x.reach = through(x, reach)
	}
	for _, r := range l.config.Resources {
		all := map[*Resource]bool{}
		for _, x := range r.expressions() {
			for _, to := range x.reach {
				all[to] = true
			}
		}
		for _, d := range r.dependsOn {
			all[d.resource] = true
		}
		r.refs = sortedResources(all)
		if r.body != nil {
			r.body.reachAll()
		}
	}
	l.order()
}

func sortedResources(set map[*Resource]bool) []*Resource {
	list := make([]*Resource, 0, len(set))
	for r := range set {
		list = append(list, r)
	}
	slices.SortFunc(list, func(a, b *Resource) int { return a.index - b.index })
	return list
}

// expressions are all that may make the block depend on another one.
func (r *Resource) expressions() []*expression {
	var all []*expression
	if r.count != nil {
		all = append(all, r.count)
	}
	if r.forEach != nil {
		all = append(all, r.forEach)
	}
	if r.body != nil {
		for _, x := range r.body.inside {
			if !x.weak {
				all = append(all, x)
			}
		}
	}
	return all
}

// reachAll fills reach of the body and of those within.
func (b *body) reachAll() {
	set := map[*Resource]bool{}
	for _, x := range b.exprs {
		for _, r := range x.reach {
			set[r] = true
		}
	}
	b.reach = sortedResources(set)
	for _, bs := range b.blocks {
		for _, it := range bs.items {
			it.body.reachAll()
		}
	}
}

func localReach(local *Local, known map[*Local][]*Resource) []*Resource {
	if r, ok := known[local]; ok {
		return r
	}
	r := through(local.expr, known)
	known[local] = r
	return r
}

func through(x *expression, known map[*Local][]*Resource) []*Resource {
	if len(x.locals) == 0 {
		return x.blocks
	}
	set := map[*Resource]bool{}
	for _, r := range x.blocks {
		set[r] = true
	}
	for _, local := range x.locals {
		for _, r := range localReach(local, known) {
			set[r] = true
		}
	}
	return sortedResources(set)
}

// localCycles reports local values that are defined by themselves.
func (l *loader) localCycles() bool {
	const (
		unseen = iota
		open
		closed
	)
	state := make([]int, len(l.config.locals))
	var path []*Local
	found := false
	var visit func(*Local)
	visit = func(local *Local) {
		state[local.index] = open
		path = append(path, local)
		next := slices.Clone(local.expr.locals)
		slices.SortFunc(next, func(a, b *Local) int { return a.index - b.index })
		for _, to := range next {
			switch state[to.index] {
			case unseen:
				visit(to)
			case open:
				found = true
				cycle := path[slices.Index(path, to):]
				var steps []cycleStep
				for i, from := range cycle {
					target := cycle[(i+1)%len(cycle)]
					steps = append(steps, cycleStep{"local." + from.Name, rangeOfLocal(from.expr.Expression, target)})
				}
				l.cycle(steps)
			}
		}
		path = path[:len(path)-1]
		state[local.index] = closed
	}
	for _, local := range l.config.locals {
		if state[local.index] == unseen {
			visit(local)
		}
	}
	return found
}

// cycleStep is one member of a cycle and where it refers to the next one.
type cycleStep struct {
	name string
	at   hcl.Range
}

func (l *loader) cycle(steps []cycleStep) {
	// Begin with the smallest name, so that the same cycle always reads the same.
	first := 0
	for i := range steps {
		if steps[i].name < steps[first].name {
			first = i
		}
	}
	steps = append(steps[first:len(steps):len(steps)], steps[:first]...)
	var names, places []string
	for i, s := range steps {
		names = append(names, s.name)
		places = append(places, fmt.Sprintf("  %s refers to %s at %s:%d", s.name, steps[(i+1)%len(steps)].name, s.at.Filename, s.at.Start.Line))
	}
	names = append(names, steps[0].name)
	detail := fmt.Sprintf("These wait for each other: %s.\n%s\nRemove one of the references, or move what both need into a local value.",
		strings.Join(names, " → "), strings.Join(places, "\n"))
	if len(steps) == 1 {
		detail = fmt.Sprintf("%s refers to itself. Move what it needs into a local value.", steps[0].name)
	}
	l.diags = append(l.diags, &hcl.Diagnostic{
		Severity: hcl.DiagError, Summary: "Cycle", Detail: detail, Subject: steps[0].at.Ptr(),
	})
}

// order fixes the evaluation order: of all blocks whose referents are done, the
// one with the smallest address comes next.
func (l *loader) order() {
	c := l.config
	waiting := make([]int, len(c.Resources))
	referrers := make([][]int, len(c.Resources))
	for i, r := range c.Resources {
		waiting[i] = len(r.refs)
		for _, to := range r.refs {
			referrers[to.index] = append(referrers[to.index], i)
		}
	}
	ready := &indexHeap{}
	for i, n := range waiting {
		if n == 0 {
			heap.Push(ready, i)
		}
	}
	c.order = make([]*Resource, 0, len(c.Resources))
	for ready.Len() > 0 {
		i := heap.Pop(ready).(int)
		c.order = append(c.order, c.Resources[i])
		for _, j := range referrers[i] {
			if waiting[j]--; waiting[j] == 0 {
				heap.Push(ready, j)
			}
		}
	}
	if len(c.order) < len(c.Resources) {
		l.resourceCycles(waiting)
	}
}

// indexHeap is a heap of indexes, smallest first: resources are sorted by address.
type indexHeap []int

func (h indexHeap) Len() int           { return len(h) }
func (h indexHeap) Less(i, j int) bool { return h[i] < h[j] }
func (h indexHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *indexHeap) Push(x any)        { *h = append(*h, x.(int)) }
func (h *indexHeap) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}

// resourceCycles reports one cycle through every group of blocks that wait for each other.
func (l *loader) resourceCycles(waiting []int) {
	reported := make([]bool, len(waiting))
	for start := range waiting {
		if waiting[start] == 0 || reported[start] {
			continue
		}
		// Every waiting block refers to a waiting block: following these ends in a cycle.
		position := map[int]int{}
		var path []*Resource
		at := start
		for {
			if p, seen := position[at]; seen {
				path = path[p:]
				break
			}
			position[at] = len(path)
			path = append(path, l.config.Resources[at])
			for _, to := range path[len(path)-1].refs {
				if waiting[to.index] > 0 {
					at = to.index
					break
				}
			}
		}
		fresh := true
		for i := range position {
			fresh = fresh && !reported[i]
			reported[i] = true
		}
		if !fresh {
			continue
		}
		var steps []cycleStep
		for i, r := range path {
			steps = append(steps, r.stepsTo(path[(i+1)%len(path)])...)
		}
		l.cycle(steps)
	}
}

// stepsTo is the step from r to another block, with the local values on the way.
func (r *Resource) stepsTo(to *Resource) []cycleStep {
	for _, d := range r.dependsOn {
		if d.resource == to {
			return []cycleStep{{r.address, d.rng}}
		}
	}
	for _, x := range r.expressions() {
		if slices.Contains(x.blocks, to) {
			return []cycleStep{{r.address, rangeOfResource(x.Expression, to)}}
		}
	}
	for _, x := range r.expressions() {
		if !slices.Contains(x.reach, to) {
			continue
		}
		steps := []cycleStep{{name: r.address}}
		for {
			i := slices.IndexFunc(x.locals, func(local *Local) bool { return slices.Contains(local.expr.reach, to) })
			local := x.locals[i]
			steps[len(steps)-1].at = rangeOfLocal(x.Expression, local)
			steps = append(steps, cycleStep{name: "local." + local.Name})
			x = local.expr
			if slices.Contains(x.blocks, to) {
				steps[len(steps)-1].at = rangeOfResource(x.Expression, to)
				return steps
			}
		}
	}
	return []cycleStep{{r.address, r.Range}}
}

func rangeOfLocal(e hclsyntax.Expression, to *Local) hcl.Range {
	return rangeOf(e, func(e hclsyntax.Expression) bool {
		r, ok := e.(*ref)
		return ok && r.local == to
	})
}

func rangeOfResource(e hclsyntax.Expression, to *Resource) hcl.Range {
	return rangeOf(e, func(e hclsyntax.Expression) bool {
		switch r := e.(type) {
		case *ref:
			return r.resource == to
		case *instanceRef:
			return r.resource == to
		}
		return false
	})
}

// rangeOf finds the first part of e, in the order of the text, that matches.
func rangeOf(e hclsyntax.Expression, match func(hclsyntax.Expression) bool) hcl.Range {
	if match(e) {
		return e.Range()
	}
	found := e.Range()
	done := false
	children(e, func(c hclsyntax.Expression) {
		if !done && mentionsAny(c, match) {
			found, done = rangeOf(c, match), true
		}
	})
	return found
}

func mentionsAny(e hclsyntax.Expression, match func(hclsyntax.Expression) bool) bool {
	if match(e) {
		return true
	}
	found := false
	children(e, func(c hclsyntax.Expression) { found = found || mentionsAny(c, match) })
	return found
}
