package html

import (
	"fmt"
	"strconv"

	"github.com/stowage-iac/stowage/cmd/stowage/internal/view"
)

const (
	maxCards  = 100   // nodes that are drawn as boxes
	maxRows   = 2_000 // nodes in the table of the others
	maxChips  = 24    // replicas in a box, on each side
	chipsFrom = 6     // replicas of a pod with the same fate that share a chip
)

// card is a node before and after.
type card struct {
	view.NodeReport
	Before, After side
	Changes       bool
}

// side is a node at one time.
type side struct {
	Title       string
	CPU, Memory bar
	Chips       []chip
	More        int
	Count       int
}

// bar is a part of a room.
type bar struct {
	Name    string
	Percent int // 0 to 100, of the drawing
	Text    string
	Full    bool
}

// chip is a replica on a node, or several of one pod.
type chip struct{ Text, Class, Title string }

// cards draws the nodes; those that change come first.
func cards(r *view.Report) (out []card, rest []view.NodeReport, noRoom int) {
	before, after := map[string]*tally{}, map[string]*tally{}
	side := func(m map[string]*tally, node string) *tally {
		if m[node] == nil {
			m[node] = &tally{at: map[string]int{}}
		}
		return m[node]
	}
	for _, p := range r.Pods {
		for _, d := range p.Replicas {
			fate := d.Fate()
			if d.Before != "" {
				title := ""
				if fate == "moves" {
					title = "moves to " + d.Node
				}
				side(before, d.Before).add(p.Address, d.Slot, map[string]string{"stays": "stays", "moves": "goes", "leaves": "leaves"}[fate], title)
			}
			if d.Node != "" {
				title := d.Score
				if fate == "moves" {
					title = "moves here from " + d.Before + ", " + d.Score
				}
				side(after, d.Node).add(p.Address, d.Slot, fate, title)
			}
		}
	}
	for pass := range 2 {
		for _, n := range r.Nodes {
			b, a := side(before, n.Name), side(after, n.Name)
			changes := b.changes || a.changes
			if changes != (pass == 0) {
				continue
			}
			if len(out) == maxCards {
				if len(rest) == maxRows {
					noRoom++
					continue
				}
				rest = append(rest, n)
				continue
			}
			out = append(out, card{
				NodeReport: n, Changes: changes,
				Before: b.side("before", n.CountBefore, room("CPU", n.CPUBefore, n.CPU), room("memory", n.MemoryBefore, n.Memory)),
				After:  a.side("after", n.Count, room("CPU", n.CPUAfter, n.CPU), room("memory", n.MemoryAfter, n.Memory)),
			})
		}
	}
	return out, rest, noRoom
}

func room(name string, taken float64, all string) bar {
	percent := int(taken*100 + 0.5)
	return bar{Name: name, Percent: max(0, min(100, percent)), Text: fmt.Sprintf("%d%% of %s", percent, all), Full: percent >= 90}
}

// tally gathers the replicas of one side of a node.
type tally struct {
	lots    []lot
	at      map[string]int
	changes bool
}

// lot is the replicas of a pod with the same fate.
type lot struct {
	pod, fate string
	slots     []int
	titles    []string
}

func (t *tally) add(pod string, slot int, fate, title string) {
	key := fate + " " + pod
	i, ok := t.at[key]
	if !ok {
		i = len(t.lots)
		t.at[key] = i
		t.lots = append(t.lots, lot{pod: pod, fate: fate})
	}
	t.lots[i].slots = append(t.lots[i].slots, slot)
	t.lots[i].titles = append(t.lots[i].titles, title)
	t.changes = t.changes || fate != "stays"
}

// fates say in a chip what happens, beside its colour.
var fates = map[string]string{"new": "+ ", "moves": "→ ", "goes": "← ", "leaves": "− ", "stays": ""}

func (t *tally) side(title string, count int, cpu, memory bar) side {
	s := side{Title: title, Count: count, CPU: cpu, Memory: memory}
	for _, l := range t.lots {
		if len(l.slots) >= chipsFrom {
			s.add(chip{fates[l.fate] + l.pod + " × " + strconv.Itoa(len(l.slots)), l.fate, ""}, len(l.slots))
			continue
		}
		for i, slot := range l.slots {
			s.add(chip{fates[l.fate] + l.pod + " " + strconv.Itoa(slot), l.fate, l.titles[i]}, 1)
		}
	}
	return s
}

func (s *side) add(c chip, n int) {
	if len(s.Chips) == maxChips {
		s.More += n
		return
	}
	s.Chips = append(s.Chips, c)
}
