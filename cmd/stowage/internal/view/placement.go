package view

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/stowage-iac/stowage/planner"
	"github.com/stowage-iac/stowage/scheduler"
)

// placement writes where every replica goes and why there, and what it leaves on each node.
func (v View) placement(w *bufio.Writer, p *planner.Plan) {
	before := "\n" + v.Bold("Placement") + "\n"
	var b []byte
	var g grid
	for _, pod := range p.Pods {
		if b = v.appendPod(b[:0], &g, pod); len(b) > 0 {
			w.WriteString(before)
			w.Write(b)
			before = ""
		}
	}
	if t := v.nodes(p.Nodes); t != "" {
		w.WriteString(cmp.Or(before, "\n"))
		w.WriteString(t)
	}
}

func (v View) appendPod(b []byte, g *grid, p planner.PodPlacement) []byte {
	if len(p.Unplaced) == 0 && len(p.Moved) == 0 && !slices.ContainsFunc(p.Replicas, func(d scheduler.Decision) bool { return !d.Kept }) {
		if len(p.Replicas) == 0 {
			return b
		}
		b = appendAll(b, "  ", p.Address, ": ", stay(len(p.Replicas)), " on ")
		return appendAll(b, strings.Join(nodesOf(p.Replicas), ", "), "\n")
	}
	b = appendAll(b, "  ", p.Address, "\n")
	for _, d := range p.Replicas {
		g.text = strconv.AppendInt(g.text, int64(d.Slot), 10)
		g.end()
		g.text = appendAll(g.text, "→ ", d.Node)
		g.end()
		g.text = appendScore(g.text, d)
		g.end()
		g.text = appendFree(g.text, d)
		g.end()
		g.add(v.fate(p, d))
		g.endRow()
	}
	b = g.appendTo(b, "    ")
	for _, u := range p.Unplaced {
		b = fmt.Appendf(b, "    %d  %s\n", u.Slot, v.paint("red", "fits on no node:"))
		for _, r := range u.Reasons {
			b = appendAll(b, "         ", r.Node, " ", printable(r.Why), "\n")
		}
	}
	return b
}

func stay(n int) string {
	if n == 1 {
		return "1 replica stays"
	}
	return fmt.Sprintf("%d replicas stay", n)
}

// nodesOf lists the nodes of some replicas, each with its count, sorted by name.
func nodesOf(ds []scheduler.Decision) []string {
	all := make([]string, len(ds))
	for i, d := range ds {
		all[i] = d.Node
	}
	slices.Sort(all)
	var names []string
	for rest := all; len(rest) > 0; {
		name, count := rest[0], 1
		for count < len(rest) && rest[count] == name {
			count++
		}
		rest = rest[count:]
		if count > 1 && count < len(all) {
			name = fmt.Sprintf("%s (%d)", name, count)
		}
		names = append(names, name)
	}
	return names
}

func scoreText(d scheduler.Decision) string { return string(appendScore(nil, d)) }

func appendScore(b []byte, d scheduler.Decision) []byte {
	if d.Kept {
		return append(b, '-')
	}
	b = append(b, "score "...)
	if d.RunnerUp == "" {
		b = strconv.AppendFloat(b, d.Score, 'f', 0, 64)
		return append(b, ": the only node that fits"...)
	}
	decimals, differ := apart(d.Score, d.RunnerUpScore)
	b = strconv.AppendFloat(b, d.Score, 'f', decimals, 64)
	if !differ {
		return appendAll(b, ": as good as ", d.RunnerUp, ", first by name")
	}
	b = appendAll(b, ": better than ", d.RunnerUp, " with ")
	return strconv.AppendFloat(b, d.RunnerUpScore, 'f', decimals, 64)
}

// apart is how many decimals it takes to tell two scores apart, at most two; 0 and
// false if that is not enough.
func apart(a, b float64) (decimals int, differ bool) {
	for decimals := range 3 {
		var x, y [32]byte
		if !bytes.Equal(strconv.AppendFloat(x[:0], a, 'f', decimals, 64), strconv.AppendFloat(y[:0], b, 'f', decimals, 64)) {
			return decimals, true
		}
	}
	return 0, false
}

func freeText(d scheduler.Decision) string { return string(appendFree(nil, d)) }

func appendFree(b []byte, d scheduler.Decision) []byte {
	b = appendCPU(append(b, "leaves "...), d.FreeMilliCPU)
	return appendMemory(append(b, " CPU, "...), d.FreeMemory)
}

// fate says whether a replica stays or moves; "" when it is new.
func (v View) fate(p planner.PodPlacement, d scheduler.Decision) string {
	switch {
	case slices.Contains(p.Moved, d.Slot):
		return v.paint("yellow", "moves here")
	case d.Kept:
		return "stays"
	}
	return ""
}

// nodes is the table of what is free on each node, before and after.
func (v View) nodes(nodes []planner.NodeUse) string {
	if len(nodes) == 0 {
		return ""
	}
	rows := [][]string{{"NODE", "CPU FREE", "MEMORY FREE", "REPLICAS"}}
	for _, n := range nodes {
		rows = append(rows, []string{
			n.Name,
			fmt.Sprintf("%s of %s", arrow(cpu(n.FreeCPUBefore), cpu(n.FreeCPUAfter)), cpu(n.MilliCPU)),
			fmt.Sprintf("%s of %s", arrow(memory(n.FreeMemoryBefore), memory(n.FreeMemoryAfter)), memory(n.Memory)),
			arrow(strconv.Itoa(n.PodsBefore), strconv.Itoa(n.PodsAfter)),
		})
	}
	return table("  ", rows)
}

// arrow writes a change, or the one value when there is none.
func arrow(before, after string) string {
	if before == after {
		return after
	}
	return before + " → " + after
}
