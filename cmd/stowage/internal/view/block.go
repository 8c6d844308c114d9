package view

import (
	"bytes"
	"fmt"
	"sort"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/lang/schema"
)

// attribute is one argument of a block; its schema is nil where there is none.
type attribute struct {
	name   string
	schema *schema.Attribute
}

// nested is one type of nested block.
type nested struct {
	name   string
	schema *schema.NestedBlock
}

// parts lists what a block may contain, sorted: by its schema, or without one by the type of its value.
func parts(sch *schema.Block, values ...cty.Value) (attrs []attribute, blocks []nested) {
	if sch == nil {
		seen := map[string]bool{}
		for _, v := range values {
			if v == cty.NilVal || !v.Type().IsObjectType() {
				continue
			}
			for name := range v.Type().AttributeTypes() {
				if !seen[name] {
					attrs = append(attrs, attribute{name: name})
				}
				seen[name] = true
			}
		}
	} else {
		for name, a := range sch.Attributes {
			attrs = append(attrs, attribute{name, a})
		}
		for name, b := range sch.Blocks {
			blocks = append(blocks, nested{name, b})
		}
	}
	sort.Slice(attrs, func(i, j int) bool { return attrs[i].name < attrs[j].name })
	sort.Slice(blocks, func(i, j int) bool { return blocks[i].name < blocks[j].name })
	return attrs, blocks
}

// get is a block's attribute; it is marked when its schema says that it is sensitive.
func (a attribute) get(v cty.Value) cty.Value {
	got := field(v, a.name)
	if got == cty.NilVal {
		return got
	}
	if a.schema != nil && a.schema.Sensitive && !absent(got) {
		got = got.Mark(hidden)
	}
	return got
}

type mark string

const hidden mark = "sensitive by schema"

// isDefault reports whether a value is what the argument is without being written.
func (a attribute) isDefault(v cty.Value) bool {
	if absent(v) {
		return true
	}
	if a.schema == nil || a.schema.Default == cty.NilVal || !usable(v) {
		return false
	}
	return same(v, a.schema.Default)
}

// resolved reports whether an attribute only repeats, in all values of the block,
// the argument that resolves to it: image = "NAME@sha256:…" and the ref that it became.
func (a attribute) resolved(all []attribute, values ...cty.Value) bool {
	for _, other := range all {
		if other.schema == nil || other.schema.Ref == nil || other.schema.Ref.As != a.name {
			continue
		}
		for _, v := range values {
			if !same(other.get(v), a.get(v)) {
				return false
			}
		}
		return true
	}
	return false
}

// attributes writes the arguments that differ. On a side that is absent as a
// whole (create, destroy), arguments at their defaults are left out.
func (p *printer) attributes(depth int, path string, attrs []attribute, before, after cty.Value) {
	oneSided := absent(before) || absent(after)
	type row struct {
		attribute
		before, after cty.Value
	}
	var few [16]row
	rows := few[:0]
	unchanged, longest := 0, 0
	for _, a := range attrs {
		b, n := a.get(before), a.get(after)
		switch {
		case absent(b) && absent(n):
		case a.resolved(attrs, before, after):
		case oneSided && a.isDefault(b) && a.isDefault(n):
		case !oneSided && same(b, n):
			unchanged++
		default:
			rows = append(rows, row{a, b, n})
			longest = max(longest, len(a.name))
		}
	}
	for _, r := range rows {
		name := r.name + strings.Repeat(" ", longest-len(r.name))
		full := join(path, r.name)
		p.value(depth, name+" = ", r.before, r.after, p.forced(full), r.schema)
	}
	if unchanged > 0 {
		p.note(depth, fmt.Sprintf("(%s hidden)", plural(unchanged, "unchanged argument")))
	}
}

// pair is one nested block on both sides.
type pair struct {
	label         string
	before, after cty.Value
}

// blocks writes the nested blocks that differ, as the user writes them.
func (p *printer) blocks(depth int, path string, blocks []nested, before, after cty.Value) {
	unchanged, first := 0, true
	for _, n := range blocks {
		b, a := field(before, n.name), field(after, n.name)
		if whole(a) || whole(b) {
			p.value(depth, n.name+" = ", b, a, p.forced(join(path, n.name)), nil)
			continue
		}
		for i, pr := range n.pairs(b, a) {
			if same(pr.before, pr.after) && !absent(pr.before) {
				unchanged++
				continue
			}
			head, at := n.name, join(path, n.name)
			if pr.label != "" {
				head, at = head+" "+quote(pr.label), at+"."+pr.label
			} else if n.schema.Nesting == schema.List {
				at = fmt.Sprintf("%s[%d]", at, i)
			}
			if first {
				p.gap()
			}
			first = false
			p.block(depth, inner(pr.before, pr.after), head, at, n.body(), pr.before, pr.after)
		}
	}
	if unchanged > 0 {
		p.note(depth, fmt.Sprintf("(%s hidden)", plural(unchanged, "unchanged block")))
	}
}

// gap separates arguments from nested blocks by an empty line, unless the block has just begun.
func (p *printer) gap() {
	if !bytes.HasSuffix(p.b.Bytes(), []byte("{\n")) {
		p.b.WriteByte('\n')
	}
}

func field(v cty.Value, name string) cty.Value {
	if v == cty.NilVal || v.IsNull() {
		return cty.NilVal
	}
	got, _ := lang.Attribute(v, name)
	return got
}

// body is the schema of the block's content. The label is part of the header, not of the content.
func (n nested) body() *schema.Block { return &n.schema.Block }

// pairs matches the blocks of both sides: by label where they have one, else by
// position. Those of the new configuration come first, in its order.
func (n nested) pairs(before, after cty.Value) []pair {
	if n.schema.Nesting == schema.Single {
		if absent(before) && absent(after) {
			return nil
		}
		return []pair{{n.labelOf(after, before), before, after}}
	}
	bs, as := elements(before), elements(after)
	if n.schema.Label == "" {
		var out []pair
		for i := range max(len(bs), len(as)) {
			out = append(out, pair{"", at(bs, i), at(as, i)})
		}
		return out
	}
	var old map[string]cty.Value
	if len(bs) > 0 {
		old = make(map[string]cty.Value, len(bs))
	}
	for _, b := range bs {
		old[n.labelOf(b)] = b
	}
	out := make([]pair, 0, len(as))
	for _, a := range as {
		label := n.labelOf(a)
		out = append(out, pair{label, old[label], a})
		delete(old, label)
	}
	for _, b := range bs {
		if label := n.labelOf(b); old[label] != cty.NilVal {
			out = append(out, pair{label, b, cty.NilVal})
		}
	}
	return out
}

func (n nested) labelOf(values ...cty.Value) string {
	for _, v := range values {
		if l := field(v, n.schema.Label); n.schema.Label != "" && usable(l) && l.Type() == cty.String {
			return l.AsString()
		}
	}
	return ""
}

func elements(v cty.Value) []cty.Value {
	if !usable(v) {
		return nil
	}
	return lang.Elements(v)
}

func at(vs []cty.Value, i int) cty.Value {
	if i < len(vs) {
		return vs[i]
	}
	return cty.NilVal
}
