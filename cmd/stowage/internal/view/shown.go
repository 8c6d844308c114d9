package view

import (
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang/schema"
)

// shown writes a block as it is, without the symbols of a diff: everything
// that is set and not at its default.
func (p *printer) shown(depth int, h head, v cty.Value, sch *schema.Block) {
	indent := strings.Repeat("  ", depth)
	p.write(indent)
	p.head(h)
	if whole(v) {
		p.end(" { ", sensitiveText, " }")
		return
	}
	empty := len(p.b)
	p.end(" {")
	body := len(p.b)
	m := p.members(sch, v)
	var r room
	values, longest := r.of(m, v), 0
	var show []int
	for i := range m.attrs {
		if a := &m.attrs[i]; !a.isDefault(values[i]) && !a.repeats(values, i) {
			show = append(show, i)
			longest = max(longest, len(a.name))
		}
	}
	for _, i := range show {
		a := &m.attrs[i]
		l := lead{name: a.name, pad: longest - len(a.name)}
		if a.schema != nil && a.schema.Ref != nil && !a.schema.Ref.OrString {
			p.write(indent, "  ")
			p.b = appendLead(p.b, l)
			p.end(refText(values[i]))
			continue
		}
		p.plain(depth+1, l, values[i], "")
	}
	first := true
	var pairs [4]pair
	for i, n := range m.blocks {
		for _, pr := range n.pairs(pairs[:0], cty.NilVal, values[len(m.attrs)+i]) {
			if first {
				p.gap()
			}
			first = false
			p.shown(depth+1, head{n.name, pr.label}, pr.after, n.body())
		}
	}
	if len(p.b) == body {
		p.b = p.b[:empty]
		p.end(" {}")
		return
	}
	p.text(indent, "}")
}
