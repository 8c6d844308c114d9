package view

import (
	"slices"
	"strconv"
	"strings"

	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/planner"
	"github.com/stowage-iac/stowage/scheduler"
)

// Report is a plan in words, for the formats that lay them out: Markdown, HTML.
// What is hidden, sensitive or unknown has been decided; nothing in it is secret.
// Everything in it may still be written by others: a format escapes it.
type Report struct {
	Context     string // prod (protected); "" where none is declared
	Stowage     string // the version that made the plan
	Made        string // when, UTC
	Empty       bool   // there is nothing to do
	Destroy     bool
	Headline    string // No changes, or how many
	Summary     Summary
	Partial     string   // the options that narrow it; "" when it is about everything
	Interrupted string   // the apply before this plan that did not end, as lines; "" when it did
	Drift       []Event  // changed outside of Stowage
	Healed      []Event  // done by agents and controllers
	Warnings    []string // summary, where and detail of each; what Checks say is left out
	Checks      []Event  // check blocks that are not passed
	Changes     []Item   // what is to be done, by address
	Outputs     []Line
	Pods        []PodReport
	Nodes       []NodeReport
	Transfers   []TransferReport
	Sent        string // bytes of all transfers
}

// Event is what happened to an instance since the last apply, or how a check ended.
type Event struct{ Address, Text string }

// Item is a change. Its diff is rendered when it is asked for.
type Item struct {
	Address, Kind string
	Action        planner.Action
	Symbol        string // + ~ -/+ -
	Words         string // will be created
	Because       []string
	Index         int // in the plan's Changes

	change *planner.Change
	view   View
}

// Line is one line of a diff: its symbol (+ ~ - -/+, or "" for context), and the
// text indented without it.
type Line struct{ Symbol, Text string }

// PodReport says where the replicas of a pod go.
type PodReport struct {
	Address  string
	Replicas []ReplicaReport // by slot
	Unplaced []Event         // slot, and what each node lacks
}

// ReplicaReport is one replica. Node is "" for one that leaves, Before for one that is new.
type ReplicaReport struct {
	Slot         int
	Node, Before string
	Score        string // and why this node; "" when it leaves or stays
	Leaves       string // what is left on the node
}

// Fate says in a word what happens: new, stays, moves, leaves.
func (r ReplicaReport) Fate() string {
	switch {
	case r.Node == "":
		return "leaves"
	case r.Before == "":
		return "new"
	case r.Before != r.Node:
		return "moves"
	}
	return "stays"
}

// NodeReport is a node's room before and after, and who is on it.
type NodeReport struct {
	Name               string
	CPU, Memory        string // what pods may use
	CPUFree            string // before → after
	MemoryFree         string
	Replicas           string
	CPUBefore          float64 // part of what pods may use that is requested, 0 to 1 and more
	CPUAfter           float64
	MemoryBefore       float64
	MemoryAfter        float64
	CountBefore, Count int
}

// TransferReport is image content that goes to a host.
type TransferReport struct{ Image, Node, Size string }

// Report puts a plan into words. v.Color is not looked at.
func (v View) Report(p *planner.Plan) *Report {
	v.Color = false
	r := &Report{
		Stowage: p.StowageVersion, Made: p.Created.UTC().Format("2006-01-02 15:04:05 UTC"),
		Empty: p.Empty(), Destroy: p.Destroy, Headline: v.headline(p),
		Interrupted: strings.TrimSpace(strings.Replace(v.interrupted(p.Interrupted), "Note: the", "The", 1)),
	}
	if r.Context = printable(p.Context); p.Protected {
		r.Context += " (protected)"
	}
	r.Summary = Summary(p.Count())
	if p.Partial() {
		r.Partial = printable(p.Given())
	}
	for i, c := range p.Changes {
		if p.RefreshOnly && len(c.Drift) > 0 {
			r.Changes = append(r.Changes, v.recorded(i, c))
		} else if len(c.Drift) > 0 {
			r.Drift = append(r.Drift, Event{c.Address, causesText(c.Drift)})
		}
		for _, h := range c.Healed {
			r.Healed = append(r.Healed, Event{c.Address, printable(h)})
		}
		if c.Action != planner.NoOp || c.MovedFrom != "" || c.Importing != "" {
			r.Changes = append(r.Changes, v.item(i, c))
		}
	}
	r.Warnings = warnings(p)
	for _, c := range unpassed(p.Checks) {
		r.Checks = append(r.Checks, Event{printable(c.Address), outcome(c)})
	}
	r.Outputs = v.outputLines(p)
	r.Pods = podReports(p)
	r.Nodes = nodeReports(p)
	var sum int64
	for _, t := range p.Transfers {
		sum += t.Bytes
		r.Transfers = append(r.Transfers, TransferReport{printable(t.Image), t.Node, transferSize(t)})
	}
	r.Sent = bytesIn(sum)
	return r
}

func (v View) headline(p *planner.Plan) string {
	switch {
	case p.Empty() && p.RefreshOnly:
		return "No changes. What is there is what the state records."
	case p.Empty():
		return "No changes. " + noChanges(p)
	}
	return v.summary(p)
}

func (v View) item(index int, c *planner.Change) Item {
	i := Item{
		Index:   index,
		Address: printable(c.Address), Kind: c.Kind, Action: c.Action, Symbol: string(symbolOfChange(c)),
		Words: willBe[c.Action], change: c, view: v,
	}
	if c.MovedFrom != "" {
		i.Because = append(i.Because, "moved from "+printable(c.MovedFrom))
	}
	if c.Importing != "" {
		i.Because = append(i.Because, "imported from "+quote(c.Importing))
	}
	if c.Importing != "" && c.Action == planner.NoOp {
		i.Words = "will be imported, and stays as it is"
	}
	if c.MovedFrom != "" && c.Action == planner.NoOp {
		i.Words = "has moved, and stays as it is"
	}
	for _, line := range because(c) {
		i.Because = append(i.Because, strings.TrimPrefix(line, "because "))
	}
	return i
}

// recorded is the change of the record, of a plan that changes nothing else.
func (v View) recorded(index int, c *planner.Change) Item {
	now := *c
	now.Action = planner.Update
	if c.After.IsNull() {
		now.Action = planner.Delete
	}
	i := v.item(index, &now)
	i.Words, i.Because = recordWords[now.Action], []string{causesText(c.Drift)}
	return i
}

// recordWords say what a plan that only records does.
var recordWords = map[planner.Action]string{planner.Update: "will be recorded as it is now", planner.Delete: "is gone, and will be forgotten"}

// Diff is the change of the block, from its header to its closing brace.
func (i Item) Diff() []Line {
	pr := &printer{view: i.view, structured: true}
	pr.diff(i.change)
	return pr.lines()
}

func (v View) outputLines(p *planner.Plan) []Line {
	pr := &printer{view: v, structured: true}
	pr.outputs(p)
	return pr.lines()
}

// lines takes apart what a structured printer wrote.
func (p *printer) lines() []Line {
	text := strings.TrimSuffix(string(p.b), "\n")
	if text == "" {
		return nil
	}
	var out []Line
	at, next := 0, 0
	for _, l := range strings.Split(text, "\n") {
		line := Line{Text: l}
		if next < len(p.marks) && p.marks[next].at == at {
			m := p.marks[next]
			next++
			skip := 4 * m.depth // then the symbol in three columns, and a space
			if m.symbol != plain {
				line.Symbol = string(m.symbol)
			}
			line.Text = strings.TrimRight(l[:skip]+l[skip+4:], " ")
		}
		out = append(out, line)
		at += len(l) + 1
	}
	return out
}

func warnings(p *planner.Plan) []string {
	var out []string
	for _, d := range DiagnosticsJSON(p.Warnings, nil) {
		if slices.ContainsFunc(p.Checks, func(c planner.Checked) bool {
			return c.Kind == "check" && c.Status == lang.Fail && strings.HasSuffix(d.Detail, " ("+c.Address+")")
		}) {
			continue
		}
		text := d.Summary
		if d.Range != nil {
			text += " (" + d.Range.Filename + ":" + strconv.Itoa(d.Range.Start.Line) + ")"
		}
		if d.Detail != "" {
			text += ": " + d.Detail
		}
		out = append(out, printable(text))
	}
	return out
}

func podReports(p *planner.Plan) []PodReport {
	var out []PodReport
	for _, pod := range p.Pods {
		r := PodReport{Address: printable(pod.Address)}
		on := map[int]bool{}
		for _, d := range pod.Replicas {
			on[d.Slot] = true
			r.Replicas = append(r.Replicas, replicaReport(pod, d))
		}
		for slot, node := range pod.Previous {
			if !on[slot] && node != "" {
				r.Replicas = append(r.Replicas, ReplicaReport{Slot: slot, Before: node})
			}
		}
		for _, u := range pod.Unplaced {
			var why []string
			for _, reason := range u.Reasons {
				why = append(why, reason.Node+" "+printable(reason.Why))
			}
			r.Unplaced = append(r.Unplaced, Event{strconv.Itoa(u.Slot), strings.Join(why, "; ")})
		}
		out = append(out, r)
	}
	for _, c := range p.Changes {
		if c.Action != planner.Delete || len(c.Placement) == 0 {
			continue
		}
		r := PodReport{Address: printable(c.Address)}
		for slot, node := range c.Placement {
			if node != "" {
				r.Replicas = append(r.Replicas, ReplicaReport{Slot: slot, Before: node})
			}
		}
		out = append(out, r)
	}
	for _, r := range out {
		slices.SortFunc(r.Replicas, func(a, b ReplicaReport) int { return a.Slot - b.Slot })
	}
	return out
}

func replicaReport(pod planner.PodPlacement, d scheduler.Decision) ReplicaReport {
	r := ReplicaReport{Slot: d.Slot, Node: d.Node, Leaves: freeText(d)}
	if d.Slot < len(pod.Previous) {
		r.Before = pod.Previous[d.Slot]
	}
	if r.Before == "" && d.Kept {
		r.Before = d.Node
	}
	if !d.Kept {
		r.Score = scoreText(d)
	}
	return r
}

func nodeReports(p *planner.Plan) []NodeReport {
	var out []NodeReport
	for _, n := range p.Nodes {
		out = append(out, NodeReport{
			Name: printable(n.Name), CPU: cpu(n.MilliCPU), Memory: memory(n.Memory),
			CPUFree:    arrow(cpu(n.FreeCPUBefore), cpu(n.FreeCPUAfter)),
			MemoryFree: arrow(memory(n.FreeMemoryBefore), memory(n.FreeMemoryAfter)),
			Replicas:   arrow(strconv.Itoa(n.PodsBefore), strconv.Itoa(n.PodsAfter)),
			CPUBefore:  taken(n.FreeCPUBefore, n.MilliCPU), CPUAfter: taken(n.FreeCPUAfter, n.MilliCPU),
			MemoryBefore: taken(n.FreeMemoryBefore, n.Memory), MemoryAfter: taken(n.FreeMemoryAfter, n.Memory),
			CountBefore: n.PodsBefore, Count: n.PodsAfter,
		})
	}
	return out
}

// taken is the part of a room that is not free; of no room all is.
func taken(free, all int64) float64 {
	if all <= 0 {
		return 1
	}
	return 1 - float64(free)/float64(all)
}

func transferSize(t planner.Transfer) string {
	if t.Unknown {
		return unknownText
	}
	return bytesIn(t.Bytes) + " of " + bytesIn(t.Total)
}
