package html

import (
	"html/template"
	"strconv"
	"strings"

	"github.com/stowage-iac/stowage/cmd/stowage/internal/view/graph"
	"github.com/stowage-iac/stowage/planner"
)

const (
	maxDrawn  = 240 // nodes of the drawing
	maxListed = 40  // steps of one layer in the list
)

// layer is what runs at the same time, in words.
type layer struct {
	Steps []string
	More  int
}

// draw puts the graph into the page: as a drawing, and as a list for who cannot see one.
func (d *data) draw(p *planner.Plan) error {
	shown := map[int]bool{}
	for _, g := range d.Groups {
		for _, e := range g.Entries {
			shown[indexOf(e.ID)] = true
		}
	}
	whole := graph.Plan(p, func(change int) string {
		if !shown[change] {
			return ""
		}
		return "#" + entryID(change)
	})
	if len(whole.Nodes) == 0 {
		return nil
	}
	for _, nodes := range whole.Layers() {
		l := layer{}
		for i, n := range nodes {
			if i == maxListed {
				l.More = len(nodes) - maxListed
				break
			}
			l.Steps = append(l.Steps, strings.TrimSuffix(n.Label+": "+n.Note, ": "))
		}
		if len(d.Layers) < maxDrawn {
			d.Layers = append(d.Layers, l)
		}
	}
	drawn := whole.Folded(maxDrawn)
	d.Folded, d.Left = len(drawn.Nodes) < len(whole.Nodes), drawn.Left
	var b strings.Builder
	if err := graph.Layout(drawn).Inline(&b); err != nil {
		return err
	}
	d.Graph = template.HTML(b.String())
	return nil
}

func indexOf(id string) int {
	n, _ := strconv.Atoi(strings.TrimPrefix(id, "c"))
	return n
}
