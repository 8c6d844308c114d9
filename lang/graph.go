package lang

import (
	"container/heap"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// finish computes what every expression reaches through named values, finds
// cycles, and fixes the order of evaluation.
func (l *loader) finish() {
	names := l.named()
	if l.namedCycles(names) {
		return
	}
	for _, n := range names {
		n.reaches()
	}
	for _, x := range l.exprs {
		x.reach = x.reaches()
	}
	for _, m := range l.config.modules {
		all := map[*Resource]bool{}
		exprs, deps := m.around()
		for _, x := range exprs {
			for _, to := range x.reach {
				all[to] = true
			}
		}
		for _, d := range deps {
			for _, to := range d.resources() {
				all[to] = true
			}
		}
		m.waits = sortedResources(all)
	}
	for _, r := range l.config.Resources {
		if r.proto != nil && r.proto.refs != nil {
			r.refs = r.proto.refs
			continue
		}
		all := map[*Resource]bool{}
		for _, to := range r.module.waits {
			all[to] = true
		}
		for _, x := range r.expressions() {
			for _, to := range x.reach {
				all[to] = true
			}
		}
		for _, d := range r.dependsOn {
			for _, to := range d.resources() {
				all[to] = true
			}
			if d.call != nil {
				for _, to := range d.call.repeat.reach {
					all[to] = true
				}
			}
		}
		r.refs = sortedResources(all)
		if r.body != nil {
			r.body.reachAll()
		}
		if r.proto != nil {
			r.proto.refs = r.refs
		}
	}
	l.order()
	l.spread()
}

// named lists all named values, in an order that does not depend on the files.
func (l *loader) named() []*named {
	var all []*named
	for _, m := range l.config.modules {
		for _, v := range m.variables {
			all = append(all, &v.named)
		}
		for _, local := range m.locals {
			all = append(all, &local.named)
		}
		for _, o := range m.Outputs {
			all = append(all, &o.named)
		}
		for _, c := range m.calls {
			all = append(all, &c.repeat)
		}
	}
	return all
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
	all = append(all, r.triggers...)
	all = append(all, expressionsOf(r.pre)...)
	all = append(all, expressionsOf(r.post)...)
	return all
}

// reachAll fills reach of the body and of those within.
func (b *body) reachAll() {
	if len(b.exprs) > 0 {
		set := map[*Resource]bool{}
		for _, x := range b.exprs {
			for _, r := range x.reach {
				set[r] = true
			}
		}
		b.reach = sortedResources(set)
	}
	for _, bs := range b.blocks {
		for _, it := range bs.items {
			it.body.reachAll()
		}
	}
}

// reaches fills reach, of what it refers to first.
func (n *named) reaches() []*Resource {
	if n.reach == nil {
		set := map[*Resource]bool{}
		for _, x := range n.exprs {
			for _, r := range x.reaches() {
				set[r] = true
			}
		}
		n.reach = sortedResources(set)
	}
	return n.reach
}

// reaches are the blocks that x refers to, itself or through named values.
func (x *expression) reaches() []*Resource {
	if len(x.named) == 0 {
		return x.blocks
	}
	set := map[*Resource]bool{}
	for _, r := range x.blocks {
		set[r] = true
	}
	for _, n := range x.named {
		for _, r := range n.reaches() {
			set[r] = true
		}
	}
	return sortedResources(set)
}

// namedCycles reports named values that are defined by themselves.
func (l *loader) namedCycles(all []*named) bool {
	var path []*named
	found := false
	var walk func(*named)
	walk = func(n *named) {
		n.state = open
		path = append(path, n)
		for _, to := range n.refers() {
			switch to.state {
			case unseen:
				walk(to)
			case open:
				found = true
				cycle := path[slices.Index(path, to):]
				var steps []cycleStep
				for i, from := range cycle {
					steps = append(steps, cycleStep{name: from.name, at: from.rangeOf(cycle[(i+1)%len(cycle)])})
				}
				l.cycle(steps)
			}
		}
		path = path[:len(path)-1]
		n.state = closed
	}
	for _, n := range all {
		if n.state == unseen {
			walk(n)
		}
	}
	return found
}

// refers lists what n refers to itself, by name.
func (n *named) refers() []*named {
	var all []*named
	for _, x := range n.exprs {
		for _, to := range x.named {
			if !slices.Contains(all, to) {
				all = append(all, to)
			}
		}
	}
	slices.SortFunc(all, func(a, b *named) int { return strings.Compare(a.name, b.name) })
	return all
}

// rangeOf is where n refers to another named value.
func (n *named) rangeOf(to *named) hcl.Range {
	for _, x := range n.exprs {
		if slices.Contains(x.named, to) {
			return rangeOfNamed(x.Expression, to)
		}
	}
	return n.exprs[0].Range()
}

// cycleStep is one member of a cycle and where it refers to the next one.
type cycleStep struct {
	name string
	at   hcl.Range
	hint string // what to do where it is the only one; "": in general
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
		hint := steps[0].hint
		if hint == "" {
			hint = "Move what it needs into a local value."
		}
		detail = fmt.Sprintf("%s refers to itself. %s", steps[0].name, hint)
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
	exprs, deps := r.module.around()
	exprs, deps = append(r.expressions(), exprs...), append(r.dependsOn[:len(r.dependsOn):len(r.dependsOn)], deps...)
	for _, d := range deps {
		if slices.Contains(d.resources(), to) {
			return []cycleStep{{name: r.Address(), at: d.rng}}
		}
	}
	for _, x := range exprs {
		if slices.Contains(x.blocks, to) {
			return []cycleStep{{name: r.Address(), at: rangeOfResource(x.Expression, to), hint: r.selfHint(x)}}
		}
	}
	for _, x := range exprs {
		if slices.Contains(x.reach, to) {
			return stepsThrough(cycleStep{name: r.Address()}, x, to)
		}
	}
	return []cycleStep{{name: r.Address(), at: r.Range}}
}

// selfHint says what to write instead where a condition of the block refers to the block.
func (r *Resource) selfHint(x *expression) string {
	switch {
	case slices.Contains(expressionsOf(r.post), x):
		return "In a postcondition, self is the instance that is judged: write self instead."
	case slices.Contains(expressionsOf(r.pre), x):
		return "A precondition is judged before its instance is planned: write a postcondition, in which self is the instance."
	}
	return ""
}

// stepsThrough are the steps from first, whose expression x is, through named values to a block.
func stepsThrough(first cycleStep, x *expression, to *Resource) []cycleStep {
	steps := []cycleStep{first}
	for {
		last := &steps[len(steps)-1]
		if slices.Contains(x.blocks, to) {
			last.at = rangeOfResource(x.Expression, to)
			return steps
		}
		i := slices.IndexFunc(x.named, func(n *named) bool { return slices.Contains(n.reach, to) })
		n := x.named[i]
		last.at = rangeOfNamed(x.Expression, n)
		steps = append(steps, cycleStep{name: n.name})
		x = n.exprs[slices.IndexFunc(n.exprs, func(x *expression) bool { return slices.Contains(x.reach, to) })]
	}
}

func rangeOfNamed(e hclsyntax.Expression, to *named) hcl.Range {
	return rangeOf(e, func(e hclsyntax.Expression) bool {
		return slices.Contains(namesOf(e), to)
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
