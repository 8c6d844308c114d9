package view

import (
	"io"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// Expression writes the value of an expression as the language has it, with what
// tells a list, set or map from a tuple or an object.
func (v View) Expression(w io.Writer, value cty.Value) error {
	pr := &printer{view: v}
	pr.expression(0, "", value, "")
	_, err := io.WriteString(w, pr.b.String())
	return err
}

func (p *printer) expression(depth int, lead string, v cty.Value, trail string) {
	indent := strings.Repeat("  ", depth)
	if !usable(v) || !composite(v) {
		if before, after := conversion(v.Type()); before != "" && usable(v) {
			p.text(indent, lead+before+inline(v)+after+trail)
			return
		}
		p.plain(depth, lead, v, trail)
		return
	}
	before, after := conversion(v.Type())
	open, end := "[", "]"
	if keyed(v) {
		open, end = "{", "}"
	}
	p.text(indent, lead+before+open)
	if keyed(v) {
		longest := 0
		for _, k := range keysOf(v) {
			longest = max(longest, columns(keyText(v.Type(), k)))
		}
		for _, k := range keysOf(v) {
			key := keyText(v.Type(), k)
			p.expression(depth+1, key+strings.Repeat(" ", longest-columns(key))+" = ", elem(v, k), "")
		}
	} else {
		for _, e := range elements(v) {
			p.expression(depth+1, "", e, ",")
		}
	}
	p.text(indent, end+after+trail)
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
