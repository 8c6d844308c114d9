package graph

import (
	"cmp"
	"math"
	"slices"
)

// Drawing is a graph with places.
type Drawing struct {
	Graph         *Graph
	Boxes         []Box // by node
	Lines         []Path
	Columns       []Column // one for each layer
	Width, Height int
}

// Box is where a node is.
type Box struct{ X, Y, W, H int }

// Path goes through points, from the right side of a box to the left of another.
type Path struct {
	Edge   Edge
	Points []Point
}

// Point is a place.
type Point struct{ X, Y int }

// Column is a layer: all steps that can run at the same time.
type Column struct{ X, W int }

const (
	rowGap    = 14 // between two boxes of a layer
	columnGap = 64
	boxHeight = 40
	lineRow   = 16 // what a line takes that passes a layer
	margin    = 16
	sweeps    = 6
	// maxDummies bounds the points where lines pass layers, by node and edge. Beyond
	// it long lines are drawn straight, over what is in between.
	maxDummies = 6
)

// item is a node, or a line that passes a layer.
type item struct {
	node        int // -1: a line
	layer       int
	before, aft []int // items of the layers beside
	y           float64
	h           int
}

// Layout finds a place for everything.
func Layout(g *Graph) *Drawing {
	l := &layout{g: g}
	l.layers()
	for i := range sweeps {
		l.sweep(i%2 == 0)
	}
	l.vertical()
	return l.drawing()
}

type layout struct {
	g      *Graph
	items  []item
	layer  [][]int // items by layer, from top to bottom
	routes [][]int // items by edge, from its beginning to its end
}

// layers puts the nodes into layers, and a point into each layer that a line passes.
func (l *layout) layers() {
	level, order := l.g.levels()
	long := 0
	for _, e := range l.g.Edges {
		long += level[e.To] - level[e.From] - 1
	}
	route := long <= maxDummies*(len(l.g.Nodes)+len(l.g.Edges))
	l.items = make([]item, len(l.g.Nodes))
	for _, i := range order {
		for len(l.layer) <= level[i] {
			l.layer = append(l.layer, nil)
		}
		h := boxHeight
		if l.g.Nodes[i].Class == "join" {
			h = lineRow
		}
		l.items[i] = item{node: i, layer: level[i], h: h}
		l.layer[level[i]] = append(l.layer[level[i]], i)
	}
	for _, e := range l.g.Edges {
		path := []int{e.From}
		for at := level[e.From] + 1; route && at < level[e.To]; at++ {
			l.items = append(l.items, item{node: -1, layer: at, h: lineRow})
			l.layer[at] = append(l.layer[at], len(l.items)-1)
			path = append(path, len(l.items)-1)
		}
		path = append(path, e.To)
		for k := 1; k < len(path); k++ {
			l.items[path[k-1]].aft = append(l.items[path[k-1]].aft, path[k])
			l.items[path[k]].before = append(l.items[path[k]].before, path[k-1])
		}
		l.routes = append(l.routes, path)
	}
	for _, layer := range l.layer {
		l.stack(layer)
	}
}

// stack sets the heights of a layer's items one below the other.
func (l *layout) stack(layer []int) {
	y := 0
	for _, i := range layer {
		l.items[i].y = float64(y) + float64(l.items[i].h)/2
		y += l.items[i].h + rowGap
	}
}

// sweep sorts each layer by the middle of what is before (or after) each item:
// lines then cross less.
func (l *layout) sweep(forward bool) {
	for k := range l.layer {
		layer := l.layer[k]
		if !forward {
			layer = l.layer[len(l.layer)-1-k]
		}
		want := map[int]float64{}
		for _, i := range layer {
			beside := l.items[i].before
			if !forward {
				beside = l.items[i].aft
			}
			want[i] = l.items[i].y
			if len(beside) > 0 {
				want[i] = l.mean(beside)
			}
		}
		slices.SortStableFunc(layer, func(a, b int) int { return cmp.Compare(want[a], want[b]) })
		l.stack(layer)
	}
}

func (l *layout) mean(items []int) float64 {
	sum := 0.0
	for _, i := range items {
		sum += l.items[i].y
	}
	return sum / float64(len(items))
}

// vertical moves items towards what they are connected with, without changing the
// order of a layer: lines get straight.
func (l *layout) vertical() {
	tallest := 0.0
	for _, layer := range l.layer {
		tallest = max(tallest, l.height(layer))
	}
	for _, layer := range l.layer {
		shift := (tallest - l.height(layer)) / 2
		for _, i := range layer {
			l.items[i].y += shift
		}
	}
	for pass := range 8 {
		for k := range l.layer {
			layer := l.layer[k]
			if pass%2 == 1 {
				layer = l.layer[len(l.layer)-1-k]
			}
			l.settle(layer, pass%2 == 0)
		}
	}
	least := math.Inf(1)
	for i := range l.items {
		least = min(least, l.items[i].y-float64(l.items[i].h)/2)
	}
	for i := range l.items {
		l.items[i].y -= least
	}
}

func (l *layout) height(layer []int) float64 {
	last := l.items[layer[len(layer)-1]]
	return last.y + float64(last.h)/2
}

// settle gives every item of a layer the place it wants, and parts those that
// want the same: half of the correction goes up, half goes down.
func (l *layout) settle(layer []int, forward bool) {
	want := make([]float64, len(layer))
	for k, i := range layer {
		beside := l.items[i].before
		if !forward {
			beside = l.items[i].aft
		}
		want[k] = l.items[i].y
		if len(beside) > 0 {
			want[k] = l.mean(beside)
		}
	}
	apart := func(a, b int) float64 { return float64(l.items[a].h+l.items[b].h)/2 + rowGap }
	down, up := slices.Clone(want), slices.Clone(want)
	for k := 1; k < len(layer); k++ {
		down[k] = max(down[k], down[k-1]+apart(layer[k-1], layer[k]))
	}
	for k := len(layer) - 2; k >= 0; k-- {
		up[k] = min(up[k], up[k+1]-apart(layer[k], layer[k+1]))
	}
	for k, i := range layer {
		l.items[i].y = (down[k] + up[k]) / 2
	}
}

// drawing rounds the places, and sets the columns beside each other.
func (l *layout) drawing() *Drawing {
	d := &Drawing{Graph: l.g, Boxes: make([]Box, len(l.g.Nodes))}
	x := margin
	const top = 44 // the columns' titles
	for _, layer := range l.layer {
		width := 0
		for _, i := range layer {
			if n := l.items[i].node; n >= 0 {
				width = max(width, boxWidth(l.g.Nodes[n]))
			}
		}
		d.Columns = append(d.Columns, Column{x, width})
		for _, i := range layer {
			if n := l.items[i].node; n >= 0 {
				h := l.items[i].h
				y := top + int(l.items[i].y) - h/2
				d.Boxes[n] = Box{x, y, width, h}
				d.Height = max(d.Height, y+h+margin)
			}
		}
		x += width + columnGap
	}
	d.Width = max(x-columnGap+margin, 2*margin)
	d.Height = max(d.Height, top+margin)
	for k, e := range l.g.Edges {
		path := Path{Edge: e}
		for j, i := range l.routes[k] {
			it := l.items[i]
			column, y := d.Columns[it.layer], top+int(it.y)
			if it.node >= 0 {
				y = d.Boxes[it.node].Y + d.Boxes[it.node].H/2
			}
			if j > 0 {
				path.Points = append(path.Points, Point{column.X, y})
			}
			if j < len(l.routes[k])-1 {
				path.Points = append(path.Points, Point{column.X + column.W, y})
			}
		}
		d.Lines = append(d.Lines, path)
	}
	return d
}

// maxLabel is the most characters of a label that are drawn.
const maxLabel = 34

// boxWidth is what a node's texts take.
func boxWidth(n Node) int {
	if n.Class == "join" {
		return 12
	}
	label, note := len([]rune(n.Label)), len([]rune(n.Note))
	return max(96, min(label, maxLabel)*8+28, min(note, maxLabel+6)*7+28)
}
