// Package markdown lays out a plan for a comment on a pull or merge request.
//
// Whatever a configuration, a state or a host says stands in code (which neither
// notifies a person nor links to an issue) or has its punctuation replaced, so
// that it can neither end a table's cell nor a block, nor become markup. The
// comment keeps below what the forges take, and says what it leaves out.
package markdown

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/stowage-iac/stowage/cmd/stowage/internal/view"
	"github.com/stowage-iac/stowage/planner"
)

// Limit is the most bytes of a comment: GitHub takes 65,536 characters, and a
// workflow may add a few lines of its own.
const Limit = 64_000

// The most bytes of each section; the diffs get what the others leave.
const (
	notesLimit     = 6_000
	tableLimit     = 16_000
	placementLimit = 12_000
	othersLimit    = 6_000
	diffLimit      = 12_000 // of one resource
	tailLimit      = 600    // what tells of things left out
)

// Plan writes a plan, at most Limit bytes.
func Plan(w io.Writer, r *view.Report) error {
	var b strings.Builder
	head(&b, r)
	section(&b, "", notes(r), notesLimit, "note")
	if r.Empty {
		_, err := io.WriteString(w, b.String())
		return err
	}
	order := urgent(r.Changes)
	if len(order) > 0 {
		rows := make([]string, len(order))
		for i, c := range order {
			rows[i] = row(c)
		}
		section(&b, "\n| | resource | | because |\n| --- | --- | --- | --- |\n", rows, tableLimit, "change")
	}
	outputs(&b, r.Outputs)
	section(&b, "\n**Placement**\n\n| node | CPU free | memory free | replicas | arriving | leaving |\n| --- | --- | --- | --- | --- | --- |\n",
		nodes(r), placementLimit, "node")
	section(&b, "\n**Where replicas fit on no node**\n\n", unplaced(r), othersLimit, "replica")
	section(&b, "\n**Transfers: "+r.Sent+"**\n\n", transfers(r), othersLimit, "transfer")
	details(&b, order)
	_, err := io.WriteString(w, b.String())
	return err
}

func head(b *strings.Builder, r *view.Report) {
	b.WriteString("### Stowage plan")
	if r.Context != "" {
		b.WriteString(" for " + code(short(r.Context, 100)))
	}
	if r.Destroy {
		b.WriteString(": destroy everything")
	}
	b.WriteString("\n\n**" + r.Headline + "**\n")
}

// section writes a head and as many items as fit into limit bytes, and counts the rest.
func section(b *strings.Builder, head string, items []string, limit int, noun string) {
	if len(items) == 0 {
		return
	}
	b.WriteString(head)
	used := 0
	for i, item := range items {
		if used += len(item); used > limit {
			fmt.Fprintf(b, "\n… and %s.\n", more(len(items)-i, noun))
			return
		}
		b.WriteString(item)
	}
}

func more(n int, noun string) string {
	if n == 1 {
		return "1 more " + noun
	}
	return fmt.Sprintf("%d more %ss", n, noun)
}

// notes tells what has happened since the last apply, and what is to be looked at.
func notes(r *view.Report) []string {
	var out []string
	if r.Partial != "" {
		out = append(out, "\n> [!NOTE]\n> This plan is partial&#58; "+code(short(r.Partial, 1000))+"\n")
	}
	if r.Interrupted != "" {
		out = append(out, "\n> [!WARNING]\n> "+strings.ReplaceAll(prose(short(r.Interrupted, 2000)), "\n", "<br>\n> ")+"\n")
	}
	for _, w := range r.Warnings {
		out = append(out, "\n> [!WARNING]\n> "+strings.ReplaceAll(prose(short(w, 1000)), "\n", "<br>\n> ")+"\n")
	}
	if len(r.Checks) > 0 {
		out = append(out, "\n**Checks that are not passed.** This keeps nothing from being done.\n\n")
		out = append(out, events(r.Checks)...)
	}
	if len(r.Drift) > 0 {
		out = append(out, "\n**Changed outside of Stowage since the last apply.** Unless the configuration says the same, this plan undoes it.\n\n")
		out = append(out, events(r.Drift)...)
	}
	if len(r.Healed) > 0 {
		out = append(out, "\n**Healed by the cluster since the last apply.** Nothing has to be done about it.\n\n")
		out = append(out, events(r.Healed)...)
	}
	return out
}

func events(list []view.Event) []string {
	out := make([]string, len(list))
	for i, e := range list {
		out[i] = "- " + code(short(e.Address, 200)) + ": " + code(short(e.Text, 500)) + "\n"
	}
	return out
}

// urgent sorts what destroys before what creates: a comment that has no room for
// all shows what a reviewer has to see.
func urgent(changes []view.Item) []view.Item {
	rank := map[planner.Action]int{planner.Delete: 1, planner.Replace: 2, planner.Update: 3, planner.Forget: 4, planner.Create: 5, planner.Read: 6, planner.NoOp: 7}
	out := slices.Clone(changes)
	slices.SortStableFunc(out, func(a, b view.Item) int { return rank[a.Action] - rank[b.Action] })
	return out
}

func row(c view.Item) string {
	because := ""
	if len(c.Because) > 0 {
		because = code(short(strings.Join(c.Because, "; "), 300))
	}
	return fmt.Sprintf("| %s | %s | %s | %s |\n", code(c.Symbol), code(short(c.Address, 200)), c.Words, because)
}

func outputs(b *strings.Builder, lines []view.Line) {
	if len(lines) == 0 {
		return
	}
	b.WriteString("\n**Changes to outputs**\n\n" + block(lines, othersLimit))
}

// nodes are the rows of the nodes, each with who comes and who goes.
func nodes(r *view.Report) []string {
	arriving, leaving := map[string][]string{}, map[string][]string{}
	for _, p := range r.Pods {
		for _, d := range p.Replicas {
			name := fmt.Sprintf("%s %d", p.Address, d.Slot)
			switch d.Fate() {
			case "new":
				arriving[d.Node] = append(arriving[d.Node], name)
			case "moves":
				arriving[d.Node] = append(arriving[d.Node], name+" ← "+d.Before)
				leaving[d.Before] = append(leaving[d.Before], name+" → "+d.Node)
			case "leaves":
				leaving[d.Before] = append(leaving[d.Before], name)
			}
		}
	}
	var out []string
	for _, n := range r.Nodes {
		out = append(out, fmt.Sprintf("| %s | %s | %s | %s | %s | %s |\n", code(short(n.Name, 100)),
			n.CPUFree+" of "+n.CPU, n.MemoryFree+" of "+n.Memory, n.Replicas, few(arriving[n.Name]), few(leaving[n.Name])))
	}
	return out
}

// few lists some names and counts the others.
func few(names []string) string {
	const most = 8
	var out []string
	for i, n := range names {
		if i == most {
			out = append(out, fmt.Sprintf("… and %d more", len(names)-most))
			break
		}
		out = append(out, code(short(n, 120)))
	}
	return strings.Join(out, "<br>")
}

func unplaced(r *view.Report) []string {
	var out []string
	for _, p := range r.Pods {
		for _, u := range p.Unplaced {
			out = append(out, "- "+code(short(p.Address, 200)+" "+u.Address)+": "+code(short(u.Text, 500))+"\n")
		}
	}
	return out
}

func transfers(r *view.Report) []string {
	var out []string
	for _, t := range r.Transfers {
		out = append(out, "- "+code(short(t.Image, 200)+" → "+short(t.Node, 100))+": "+t.Size+"\n")
	}
	return out
}

// details writes the diffs that there is room for, and says how to see the others.
func details(b *strings.Builder, order []view.Item) {
	left := map[planner.Action]int{}
	n := 0
	for _, c := range order {
		text := ""
		if room := Limit - b.Len() - tailLimit; room > 1_000 {
			text = detail(c, min(diffLimit, room-500))
			if len(text) > room {
				text = ""
			}
		}
		if text == "" {
			left[c.Action]++
			n++
			continue
		}
		b.WriteString(text)
	}
	if n == 0 {
		return
	}
	var what []string
	for _, a := range []planner.Action{planner.Delete, planner.Replace, planner.Update, planner.Forget, planner.Create, planner.Read} {
		if left[a] > 0 {
			what = append(what, fmt.Sprintf("%d to %s", left[a], a))
		}
	}
	fmt.Fprintf(b, "\nThere is no room for the diffs of %s (%s). `stowage show PLAN` shows the saved plan as a whole.\n", more(n, "change"), strings.Join(what, ", "))
}

func detail(c view.Item, limit int) string {
	return "\n<details><summary>" + code(c.Symbol) + " " + code(short(c.Address, 200)) + " " + c.Words + "</summary>\n\n" +
		block(c.Diff(), limit) + "\n</details>\n"
}

// diffMarks are what a forge's highlighting knows: an update is a warning's colour.
var diffMarks = map[string]string{"+": "+", "-": "-", "~": "!", "-/+": "!"}

// block writes lines as a diff in a fence that nothing within can close, with as many lines as fit.
func block(lines []view.Line, limit int) string {
	var b strings.Builder
	for i, l := range lines {
		mark := diffMarks[l.Symbol]
		if mark == "" {
			mark = " "
		}
		text := mark + " " + l.Text
		if l.Symbol == "-/+" {
			text = mark + " (-/+) " + l.Text
		}
		text = strings.TrimRight(short(text, 1_000), " ") + "\n"
		if b.Len()+len(text) > limit {
			fmt.Fprintf(&b, "# … and %s\n", more(len(lines)-i, "line"))
			break
		}
		b.WriteString(text)
	}
	fence := strings.Repeat("`", max(3, longestRun(b.String(), '`')+1))
	return fence + "diff\n" + b.String() + fence + "\n"
}
