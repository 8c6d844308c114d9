package html

import (
	"cmp"
	"fmt"
	"html"
	"html/template"
	"slices"
	"strings"

	"github.com/stowage-iac/stowage/cmd/stowage/internal/view"
	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/planner"
)

const (
	maxEntries = 10_000    // changes that have an entry
	maxDiffs   = 3_000_000 // bytes of all diffs
	maxDiff    = 200_000   // bytes of one diff
	groupFrom  = 12        // instances of a block with the same action that are folded into one
)

// group is the changes of one block with one action; of few changes there is no
// head, and each stands for itself.
type group struct {
	Head    string
	Class   string
	Symbol  string
	Words   string
	Entries []entry
}

// entry is one change.
type entry struct {
	ID, Address, Class, Symbol, Words string
	Because                           []string
	Diff                              template.HTML // "": there was no room
}

// groups makes the entries of the most urgent changes, and their diffs as long as
// there is room; the page then shows them by address.
func groups(r *view.Report) (out []group, unshown []count) {
	order := make([]int, len(r.Changes))
	for i := range order {
		order[i] = i
	}
	rank := func(i int) int {
		at := slices.Index(actions, r.Changes[i].Action)
		if at < 0 {
			return len(actions)
		}
		return at
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(rank(a), rank(b)) })
	left := map[planner.Action]int{}
	if len(order) > maxEntries {
		for _, i := range order[maxEntries:] {
			left[r.Changes[i].Action]++
		}
		order = order[:maxEntries]
	}
	for a, n := range left {
		unshown = append(unshown, count{Class: string(a), Words: string(a), N: n})
	}
	slices.SortFunc(unshown, func(a, b count) int { return cmp.Compare(a.Class, b.Class) })
	diffs := map[int]template.HTML{}
	used := 0
	for _, i := range order {
		if used < maxDiffs {
			d := diffHTML(r.Changes[i].Diff(), maxDiff)
			used += len(d)
			diffs[i] = d
		}
	}
	slices.Sort(order)
	return grouped(r, order, diffs), unshown
}

func grouped(r *view.Report, order []int, diffs map[int]template.HTML) []group {
	type key struct {
		block  string
		action planner.Action
	}
	size, at := map[key]int{}, map[key]int{}
	for _, i := range order {
		c := r.Changes[i]
		size[key{lang.BlockOf(c.Address), c.Action}]++
	}
	var out []group
	for _, i := range order {
		c := r.Changes[i]
		k := key{lang.BlockOf(c.Address), c.Action}
		e := entry{
			ID: entryID(c.Index), Address: c.Address, Class: string(c.Action), Symbol: c.Symbol,
			Words: c.Words, Because: c.Because, Diff: diffs[i],
		}
		if size[k] < groupFrom {
			out = append(out, group{Entries: []entry{e}})
			continue
		}
		j, ok := at[k]
		if !ok {
			j = len(out)
			at[k] = j
			out = append(out, group{Head: k.block, Class: e.Class, Symbol: e.Symbol, Words: fmt.Sprintf("%d %s", size[k], e.Words)})
		}
		out[j].Entries = append(out[j].Entries, e)
	}
	return out
}

func entryID(change int) string { return fmt.Sprintf("c%d", change) }

// lineClass colours a line of a diff.
var lineClass = map[string]string{"+": "create", "-": "delete", "~": "update", "-/+": "replace"}

// diffHTML writes lines, those with the same symbol in one element.
func diffHTML(lines []view.Line, limit int) template.HTML {
	var b strings.Builder
	open := ""
	for i, l := range lines {
		if b.Len() > limit {
			fmt.Fprintf(&b, "… and %d more lines\n", len(lines)-i)
			break
		}
		if class := lineClass[l.Symbol]; class != open {
			if open != "" {
				b.WriteString("</span>")
			}
			if class != "" {
				b.WriteString(`<span class="` + class + `">`)
			}
			open = class
		}
		text := l.Text
		if len(text) > limit {
			text = strings.ToValidUTF8(text[:limit], "") + "…"
		}
		fmt.Fprintf(&b, "%3s %s\n", l.Symbol, html.EscapeString(text))
	}
	if open != "" {
		b.WriteString("</span>")
	}
	return template.HTML(b.String())
}
