package view

import (
	"slices"
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/lang/schema"
)

// attribute is one argument of a block; its schema is nil where there is none.
type attribute struct {
	name   string
	schema *schema.Attribute
	source int // number of the argument that resolves to it, -1 where there is none
}

// nested is one type of nested block.
type nested struct {
	name   string
	schema *schema.NestedBlock
}

// members are what a block may contain, each sorted by name.
type members struct {
	attrs  []attribute
	blocks []nested
	fields *lang.Fields // attributes and behind them blocks
}

// membersOf lists what a block may contain: by its schema, or without one by the type of its value.
func membersOf(sch *schema.Block, values ...cty.Value) *members {
	m := new(members)
	if sch == nil {
		m.typed(values)
	} else {
		for name, a := range sch.Attributes {
			m.attrs = append(m.attrs, attribute{name: name, schema: a})
		}
		for name, b := range sch.Blocks {
			m.blocks = append(m.blocks, nested{name, b})
		}
	}
	slices.SortFunc(m.attrs, func(a, b attribute) int { return strings.Compare(a.name, b.name) })
	slices.SortFunc(m.blocks, func(a, b nested) int { return strings.Compare(a.name, b.name) })
	var names []string
	for i := range m.attrs {
		a := &m.attrs[i]
		names = append(names, a.name)
		a.source = slices.IndexFunc(m.attrs, func(o attribute) bool {
			return o.schema != nil && o.schema.Ref != nil && o.schema.Ref.As == a.name
		})
	}
	for _, n := range m.blocks {
		names = append(names, n.name)
	}
	m.fields = lang.NewFields(names)
	return m
}

// typed adds the attributes of the objects among some values.
func (m *members) typed(values []cty.Value) {
	seen := map[string]bool{}
	for _, v := range values {
		if v == cty.NilVal || !v.Type().IsObjectType() {
			continue
		}
		for name := range v.Type().AttributeTypes() {
			if !seen[name] {
				m.attrs = append(m.attrs, attribute{name: name})
			}
			seen[name] = true
		}
	}
}

// members are what a block may contain; a schema is looked into once.
func (p *printer) members(sch *schema.Block, values ...cty.Value) *members {
	if sch == nil {
		return membersOf(nil, values...)
	}
	m := p.known[sch]
	if m == nil {
		m = membersOf(sch)
		if p.known == nil {
			p.known = map[*schema.Block]*members{}
		}
		p.known[sch] = m
	}
	return m
}

// room is enough for the members of most blocks.
type room [24]cty.Value

// of reads the members of a block, the attributes first. What the schema calls
// sensitive is marked.
func (r *room) of(m *members, block cty.Value) []cty.Value {
	n := len(m.attrs) + len(m.blocks)
	values := slices.Grow(r[:0], n)[:n]
	if absent(block) {
		return values
	}
	m.fields.Read(values, block)
	for i, a := range m.attrs {
		if a.schema != nil && a.schema.Sensitive && !absent(values[i]) {
			values[i] = values[i].Mark(hidden)
		}
	}
	return values
}

type mark string

const hidden mark = "sensitive by schema"

// isDefault reports whether a value is what the argument is without being written.
func (a *attribute) isDefault(v cty.Value) bool {
	if absent(v) {
		return true
	}
	if a.schema == nil || a.schema.Default == cty.NilVal || !usable(v) {
		return false
	}
	return same(v, a.schema.Default)
}

// repeats reports whether an attribute only repeats the argument that resolves to
// it: image = "NAME@sha256:…" and the ref that it became.
func (a *attribute) repeats(values []cty.Value, number int) bool {
	return a.source >= 0 && same(values[a.source], values[number])
}

// attributes writes the arguments that differ. On a side that is absent as a
// whole (create, destroy), arguments at their defaults are left out.
func (p *printer) attributes(depth int, path string, attrs []attribute, before, after []cty.Value, oneSided bool) {
	var few [16]int
	show := few[:0]
	unchanged, longest := 0, 0
	for i := range attrs {
		a, b, n := &attrs[i], before[i], after[i]
		switch {
		case absent(b) && absent(n):
		case a.repeats(before, i) && a.repeats(after, i):
		case oneSided && a.isDefault(b) && a.isDefault(n):
		case !oneSided && same(b, n):
			unchanged++
		default:
			show = append(show, i)
			longest = max(longest, len(a.name))
		}
	}
	for _, i := range show {
		a := &attrs[i]
		l := lead{name: a.name, pad: longest - len(a.name)}
		p.value(depth, l, before[i], after[i], p.forced(p.path(path, a.name)), a.schema)
	}
	p.hidden(depth, unchanged, "unchanged argument")
}

// pair is one nested block on both sides.
type pair struct {
	label         string
	before, after cty.Value
}

// blocks writes the nested blocks that differ, as the user writes them.
func (p *printer) blocks(depth int, path string, blocks []nested, before, after []cty.Value) {
	unchanged, first := 0, true
	var few [4]pair
	for i, n := range blocks {
		b, a := before[i], after[i]
		if whole(a) || whole(b) {
			p.value(depth, lead{name: n.name}, b, a, p.forced(p.path(path, n.name)), nil)
			continue
		}
		for i, pr := range n.pairs(few[:0], b, a) {
			if !absent(pr.before) && same(pr.before, pr.after) {
				unchanged++
				continue
			}
			if first {
				p.gap()
			}
			first = false
			h := head{n.name, pr.label}
			p.block(depth, inner(pr.before, pr.after), h, p.pathOf(path, h, n.schema.Nesting, i), n.body(), pr.before, pr.after)
		}
	}
	p.hidden(depth, unchanged, "unchanged block")
}

// pathOf is the path of a nested block, by its label or, in a list, its number; "" where nobody asks for paths.
func (p *printer) pathOf(block string, h head, nesting schema.Nesting, number int) string {
	at := p.path(block, h.kind)
	switch {
	case at == "":
	case h.label != "":
		at += "." + h.label
	case nesting == schema.List:
		at += "[" + strconv.Itoa(number) + "]"
	}
	return at
}

// body is the schema of the block's content. The label is part of the header, not of the content.
func (n nested) body() *schema.Block { return &n.schema.Block }

// pairs appends the blocks of both sides in pairs: by label where they have one, else
// by position. Those of the new configuration come first, in its order.
func (n nested) pairs(to []pair, before, after cty.Value) []pair {
	if n.schema.Nesting == schema.Single {
		if absent(before) && absent(after) {
			return to
		}
		return append(to, pair{n.labelOf(after, before), before, after})
	}
	var few, some [4]cty.Value
	bs, as := elements(few[:0], before), elements(some[:0], after)
	switch {
	case n.schema.Label == "":
		for i := range max(len(bs), len(as)) {
			to = append(to, pair{"", at(bs, i), at(as, i)})
		}
		return to
	case len(as) == 0:
		for _, b := range bs {
			to = append(to, pair{n.labelOf(b), b, cty.NilVal})
		}
		return to
	case len(bs) == 0:
		for _, a := range as {
			to = append(to, pair{n.labelOf(a), cty.NilVal, a})
		}
		return to
	}
	old := make(map[string]cty.Value, len(bs))
	for _, b := range bs {
		old[n.labelOf(b)] = b
	}
	for _, a := range as {
		label := n.labelOf(a)
		to = append(to, pair{label, old[label], a})
		delete(old, label)
	}
	for _, b := range bs {
		if label := n.labelOf(b); old[label] != cty.NilVal {
			to = append(to, pair{label, b, cty.NilVal})
		}
	}
	return to
}

func (n nested) labelOf(values ...cty.Value) string {
	if n.schema.Label == "" {
		return ""
	}
	for _, v := range values {
		if l := lang.Part(v, n.schema.Label); usable(l) && l.Type() == cty.String {
			return l.AsString()
		}
	}
	return ""
}

// elements appends the elements of a list, set or tuple that may be looked at.
func elements(to []cty.Value, v cty.Value) []cty.Value {
	if !usable(v) {
		return to
	}
	return lang.AppendElements(to, v)
}

func at(vs []cty.Value, i int) cty.Value {
	if i < len(vs) {
		return vs[i]
	}
	return cty.NilVal
}
