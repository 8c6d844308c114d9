package view

import (
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"sort"
	"strings"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/stowage-iac/stowage/lang"
)

// Output is an output value.
type Output struct {
	Value     cty.Value
	Sensitive bool
}

// Outputs writes output values, sorted by name; sensitive ones are named only.
func (v View) Outputs(w io.Writer, outputs map[string]Output) error {
	pr := &printer{view: v}
	names := make([]string, 0, len(outputs))
	longest := 0
	for name := range outputs {
		names = append(names, name)
		longest = max(longest, len(name))
	}
	sort.Strings(names)
	for _, name := range names {
		o := outputs[name]
		value := o.Value
		if o.Sensitive {
			value = conceal(value)
		}
		pr.plain(0, lead{name: name, pad: longest - len(name)}, value, "")
	}
	_, err := w.Write(pr.b)
	return err
}

// Value writes one value as HCL would.
func (v View) Value(w io.Writer, value cty.Value) error {
	pr := &printer{view: v}
	pr.plain(0, lead{}, value, "")
	_, err := w.Write(pr.b)
	return err
}

// plain writes a value without the symbols of a diff.
func (p *printer) plain(depth int, l lead, v cty.Value, trail string) {
	indent := strings.Repeat("  ", depth)
	p.write(indent)
	p.b = appendLead(p.b, l)
	switch {
	case isMultiline(v):
		p.end("<<-EOT")
		for _, l := range lines(v.AsString()) {
			p.text(indent, "  ", printable(l))
		}
		p.text(indent, "EOT", trail)
	case !composite(v):
		p.inline(v)
		p.end(trail)
	case keyed(v):
		p.end("{")
		for k, l := range keyLeads(v) {
			p.plain(depth+1, l, lang.Part(v, k), "")
		}
		p.text(indent, "}", trail)
	default:
		p.end("[")
		for _, e := range elements(nil, v) {
			p.plain(depth+1, lead{}, e, ",")
		}
		p.text(indent, "]", trail)
	}
}

// keyLeads are the keys of a known map or object, sorted, each with its lead.
func keyLeads(v cty.Value) iter.Seq2[string, lead] {
	return func(yield func(string, lead) bool) {
		keys, longest := keysOf(v), 0
		for _, k := range keys {
			longest = max(longest, keyLead(v.Type(), k).columns())
		}
		for _, k := range keys {
			l := keyLead(v.Type(), k)
			l.pad = longest - l.columns()
			if !yield(k, l) {
				return
			}
		}
	}
}

type outputJSON struct {
	Sensitive bool            `json:"sensitive"`
	Type      json.RawMessage `json:"type"`
	Value     any             `json:"value"`
}

// OutputsJSON writes output values as one object by name. The value of a
// sensitive output is null.
func OutputsJSON(w io.Writer, outputs map[string]Output) error {
	all, err := outputDocuments(outputs)
	if err != nil {
		return err
	}
	return JSON(w, all)
}

func outputDocuments(outputs map[string]Output) (map[string]outputJSON, error) {
	all := map[string]outputJSON{}
	for name, o := range outputs {
		ty, err := ctyjson.MarshalType(o.Value.Type())
		if err != nil {
			return nil, fmt.Errorf("output %s: %w", name, err)
		}
		j := outputJSON{Sensitive: o.Sensitive || o.Value.IsMarked(), Type: ty}
		if !j.Sensitive {
			j.Value = redacted(o.Value)
		}
		all[name] = j
	}
	return all, nil
}

// JSON writes indented JSON with a line feed; <, > and & stay as they are.
func JSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
