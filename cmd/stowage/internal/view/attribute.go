package view

import (
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/lang/schema"
)

// value writes an argument, or an element of a collection, with what it was and
// what it will be.
func (p *printer) value(depth int, l lead, before, after cty.Value, trail string, sch *schema.Attribute) {
	s := inner(before, after)
	if sch != nil && sch.Ref != nil && !sch.Ref.OrString {
		p.reference(depth, s, l, before, after, trail)
		return
	}
	switch {
	case s == added:
		p.side(depth, s, l, after, trail)
	case s == removed:
		p.side(depth, s, l, before, trail)
	case whole(before) && before.IsMarked() && whole(after) && after.IsMarked():
		p.begin(depth, s, l)
		p.end(sensitiveText, trail)
	case composite(before) && composite(after) && keyed(before) == keyed(after):
		p.collection(depth, s, l, before, after, trail)
	case usable(before) && usable(after) && (isMultiline(before) || isMultiline(after)) &&
		before.Type() == cty.String && after.Type() == cty.String:
		p.heredoc(depth, s, l, before.AsString(), after.AsString(), trail)
	default:
		p.begin(depth, s, l)
		p.inline(before)
		p.write(" -> ")
		p.inline(after)
		p.end(trail)
	}
}

// side writes an argument that is only there before, or only after.
func (p *printer) side(depth int, s symbol, l lead, v cty.Value, trail string) {
	if p.tall(depth, s, l, v, trail) {
		return
	}
	p.begin(depth, s, l)
	p.inline(v)
	p.end(gone(s, l), trail)
}

// tall writes a value of one side if it takes several lines, and reports whether it does.
func (p *printer) tall(depth int, s symbol, l lead, v cty.Value, trail string) bool {
	switch text := lang.Scalar(v).(type) {
	case nil:
		switch {
		case !composite(v):
			return false
		case s == removed:
			p.collection(depth, s, l, v, cty.NilVal, trail)
		default:
			p.collection(depth, s, l, cty.NilVal, v, trail)
		}
	case string:
		switch {
		case !severalLines(text):
			return false
		case s == removed:
			p.heredoc(depth, s, l, text, "", trail)
		default:
			p.heredoc(depth, s, l, "", text, trail)
		}
	default:
		return false
	}
	return true
}

// gone ends an argument that is removed.
func gone(s symbol, l lead) string {
	if s == removed && l != (lead{}) {
		return " -> null"
	}
	return ""
}

// reference writes an argument that refers to another block as the user wrote
// it; a new version of the block is told beside it.
func (p *printer) reference(depth int, s symbol, l lead, before, after cty.Value, trail string) {
	b, a := refText(before), refText(after)
	p.begin(depth, s, l)
	switch {
	case s == added:
		p.end(a, trail)
	case s == removed:
		p.end(b, " -> null", trail)
	case a == b && a != sensitiveText:
		p.write(a, trail)
		p.paint("dark_gray", " # version ", versionText(before), " -> ", versionText(after))
		p.end()
	default:
		p.end(b, " -> ", a, trail)
	}
}

func refText(v cty.Value) string {
	if whole(v) {
		return inline(v)
	}
	if a := lang.Part(v, "address"); usable(a) && a.Type() == cty.String {
		return printable(a.AsString())
	}
	return inline(lang.Part(v, "address"))
}

func versionText(v cty.Value) string {
	ver := lang.Part(v, "version")
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

func (p *printer) collection(depth int, s symbol, l lead, before, after cty.Value, trail string) {
	model := after
	if !composite(model) {
		model = before
	}
	open, end := "[", "]"
	if keyed(model) {
		open, end = "{", "}"
	}
	p.begin(depth, s, l)
	p.end(open, trail)
	if keyed(model) {
		p.entries(depth+1, before, after)
	} else {
		var few, some [8]cty.Value
		p.sequence(depth+1, elements(few[:0], before), elements(some[:0], after))
	}
	p.line(depth, plain, end, gone(s, l))
}

// entries writes the keys of a map or object that differ.
func (p *printer) entries(depth int, before, after cty.Value) {
	type row struct {
		lead
		before, after cty.Value
	}
	var few [8]row
	rows := few[:0]
	model := after
	if !usable(after) {
		model = before
	}
	unchanged, longest := 0, 0
	var keys [8]string
	for _, k := range mergeKeys(keys[:0], before, after) {
		b, a := lang.Part(before, k), lang.Part(after, k)
		switch {
		case absent(a) && absent(b):
		case same(b, a):
			unchanged++
		default:
			r := row{keyLead(model.Type(), k), b, a}
			r.pad = r.columns()
			rows = append(rows, r)
			longest = max(longest, r.pad)
		}
	}
	for _, r := range rows {
		r.pad = longest - r.pad
		p.value(depth, r.lead, r.before, r.after, "", nil)
	}
	p.hidden(depth, unchanged, "unchanged element")
}

// mergeKeys appends the keys of one or two maps or objects, sorted.
func mergeKeys(to []string, before, after cty.Value) []string {
	switch {
	case !usable(before) && !usable(after):
		return to
	case !usable(before):
		return lang.AppendKeys(to, after)
	case !usable(after):
		return lang.AppendKeys(to, before)
	}
	to = lang.AppendKeys(lang.AppendKeys(to, before), after)
	slices.Sort(to)
	return slices.Compact(to)
}

// sequence writes the elements of a list that differ, with the unchanged neighbours of each change.
func (p *printer) sequence(depth int, before, after []cty.Value) {
	if len(before) == 0 || len(after) == 0 {
		for _, v := range before {
			p.element(depth, removed, v)
		}
		for _, v := range after {
			p.element(depth, added, v)
		}
		return
	}
	steps := diff(len(before), len(after), func(i, j int) bool { return same(before[i], after[j]) })
	show := near(steps, 1)
	unchanged := 0
	for k, st := range steps {
		if st.op == keep && !show[k] {
			unchanged++
			continue
		}
		p.hidden(depth, unchanged, "unchanged element")
		unchanged = 0
		switch st.op {
		case keep:
			p.element(depth, plain, after[st.new])
		case drop:
			p.element(depth, removed, before[st.old])
		case insert:
			p.element(depth, added, after[st.new])
		}
	}
	p.hidden(depth, unchanged, "unchanged element")
}

// element writes one element of a list on one side.
func (p *printer) element(depth int, s symbol, v cty.Value) {
	if s != plain && p.tall(depth, s, lead{}, v, "") {
		return
	}
	p.begin(depth, s, lead{})
	p.inline(v)
	p.end(",")
}

// heredoc writes a string of several lines, and of a change only the lines near it.
func (p *printer) heredoc(depth int, s symbol, l lead, before, after, trail string) {
	p.begin(depth, s, l)
	p.end("<<-EOT", trail)
	old, now := lines(before), lines(after)
	steps := diff(len(old), len(now), func(i, j int) bool { return old[i] == now[j] })
	show := near(steps, 3)
	unchanged := 0
	for k, st := range steps {
		if st.op == keep && !show[k] {
			unchanged++
			continue
		}
		p.hidden(depth+1, unchanged, "unchanged line")
		unchanged = 0
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
	p.hidden(depth+1, unchanged, "unchanged line")
	p.line(depth, plain, "EOT", gone(s, l))
}

func lines(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(s, "\n"), "\n")
}
