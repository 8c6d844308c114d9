package view

import (
	"fmt"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/lang/schema"
	"github.com/stowage-iac/stowage/planner"
	"github.com/stowage-iac/stowage/providers"
)

// symbol marks a line of a diff.
type symbol string

const (
	plain    symbol = " "
	added    symbol = "+"
	changed  symbol = "~"
	removed  symbol = "-"
	renewed  symbol = "-/+"
	renewing symbol = "+/-"
	parted   symbol = "."
	fetched  symbol = "<="
)

var symbolOf = map[planner.Action]symbol{
	planner.NoOp: plain, planner.Create: added, planner.Update: changed,
	planner.Replace: renewed, planner.Delete: removed, planner.Forget: parted, planner.Read: fetched,
}

func symbolOfChange(c *planner.Change) symbol {
	if c.CreateFirst {
		return renewing
	}
	return symbolOf[c.Action]
}

var willBe = map[planner.Action]string{
	planner.NoOp: "is up to date", planner.Create: "will be created",
	planner.Update: "will be updated in-place", planner.Replace: "must be replaced",
	planner.Delete: "will be destroyed", planner.Read: "will be read during apply", planner.Forget: "will be forgotten and stays as it is",
}

// change writes one resource instance's change.
func (p *printer) change(c *planner.Change) {
	switch {
	case c.Action == planner.NoOp && c.MovedFrom != "":
		p.comment(c.MovedFrom, " has moved to ", p.view.Bold(c.Address))
	case c.Action == planner.NoOp && c.Importing != "":
		p.comment(c.Address, " will be imported from ", quote(c.Importing))
	default:
		p.reasons(c)
	}
	p.diff(c)
}

// reasons writes what happens, and what is behind it.
func (p *printer) reasons(c *planner.Change) {
	verb := willBe[c.Action]
	for _, loud := range []string{"replaced", "destroyed"} {
		if quiet, ok := strings.CutSuffix(verb, loud); ok {
			verb = quiet + p.view.paint("red", loud)
		}
	}
	p.comment(c.Address, " ", verb)
	if c.Importing != "" {
		p.text("  ", "# (imported from ", quote(c.Importing), ")")
	}
	if c.MovedFrom != "" {
		p.text("  ", "# (moved from ", c.MovedFrom, ")")
	}
	for _, line := range because(c) {
		p.text("  ", "# (", line, ")")
	}
}

// comment writes the line above a block: its address, and what is with it.
func (p *printer) comment(address string, texts ...string) {
	p.write("  ")
	p.paint("bold", "# ", address)
	p.end(texts...)
}

// diff writes the block of a change.
func (p *printer) diff(c *planner.Change) {
	p.forces = nil
	if c.Action == planner.Replace {
		p.forces = c.Causes
	}
	after := c.After
	if c.Action == planner.Forget {
		after = c.Before
	}
	p.block(0, symbolOfChange(c), headOf(c.Kind, c.Address), "", p.view.Schemas[c.Kind], c.Before, after)
}

// head is how the configuration opens a block: pod "web", data "file" "site".
type head struct{ kind, label string }

func headOf(kind, address string) head {
	h, block := head{kind: kindHeader(kind)}, lang.BlockOf(address)
	if dot := strings.LastIndexByte(block, '.'); dot >= 0 {
		h.label = block[dot+1:]
	}
	return h
}

func (p *printer) head(h head) {
	p.b = append(p.b, h.kind...)
	if h.label != "" {
		p.b = append(p.b, ' ')
		p.b = appendQuote(p.b, h.label)
	}
}

// because lists why a change happens, each as a clause.
func because(c *planner.Change) []string {
	var lines []string
	if c.Reason != "" && c.Action == planner.Read {
		lines = append(lines, printable(c.Reason)) // in Terraform's words
	} else if c.Reason != "" {
		lines = append(lines, "because "+printable(c.Reason))
	}
	if len(c.Causes) > 0 {
		lines = append(lines, "because "+causesText(c.Causes))
	}
	return lines
}

// causesText names the fields and what is with them: "args and replicas changed;
// container.log removed".
func causesText(causes []providers.Cause) string {
	type reason struct {
		why    string
		fields []string
	}
	var reasons []reason
	for _, c := range causes {
		i := slices.IndexFunc(reasons, func(r reason) bool { return r.why == c.Why })
		if i < 0 {
			i = len(reasons)
			reasons = append(reasons, reason{why: c.Why})
		}
		reasons[i].fields = append(reasons[i].fields, printable(c.Path))
	}
	clauses := make([]string, len(reasons))
	for i, r := range reasons {
		clauses[i] = clause(enumerate(r.fields), printable(r.why))
	}
	return strings.Join(clauses, "; ")
}

// clause says what is with some fields. why is a participle, or a reason.
func clause(fields, why string) string {
	switch {
	case fields == "":
		return why
	case why == "":
		return fields + " changed"
	case why == "sensitivity":
		return "the sensitivity of " + fields + " changed"
	case !strings.Contains(why, " "), strings.HasPrefix(why, "changed "):
		return fields + " " + why
	}
	return fields + " changed: " + why
}

// enumerate writes "a, b and c", at most six of them.
func enumerate(list []string) string {
	const most = 6
	if len(list) > most {
		list = append(append([]string{}, list[:most]...), fmt.Sprintf("%d more", len(list)-most))
	}
	if len(list) == 1 {
		return list[0]
	}
	return strings.Join(list[:len(list)-1], ", ") + " and " + list[len(list)-1]
}

// inner is the symbol of what a block with symbol s contains when it is only on one side.
func inner(before, after cty.Value) symbol {
	switch {
	case absent(before) && absent(after):
		return plain
	case absent(before):
		return added
	case absent(after):
		return removed
	}
	return changed
}

// block writes a whole block, from its header to its closing brace.
func (p *printer) block(depth int, s symbol, h head, path string, sch *schema.Block, before, after cty.Value) {
	p.begin(depth, s, lead{})
	p.head(h)
	if whole(before) || whole(after) {
		p.end(" { ", sensitiveText, " }")
		return
	}
	empty := len(p.b)
	p.end(" {")
	body := len(p.b)
	m := p.members(sch, before, after)
	var r, q room
	was, is, n := r.of(m, before), q.of(m, after), len(m.attrs)
	p.attributes(depth+1, path, m.attrs, was[:n], is[:n], absent(before) || absent(after))
	p.blocks(depth+1, path, m.blocks, was[n:], is[n:])
	if len(p.b) == body {
		p.b = p.b[:empty]
		p.end(" {}")
		return
	}
	p.line(depth, plain, "}")
}

// whole reports whether a value is sensitive or unknown as a whole, so that nothing in it can be looked at.
func whole(v cty.Value) bool { return v != cty.NilVal && (v.IsMarked() || !v.IsKnown()) }
