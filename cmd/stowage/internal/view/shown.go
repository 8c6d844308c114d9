package view

import (
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang"
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
	attrs, blocks := p.parts(sch, v)
	type row struct {
		*attribute
		value cty.Value
	}
	var few [16]row
	rows := few[:0]
	longest := 0
	for i := range attrs {
		a := &attrs[i]
		if got := a.get(v); !a.isDefault(got) && !a.repeats(v, got) {
			rows = append(rows, row{a, got})
			longest = max(longest, len(a.name))
		}
	}
	for _, r := range rows {
		l := lead{name: r.name, pad: longest - len(r.name)}
		if r.schema != nil && r.schema.Ref != nil && !r.schema.Ref.OrString {
			p.write(indent, "  ")
			p.lead(l)
			p.end(refText(r.value))
			continue
		}
		p.plain(depth+1, l, r.value, "")
	}
	first := true
	var pairs [4]pair
	for _, n := range blocks {
		for _, pr := range n.pairs(pairs[:0], cty.NilVal, lang.Part(v, n.name)) {
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
