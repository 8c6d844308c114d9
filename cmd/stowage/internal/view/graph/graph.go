// Package graph draws what depends on what: the blocks of a configuration, or the
// steps of a plan as apply takes them. As DOT it is for other tools; as SVG it is
// laid out here, in layers: each step stands right of all that it waits for, so
// that the drawing reads as time. The same graph gives the same bytes, and
// everything is about linear in nodes and edges.
package graph

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/planner"
)

// Node is a block or a step.
type Node struct {
	ID    string // unique
	Label string // the address
	Note  string // below the label: what happens, or how many instances
	Class string // create, update, replace, delete, read, push, block, …: its colour
	Link  string // of the SVG's node; "" is none
	Kind  string // of the block, for folding
	Block string // for folding: the block's address
	Count int    // how many steps it stands for
}

// Edge goes from what comes first to what waits for it.
type Edge struct{ From, To int }

// Graph is acyclic.
type Graph struct {
	Name  string
	Nodes []Node
	Edges []Edge
	// Left is how many steps a folded graph leaves out.
	Left int
}

// Configuration is the graph of a configuration's blocks.
func Configuration(c *lang.Config) *Graph {
	g := &Graph{Name: "configuration"}
	at := map[string]int{}
	for _, r := range c.Resources {
		at[r.Address()] = len(g.Nodes)
		g.Nodes = append(g.Nodes, Node{ID: r.Address(), Label: r.Address(), Class: "block", Kind: r.Kind, Block: r.Address(), Count: 1})
	}
	for _, r := range c.Resources {
		for _, d := range r.Dependencies() {
			g.Edges = append(g.Edges, Edge{at[d.Address()], at[r.Address()]})
		}
	}
	return g.reduced()
}

// Plan is the graph of what a plan does. link names the target of a change's
// node; nil links nothing. Steps that do nothing are left out, and what waited
// for them waits for what they waited for.
func Plan(p *planner.Plan, link func(change int) string) *Graph {
	g := &Graph{Name: "plan"}
	at := make([]int, len(p.Steps)) // step → node; -1 when it does nothing
	for i, s := range p.Steps {
		at[i] = -1
		if n, ok := stepNode(p, s); ok {
			if link != nil && s.Kind != planner.StepPush {
				n.Link = link(s.Index)
			}
			at[i] = len(g.Nodes)
			g.Nodes = append(g.Nodes, n)
		}
	}
	// A step that does nothing and joins many to many stays, as a point: without
	// it there would be an edge for each pair.
	waiting := make([]int, len(p.Steps))
	for _, s := range p.Steps {
		for _, n := range s.Needs {
			waiting[n]++
		}
	}
	real := make([][]int, len(p.Steps)) // what stands for a step, as nodes
	for i, s := range p.Steps {
		needs := gather(real, s.Needs)
		if at[i] < 0 && len(needs)*waiting[i] > len(needs)+waiting[i]+1 {
			at[i] = len(g.Nodes)
			g.Nodes = append(g.Nodes, Node{ID: fmt.Sprintf("%d", i), Label: s.Name, Class: "join", Block: s.Name})
		}
		if at[i] < 0 {
			real[i] = needs
			continue
		}
		real[i] = []int{at[i]}
		for _, from := range needs {
			g.Edges = append(g.Edges, Edge{from, at[i]})
		}
	}
	return g.reduced()
}

func gather(real [][]int, steps []int) []int {
	var all []int
	for _, s := range steps {
		all = append(all, real[s]...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// stepNode is the node of a step; none of one that does nothing.
func stepNode(p *planner.Plan, s planner.Step) (Node, bool) {
	switch s.Kind {
	case planner.StepApply, planner.StepDelete:
		c := p.Changes[s.Index]
		n := Node{ID: c.Address, Label: clean(c.Address), Note: string(c.Action), Class: string(c.Action), Kind: c.Kind, Block: lang.BlockOf(c.Address), Count: 1}
		if c.Action == planner.Replace {
			n.Note = "replace: create"
			if s.Kind == planner.StepDelete {
				n.ID, n.Note = c.Address+" (delete)", "replace: delete the old one"
			}
		}
		return n, true
	case planner.StepPush:
		t := p.Transfers[s.Index]
		what := "send to "
		if t.Unknown {
			what = "send its images to "
		}
		return Node{ID: t.Image + " → " + t.Node, Label: clean(t.Image), Note: clean(what + t.Node), Class: "push", Kind: "push", Block: "push " + t.Image, Count: 1}, true
	}
	return Node{}, false
}

// clean keeps control characters out of labels.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r == 0xfffe || r == 0xffff {
			return '·'
		}
		return r
	}, s)
}

// levels is the layer of each node: one more than the last of those before it.
// The order of its nodes is one in which every node comes after those before it.
func (g *Graph) levels() (level []int, order []int) {
	n := len(g.Nodes)
	level = make([]int, n)
	waiting := make([]int, n)
	next := g.successors()
	for _, e := range g.Edges {
		waiting[e.To]++
	}
	for i := range n {
		if waiting[i] == 0 {
			order = append(order, i)
		}
	}
	for k := 0; k < len(order); k++ {
		for _, to := range next[order[k]] {
			level[to] = max(level[to], level[order[k]]+1)
			if waiting[to]--; waiting[to] == 0 {
				order = append(order, to)
			}
		}
	}
	return level, order
}

func (g *Graph) successors() [][]int {
	next := make([][]int, len(g.Nodes))
	for _, e := range g.Edges {
		next[e.From] = append(next[e.From], e.To)
	}
	return next
}

// maxReduce is the most nodes of a graph whose edges are reduced: it takes a bit
// for each pair of nodes.
const maxReduce = 8_000

// reduced drops the edges that others imply, and repeated ones. What is left says
// the same in fewer lines.
func (g *Graph) reduced() *Graph {
	slices.SortFunc(g.Edges, func(a, b Edge) int { return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To)) })
	g.Edges = slices.Compact(g.Edges)
	n := len(g.Nodes)
	if n > maxReduce {
		return g
	}
	level, order := g.levels()
	next := g.successors()
	words := (n + 63) / 64
	reach := make([][]uint64, n)
	kept := g.Edges[:0]
	for k := len(order) - 1; k >= 0; k-- {
		i := order[k]
		row := make([]uint64, words)
		// The nearest first: what they reach needs no edge of its own.
		slices.SortFunc(next[i], func(a, b int) int { return cmp.Or(cmp.Compare(level[a], level[b]), cmp.Compare(a, b)) })
		direct := next[i][:0]
		for _, to := range next[i] {
			if row[to/64]&(1<<(to%64)) != 0 {
				continue
			}
			direct = append(direct, to)
			row[to/64] |= 1 << (to % 64)
			for w, bits := range reach[to] {
				row[w] |= bits
			}
		}
		next[i], reach[i] = direct, row
	}
	for i := range n {
		for _, to := range next[i] {
			kept = append(kept, Edge{i, to})
		}
	}
	slices.SortFunc(kept, func(a, b Edge) int { return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To)) })
	g.Edges = kept
	return g
}
