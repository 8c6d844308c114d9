package view

import (
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang/schema"
)

// shown writes a block as it is, without the symbols of a diff: everything
// that is set and not at its default.
func (p *printer) shown(depth int, head string, v cty.Value, sch *schema.Block) {
	indent := strings.Repeat("  ", depth)
	if whole(v) {
		p.text(indent, head+" { "+sensitiveText+" }")
		return
	}
	start := p.b.Len()
	p.text(indent, head+" {")
	body := p.b.Len()
	attrs, blocks := parts(sch, v)
	longest := 0
	var show []attribute
	for _, a := range attrs {
		if !a.isDefault(a.get(v)) && !a.resolved(attrs, v) {
			show = append(show, a)
			longest = max(longest, len(a.name))
		}
	}
	for _, a := range show {
		lead := a.name + strings.Repeat(" ", longest-len(a.name)) + " = "
		if a.schema != nil && a.schema.Ref != nil && !a.schema.Ref.OrString {
			p.text(indent+"  ", lead+refText(a.get(v)))
			continue
		}
		p.plain(depth+1, lead, a.get(v), "")
	}
	first := true
	for _, n := range blocks {
		for _, pr := range n.pairs(cty.NilVal, field(v, n.name)) {
			if first {
				p.gap()
			}
			first = false
			title := n.name
			if pr.label != "" {
				title += " " + quote(pr.label)
			}
			p.shown(depth+1, title, pr.after, n.body())
		}
	}
	if p.b.Len() == body {
		p.rewind(start)
		p.text(indent, head+" {}")
		return
	}
	p.text(indent, "}")
}
