package view

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/stowage-iac/stowage/planner"
	"github.com/stowage-iac/stowage/scheduler"
)

// placement says where every replica goes and why there, and what it leaves on each node.
func (v View) placement(p *planner.Plan) string {
	var b strings.Builder
	for _, pod := range p.Pods {
		b.WriteString(v.pod(pod))
	}
	if t := v.nodes(p.Nodes); t != "" {
		if b.Len() > 0 {
			b.WriteString("\n")
		}
		b.WriteString(t)
	}
	if b.Len() == 0 {
		return ""
	}
	return "\n" + v.Bold("Placement") + "\n" + b.String()
}

func (v View) pod(p planner.PodPlacement) string {
	var b strings.Builder
	if len(p.Unplaced) == 0 && len(p.Moved) == 0 && !slices.ContainsFunc(p.Replicas, func(d scheduler.Decision) bool { return !d.Kept }) {
		if len(p.Replicas) > 0 {
			fmt.Fprintf(&b, "  %s: %s on %s\n", p.Address, stay(len(p.Replicas)), strings.Join(nodesOf(p.Replicas), ", "))
		}
		return b.String()
	}
	b.WriteString("  " + p.Address + "\n")
	var rows [][]string
	for _, d := range p.Replicas {
		rows = append(rows, []string{
			strconv.Itoa(d.Slot), "→ " + d.Node, scoreText(d), freeText(d), v.fate(p, d),
		})
	}
	b.WriteString(table("    ", rows))
	for _, u := range p.Unplaced {
		fmt.Fprintf(&b, "    %d  %s\n", u.Slot, v.paint("red", "fits on no node:"))
		for _, r := range u.Reasons {
			fmt.Fprintf(&b, "         %s %s\n", r.Node, printable(r.Why))
		}
	}
	return b.String()
}

func stay(n int) string {
	if n == 1 {
		return "1 replica stays"
	}
	return fmt.Sprintf("%d replicas stay", n)
}

// nodesOf lists the nodes of some replicas, each with its count, sorted by name.
func nodesOf(ds []scheduler.Decision) []string {
	count := map[string]int{}
	var names []string
	for _, d := range ds {
		if count[d.Node] == 0 {
			names = append(names, d.Node)
		}
		count[d.Node]++
	}
	slices.Sort(names)
	for i, n := range names {
		if count[n] > 1 && len(names) > 1 {
			names[i] = fmt.Sprintf("%s (%d)", n, count[n])
		}
	}
	return names
}

func scoreText(d scheduler.Decision) string {
	switch {
	case d.Kept:
		return "-"
	case d.RunnerUp == "":
		return fmt.Sprintf("score %.0f: the only node that fits", d.Score)
	}
	mine, other := round(d.Score, d.RunnerUpScore)
	if mine == other {
		return fmt.Sprintf("score %s: as good as %s, first by name", mine, d.RunnerUp)
	}
	return fmt.Sprintf("score %s: better than %s with %s", mine, d.RunnerUp, other)
}

// round writes two scores with as many decimals as it takes to tell them apart, at most two.
func round(a, b float64) (string, string) {
	for decimals := range 3 {
		x, y := strconv.FormatFloat(a, 'f', decimals, 64), strconv.FormatFloat(b, 'f', decimals, 64)
		if x != y {
			return x, y
		}
	}
	return strconv.FormatFloat(a, 'f', 0, 64), strconv.FormatFloat(b, 'f', 0, 64)
}

func freeText(d scheduler.Decision) string {
	return fmt.Sprintf("leaves %s CPU, %s", cpu(d.FreeMilliCPU), memory(d.FreeMemory))
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
