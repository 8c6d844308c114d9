package view

import (
	"bytes"
	"fmt"
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
	v := p.view
	verb := willBe[c.Action]
	for _, loud := range []string{"replaced", "destroyed"} {
		if head, ok := strings.CutSuffix(verb, loud); ok {
			verb = head + v.paint("red", loud)
		}
	}
	if c.MovedFrom != "" && c.Action == planner.NoOp {
		p.text("  ", v.Bold("# "+c.MovedFrom)+" has moved to "+v.Bold(c.Address))
		p.block(0, plain, header(c.Kind, c.Address), "", v.Schemas[c.Kind], c.Before, c.After)
		return
	}
	if c.Importing != "" && c.Action == planner.NoOp {
		p.text("  ", v.Bold("# "+c.Address)+" will be imported from "+quote(c.Importing))
		p.block(0, plain, header(c.Kind, c.Address), "", v.Schemas[c.Kind], c.Before, c.After)
		return
	}
	p.text("  ", v.Bold("# "+c.Address)+" "+verb)
	if c.Importing != "" {
		p.text("  ", "# (imported from "+quote(c.Importing)+")")
	}
	if c.MovedFrom != "" {
		p.text("  ", "# (moved from "+c.MovedFrom+")")
	}
	for _, line := range because(c) {
		p.text("  ", "# ("+line+")")
	}
	p.diff(c)
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
	p.block(0, symbolOfChange(c), header(c.Kind, c.Address), "", p.view.Schemas[c.Kind], c.Before, after)
}

// header is how the configuration opens the block: pod "web", data "file" "site".
func header(kind, address string) string {
	block := lang.BlockOf(address)
	name := strings.LastIndexByte(block, '.') + 1
	if name == 0 {
		return kindHeader(kind)
	}
	return kindHeader(kind) + " " + quote(block[name:])
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
	var order []string
	fields := map[string][]string{}
	for _, c := range causes {
		if _, ok := fields[c.Why]; !ok {
			order = append(order, c.Why)
		}
		fields[c.Why] = append(fields[c.Why], printable(c.Path))
	}
	clauses := make([]string, len(order))
	for i, why := range order {
		clauses[i] = clause(enumerate(fields[why]), printable(why))
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

// printer writes a diff line by line.
type printer struct {
	view   View
	b      bytes.Buffer
	forces []providers.Cause // fields that force a replacement
	known  map[*schema.Block]members

	structured bool // lines are kept apart, for Lines
	marks      []lineMark
}

// lineMark is where a line of a diff begins, and what it is marked with.
type lineMark struct {
	at, depth int
	symbol    symbol
}

// members are what parts gives for a schema.
type members struct {
	attrs  []attribute
	blocks []nested
}

// parts is what a block may contain; a schema is sorted once.
func (p *printer) parts(sch *schema.Block, values ...cty.Value) ([]attribute, []nested) {
	if sch == nil {
		return parts(nil, values...)
	}
	m, ok := p.known[sch]
	if !ok {
		m.attrs, m.blocks = parts(sch)
		if p.known == nil {
			p.known = map[*schema.Block]members{}
		}
		p.known[sch] = m
	}
	return m.attrs, m.blocks
}

func (p *printer) text(indent, s string) {
	p.b.WriteString(indent)
	p.b.WriteString(s)
	p.b.WriteByte('\n')
}

// rewind drops what was written after n bytes.
func (p *printer) rewind(n int) {
	p.b.Truncate(n)
	for len(p.marks) > 0 && p.marks[len(p.marks)-1].at >= n {
		p.marks = p.marks[:len(p.marks)-1]
	}
}

// line writes one line of a diff at a depth, its symbol in the three columns before.
func (p *printer) line(depth int, s symbol, text string) {
	if p.structured {
		p.marks = append(p.marks, lineMark{p.b.Len(), depth, s})
	}
	for range 4*depth + 3 - len(s) {
		p.b.WriteByte(' ')
	}
	p.b.WriteString(p.mark(s))
	p.b.WriteByte(' ')
	p.b.WriteString(text)
	p.b.WriteByte('\n')
}

func (p *printer) mark(s symbol) string {
	switch s {
	case added:
		return p.view.paint("green", string(s))
	case changed:
		return p.view.paint("yellow", string(s))
	case removed:
		return p.view.paint("red", string(s))
	case fetched:
		return p.view.paint("cyan", string(s))
	case renewing:
		return p.view.paint("green", "+") + "/" + p.view.paint("red", "-")
	case renewed:
		return p.view.paint("red", "-") + "/" + p.view.paint("green", "+")
	}
	return string(s)
}

// note writes a comment inside of a block, such as a count of what is hidden.
func (p *printer) note(depth int, text string) {
	p.line(depth, plain, p.view.paint("dark_gray", "# "+text))
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

// forced is the comment on a field that forces the replacement.
func (p *printer) forced(path string) string {
	for _, c := range p.forces {
		if c.Path == path || strings.HasPrefix(c.Path, path+".") || strings.HasPrefix(c.Path, path+"[") {
			return " " + p.view.paint("red", "# forces replacement")
		}
	}
	return ""
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// block writes a whole block, from its header to its closing brace.
func (p *printer) block(depth int, s symbol, head, path string, sch *schema.Block, before, after cty.Value) {
	if whole(before) || whole(after) {
		p.line(depth, s, head+" { "+sensitiveText+" }")
		return
	}
	start := p.b.Len()
	p.line(depth, s, head+" {")
	body := p.b.Len()
	attrs, blocks := p.parts(sch, before, after)
	p.attributes(depth+1, path, attrs, before, after)
	p.blocks(depth+1, path, blocks, before, after)
	if p.b.Len() == body {
		p.rewind(start)
		p.line(depth, s, head+" {}")
		return
	}
	p.line(depth, plain, "}")
}

// whole reports whether a value is sensitive or unknown as a whole, so that nothing in it can be looked at.
func whole(v cty.Value) bool { return v != cty.NilVal && (v.IsMarked() || !v.IsKnown()) }
