package view

import (
	"bytes"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang/schema"
	"github.com/stowage-iac/stowage/providers"
)

// printer writes a diff line by line. Everything goes straight into b: the text of a
// plan of 10,000 pods has 300,000 lines.
type printer struct {
	view   View
	b      []byte
	forces []providers.Cause // fields that force a replacement
	known  map[*schema.Block]*members

	structured bool // lines are kept apart, for Lines
	marks      []lineMark
}

// lineMark is where a line of a diff begins, and what it is marked with.
type lineMark struct {
	at, depth int
	symbol    symbol
}

// lead is what stands before a value on its line: the name of an argument or the key
// of an element, and " = "; nothing when it is the zero lead.
type lead struct {
	name   string
	quoted bool // the name is written as a string literal
	pad    int  // spaces behind it, up to the width of the longest one beside it
}

// keyLead is the lead of an element: bare for attributes of objects where HCL allows it, quoted for maps.
func keyLead(ty cty.Type, key string) lead {
	return lead{name: key, quoted: !bareKey(ty, key)}
}

// columns is the width of the name.
func (l lead) columns() int {
	switch {
	case !l.quoted:
		return columns(l.name)
	case simple(l.name):
		return len(l.name) + len(`""`)
	}
	return columns(quote(l.name))
}

// write writes some texts as they are.
func (p *printer) write(texts ...string) { p.b = appendAll(p.b, texts...) }

func appendAll(b []byte, texts ...string) []byte {
	for _, t := range texts {
		b = append(b, t...)
	}
	return b
}

// end writes what ends a line.
func (p *printer) end(texts ...string) {
	p.write(texts...)
	p.b = append(p.b, '\n')
}

// text writes a line that bears no symbol.
func (p *printer) text(indent string, texts ...string) {
	p.b = append(p.b, indent...)
	p.end(texts...)
}

func appendSpaces(b []byte, n int) []byte {
	const some = "                                                                "
	for ; n > len(some); n -= len(some) {
		b = append(b, some...)
	}
	return append(b, some[:n]...)
}

func (p *printer) paint(color string, texts ...string) {
	if !p.view.Color {
		p.write(texts...)
		return
	}
	p.write(escape(color))
	p.write(texts...)
	p.write(escape("reset"))
}

func appendLead(b []byte, l lead) []byte {
	switch {
	case l == lead{}:
		return b
	case l.quoted:
		b = appendQuote(b, l.name)
	default:
		b = append(b, l.name...)
	}
	b = appendSpaces(b, l.pad)
	return append(b, " = "...)
}

func (p *printer) inline(v cty.Value) { p.b = appendInline(p.b, v) }

// begin begins a line of a diff at a depth, its symbol in the three columns before.
func (p *printer) begin(depth int, s symbol, l lead) {
	if p.structured {
		p.marks = append(p.marks, lineMark{len(p.b), depth, s})
	}
	b := appendSpaces(p.b, 4*depth+3-len(s))
	b = p.view.appendMark(b, s)
	b = append(b, ' ')
	p.b = appendLead(b, l)
}

// line writes one line of a diff that has no value.
func (p *printer) line(depth int, s symbol, texts ...string) {
	p.begin(depth, s, lead{})
	p.end(texts...)
}

func (v View) appendMark(b []byte, s symbol) []byte {
	if !v.Color {
		return append(b, s...)
	}
	switch s {
	case added:
		return append(b, v.paint("green", "+")...)
	case changed:
		return append(b, v.paint("yellow", "~")...)
	case removed:
		return append(b, v.paint("red", "-")...)
	case fetched:
		return append(b, v.paint("cyan", "<=")...)
	case renewing:
		return appendAll(b, v.paint("green", "+"), "/", v.paint("red", "-"))
	case renewed:
		return appendAll(b, v.paint("red", "-"), "/", v.paint("green", "+"))
	}
	return append(b, s...)
}

// hidden notes how many of something are not shown, if any.
func (p *printer) hidden(depth, n int, noun string) {
	if n == 0 {
		return
	}
	p.begin(depth, plain, lead{})
	p.paint("dark_gray", "# (", plural(n, noun), " hidden)")
	p.end()
}

// gap separates arguments from nested blocks by an empty line, unless the block has just begun.
func (p *printer) gap() {
	if !bytes.HasSuffix(p.b, []byte("{\n")) {
		p.b = append(p.b, '\n')
	}
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

// path is the path of a part of a block, "" where nobody asks for paths.
func (p *printer) path(block, name string) string {
	switch {
	case len(p.forces) == 0:
		return ""
	case block == "":
		return name
	}
	return block + "." + name
}
