package view

import (
	"encoding/json"
	"fmt"
	"io"
	"sort"
	"strings"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
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
		pr.plain(0, name+strings.Repeat(" ", longest-len(name))+" = ", value, "")
	}
	_, err := io.WriteString(w, pr.b.String())
	return err
}

// Value writes one value as HCL would.
func (v View) Value(w io.Writer, value cty.Value) error {
	pr := &printer{view: v}
	pr.plain(0, "", value, "")
	_, err := io.WriteString(w, pr.b.String())
	return err
}

// plain writes a value without the symbols of a diff.
func (p *printer) plain(depth int, lead string, v cty.Value, trail string) {
	indent := strings.Repeat("  ", depth)
	switch {
	case isMultiline(v):
		p.text(indent, lead+"<<-EOT")
		for _, l := range lines(v.AsString()) {
			p.text(indent+"  ", printable(l))
		}
		p.text(indent, "EOT"+trail)
	case !composite(v):
		p.text(indent, lead+inline(v)+trail)
	case keyed(v):
		p.text(indent, lead+"{")
		longest := 0
		for _, k := range keysOf(v) {
			longest = max(longest, columns(keyText(v.Type(), k)))
		}
		for _, k := range keysOf(v) {
			key := keyText(v.Type(), k)
			p.plain(depth+1, key+strings.Repeat(" ", longest-columns(key))+" = ", elem(v, k), "")
		}
		p.text(indent, "}"+trail)
	default:
		p.text(indent, lead+"[")
		for _, e := range elements(v) {
			p.plain(depth+1, "", e, ",")
		}
		p.text(indent, "]"+trail)
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
