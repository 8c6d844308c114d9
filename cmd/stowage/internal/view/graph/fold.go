package graph

import (
	"fmt"
	"strings"
)

// Folded is the graph with at most limit nodes: steps of one layer are drawn as
// one where they do the same to instances of one block, then to blocks of one
// kind; of what is still too long the first layers are left, and Left counts the
// others. Edges between layers lead forward, so it stays acyclic.
func (g *Graph) Folded(limit int) *Graph {
	if len(g.Nodes) <= limit {
		return g
	}
	level, _ := g.levels()
	for _, key := range []func(Node) string{
		func(n Node) string { return n.Class + " " + n.Block },
		func(n Node) string { return n.Class + " " + n.Kind },
	} {
		if f := g.group(level, key); len(f.Nodes) <= limit {
			return f
		}
	}
	f := g.group(level, func(n Node) string { return n.Class + " " + n.Kind })
	level, order := f.levels()
	cut := &Graph{Name: f.Name}
	at := make([]int, len(f.Nodes))
	for i := range at {
		at[i] = -1
	}
	last := level[order[limit]] // of a layer that is not whole nothing is drawn, but of the first
	for _, i := range order {
		if level[i] < last || last == 0 && len(cut.Nodes) < limit {
			at[i] = len(cut.Nodes)
			cut.Nodes = append(cut.Nodes, f.Nodes[i])
		} else {
			cut.Left += f.Nodes[i].Count
		}
	}
	for _, e := range f.Edges {
		if at[e.From] >= 0 && at[e.To] >= 0 {
			cut.Edges = append(cut.Edges, Edge{at[e.From], at[e.To]})
		}
	}
	return cut
}

// group draws the nodes of one layer that have the same key as one.
func (g *Graph) group(level []int, key func(Node) string) *Graph {
	f := &Graph{Name: g.Name}
	at := map[string]int{}
	to := make([]int, len(g.Nodes))
	for i, n := range g.Nodes {
		k := fmt.Sprint(level[i], " ", key(n))
		j, ok := at[k]
		if !ok {
			j = len(f.Nodes)
			at[k] = j
			f.Nodes = append(f.Nodes, n)
		} else {
			f.Nodes[j].Count += n.Count
			if f.Nodes[j].Block != n.Block {
				f.Nodes[j].Block = ""
			}
		}
		to[i] = j
	}
	for j := range f.Nodes {
		n := &f.Nodes[j]
		if n.Count < 2 {
			continue
		}
		n.ID, n.Link = fmt.Sprintf("%d", j), ""
		if n.Class != "push" {
			n.Note = n.Class
		} else {
			n.Note = "send"
		}
		n.Label = fmt.Sprintf("%s × %d", clean(strings.TrimPrefix(n.Block, "push ")), n.Count)
		if n.Block == "" {
			n.Label = fmt.Sprintf("%d of kind %s", n.Count, n.Kind)
			if n.Kind == "push" {
				n.Label = fmt.Sprintf("%d images", n.Count)
			}
		}
	}
	for _, e := range g.Edges {
		f.Edges = append(f.Edges, Edge{to[e.From], to[e.To]})
	}
	return f.reduced()
}

// Layers are the nodes by the step at which they can begin, joints left out.
func (g *Graph) Layers() [][]Node {
	level, order := g.levels()
	var out [][]Node
	for _, i := range order {
		for len(out) <= level[i] {
			out = append(out, nil)
		}
		if g.Nodes[i].Class != "join" {
			out[level[i]] = append(out[level[i]], g.Nodes[i])
		}
	}
	return out
}
