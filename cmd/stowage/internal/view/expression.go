package view

import (
	"io"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang"
)

// Expression writes the value of an expression as the language has it, with what
// tells a list, set or map from a tuple or an object.
func (v View) Expression(w io.Writer, value cty.Value) error {
	pr := &printer{view: v}
	pr.expression(0, lead{}, value, "")
	_, err := w.Write(pr.b)
	return err
}

func (p *printer) expression(depth int, l lead, v cty.Value, trail string) {
	before, after := conversion(v.Type())
	if !usable(v) || !composite(v) && before == "" {
		p.plain(depth, l, v, trail)
		return
	}
	indent := strings.Repeat("  ", depth)
	p.write(indent)
	p.b = appendLead(p.b, l)
	p.write(before)
	if !composite(v) {
		p.inline(v)
		p.end(after, trail)
		return
	}
	open, end := "[", "]"
	if keyed(v) {
		open, end = "{", "}"
	}
	p.end(open)
	if keyed(v) {
		for k, l := range keyLeads(v) {
			p.expression(depth+1, l, lang.Part(v, k), "")
		}
	} else {
		for _, e := range elements(nil, v) {
			p.expression(depth+1, lead{}, e, ",")
		}
	}
	p.text(indent, end, after, trail)
}

// conversion is the function around the literal that makes a value of the type.
func conversion(ty cty.Type) (before, after string) {
	switch {
	case ty.IsListType():
		return "tolist(", ")"
	case ty.IsSetType():
		return "toset(", ")"
	case ty.IsMapType():
		return "tomap(", ")"
	}
	return "", ""
}
