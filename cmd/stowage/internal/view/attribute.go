package view

import (
	"fmt"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang/schema"
)

// value writes an argument, or an element of a collection, with what it was and
// what it will be. lead is what stands before the value ("name = " or "").
func (p *printer) value(depth int, lead string, before, after cty.Value, trail string, sch *schema.Attribute) {
	s := inner(before, after)
	if sch != nil && sch.Ref != nil && !sch.Ref.OrString {
		p.reference(depth, s, lead, before, after, trail)
		return
	}
	switch {
	case s == added && composite(after):
		p.collection(depth, s, lead, cty.NilVal, after, trail)
	case s == added && isMultiline(after):
		p.heredoc(depth, s, lead, "", after.AsString(), trail)
	case s == added:
		p.line(depth, s, lead+inline(after)+trail)
	case s == removed && composite(before):
		p.collection(depth, s, lead, before, cty.NilVal, trail)
	case s == removed && isMultiline(before):
		p.heredoc(depth, s, lead, before.AsString(), "", trail)
	case s == removed:
		p.line(depth, s, lead+inline(before)+" -> null"+trail)
	case whole(before) && before.IsMarked() && whole(after) && after.IsMarked():
		p.line(depth, s, lead+sensitiveText+trail)
	case composite(before) && composite(after) && keyed(before) == keyed(after):
		p.collection(depth, s, lead, before, after, trail)
	case usable(before) && usable(after) && (isMultiline(before) || isMultiline(after)) &&
		before.Type() == cty.String && after.Type() == cty.String:
		p.heredoc(depth, s, lead, before.AsString(), after.AsString(), trail)
	default:
		p.line(depth, s, lead+inline(before)+" -> "+inline(after)+trail)
	}
}

// reference writes an argument that refers to another block as the user wrote
// it; a new version of the block is told beside it.
func (p *printer) reference(depth int, s symbol, lead string, before, after cty.Value, trail string) {
	b, a := refText(before), refText(after)
	switch {
	case s == added:
		p.line(depth, s, lead+a+trail)
	case s == removed:
		p.line(depth, s, lead+b+" -> null"+trail)
	case a == b && a != sensitiveText:
		p.line(depth, s, lead+a+trail+p.view.paint("dark_gray", fmt.Sprintf(" # version %s -> %s", versionText(before), versionText(after))))
	default:
		p.line(depth, s, lead+b+" -> "+a+trail)
	}
}

func refText(v cty.Value) string {
	if whole(v) {
		return inline(v)
	}
	if a := field(v, "address"); usable(a) && a.Type() == cty.String {
		return printable(a.AsString())
	}
	return inline(field(v, "address"))
}

func versionText(v cty.Value) string {
	ver := field(v, "version")
	if usable(ver) && ver.Type() == cty.String {
		return printable(ver.AsString())
	}
	return inline(ver)
}

// composite reports whether a value is a collection with something in it, to be written over several lines.
func composite(v cty.Value) bool {
	if !usable(v) {
		return false
	}
	ty := v.Type()
	return (ty.IsCollectionType() || ty.IsObjectType() || ty.IsTupleType()) && v.LengthInt() > 0
}

func keyed(v cty.Value) bool { return v.Type().IsMapType() || v.Type().IsObjectType() }

func (p *printer) collection(depth int, s symbol, lead string, before, after cty.Value, trail string) {
	model := after
	if !composite(model) {
		model = before
	}
	if keyed(model) {
		p.line(depth, s, lead+"{"+trail)
		p.entries(depth+1, before, after)
		p.line(depth, plain, "}"+gone(s, lead))
		return
	}
	p.line(depth, s, lead+"["+trail)
	p.sequence(depth+1, elements(before), elements(after))
	p.line(depth, plain, "]"+gone(s, lead))
}

// gone ends an argument of several lines that is removed.
func gone(s symbol, lead string) string {
	if s == removed && lead != "" {
		return " -> null"
	}
	return ""
}

// entries writes the keys of a map or object that differ.
func (p *printer) entries(depth int, before, after cty.Value) {
	keys := mergeKeys(before, after)
	unchanged, longest := 0, 0
	var show []string
	for _, k := range keys {
		b, a := elem(before, k), elem(after, k)
		switch {
		case absent(a) && absent(b):
		case same(b, a):
			unchanged++
		default:
			show = append(show, k)
			longest = max(longest, columns(p.key(before, after, k)))
		}
	}
	for _, k := range show {
		text := p.key(before, after, k)
		p.value(depth, text+strings.Repeat(" ", longest-columns(text))+" = ", elem(before, k), elem(after, k), "", nil)
	}
	if unchanged > 0 {
		p.note(depth, fmt.Sprintf("(%s hidden)", plural(unchanged, "unchanged element")))
	}
}

func (p *printer) key(before, after cty.Value, k string) string {
	if usable(after) {
		return keyText(after.Type(), k)
	}
	return keyText(before.Type(), k)
}

func mergeKeys(before, after cty.Value) []string {
	var keys []string
	if usable(after) {
		keys = keysOf(after)
	}
	if !usable(before) {
		return keys
	}
	return union(keysOf(before), keys)
}

// union merges two sorted lists.
func union(a, b []string) []string {
	var out []string
	for len(a) > 0 || len(b) > 0 {
		switch {
		case len(b) == 0 || len(a) > 0 && a[0] < b[0]:
			out, a = append(out, a[0]), a[1:]
		case len(a) == 0 || b[0] < a[0]:
			out, b = append(out, b[0]), b[1:]
		default:
			out, a, b = append(out, a[0]), a[1:], b[1:]
		}
	}
	return out
}

// sequence writes the elements of a list that differ, with the unchanged neighbours of each change.
func (p *printer) sequence(depth int, before, after []cty.Value) {
	steps := diff(len(before), len(after), func(i, j int) bool { return same(before[i], after[j]) })
	show := near(steps, 1)
	hiddenCount := 0
	flush := func() {
		if hiddenCount > 0 {
			p.note(depth, fmt.Sprintf("(%s hidden)", plural(hiddenCount, "unchanged element")))
		}
		hiddenCount = 0
	}
	for k, st := range steps {
		if st.op == keep && !show[k] {
			hiddenCount++
			continue
		}
		flush()
		switch st.op {
		case keep:
			p.element(depth, plain, after[st.new])
		case drop:
			p.element(depth, removed, before[st.old])
		case insert:
			p.element(depth, added, after[st.new])
		}
	}
	flush()
}

// element writes one element of a list on one side.
func (p *printer) element(depth int, s symbol, v cty.Value) {
	switch {
	case s == plain:
		p.line(depth, s, inline(v)+",")
	case s == removed && composite(v):
		p.collection(depth, s, "", v, cty.NilVal, "")
	case s == added && composite(v):
		p.collection(depth, s, "", cty.NilVal, v, "")
	case s == added && isMultiline(v):
		p.heredoc(depth, s, "", "", v.AsString(), "")
	case s == removed && isMultiline(v):
		p.heredoc(depth, s, "", v.AsString(), "", "")
	default:
		p.line(depth, s, inline(v)+",")
	}
}

// heredoc writes a string of several lines, and of a change only the lines near it.
func (p *printer) heredoc(depth int, s symbol, lead, before, after, trail string) {
	p.line(depth, s, lead+"<<-EOT"+trail)
	old, now := lines(before), lines(after)
	steps := diff(len(old), len(now), func(i, j int) bool { return old[i] == now[j] })
	show := near(steps, 3)
	skipped := 0
	flush := func() {
		if skipped > 0 {
			p.note(depth+1, fmt.Sprintf("(%s hidden)", plural(skipped, "unchanged line")))
		}
		skipped = 0
	}
	for k, st := range steps {
		if st.op == keep && !show[k] {
			skipped++
			continue
		}
		flush()
		switch {
		case st.op == keep:
			p.line(depth+1, plain, printable(now[st.new]))
		case st.op == drop && s == removed:
			p.line(depth+1, plain, printable(old[st.old]))
		case st.op == drop:
			p.line(depth+1, removed, printable(old[st.old]))
		case s == added:
			p.line(depth+1, plain, printable(now[st.new]))
		default:
			p.line(depth+1, added, printable(now[st.new]))
		}
	}
	flush()
	p.line(depth, plain, "EOT"+gone(s, lead))
}

func lines(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(s, "\n"), "\n")
}
