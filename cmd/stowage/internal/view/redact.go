package view

import (
	"encoding/json"
	"math/big"

	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/lang/schema"
)

// redacted is a value for JSON, null where it is sensitive or unknown.
func redacted(v cty.Value) any {
	if !usable(v) {
		return nil
	}
	switch ty := v.Type(); {
	case ty == cty.String:
		return v.AsString()
	case ty == cty.Bool:
		return v.True()
	case ty == cty.Number:
		f := v.AsBigFloat()
		if n, exact := f.Int64(); exact == big.Exact && n != 0 { // most are whole, and Text is slow
			return n
		}
		return json.Number(f.Text('f', -1))
	case ty.IsMapType() || ty.IsObjectType():
		m := map[string]any{}
		for _, k := range keysOf(v) {
			m[k] = redacted(lang.Part(v, k))
		}
		return m
	}
	list := []any{}
	for _, e := range elements(nil, v) {
		list = append(list, redacted(e))
	}
	return list
}

// where mirrors a value's structure with true at every place that is, and
// leaves out all else; nil when it is nowhere.
func where(v cty.Value, is func(cty.Value) bool) any {
	if v == cty.NilVal {
		return nil
	}
	if is(v) {
		return true
	}
	if !composite(v) {
		return nil
	}
	if keyed(v) {
		m := map[string]any{}
		for _, k := range keysOf(v) {
			if w := where(lang.Part(v, k), is); w != nil {
				m[k] = w
			}
		}
		if len(m) == 0 {
			return nil
		}
		return m
	}
	var list []any
	found := false
	for _, e := range elements(nil, v) {
		w := where(e, is)
		found = found || w != nil
		list = append(list, w)
	}
	if !found {
		return nil
	}
	return list
}

func isMarked(v cty.Value) bool  { return v.IsMarked() }
func isUnknown(v cty.Value) bool { return !v.IsMarked() && !v.IsKnown() }

// bySchema marks what a schema declares as sensitive, at any depth.
func bySchema(v cty.Value, s *schema.Block) cty.Value {
	if s == nil || !usable(v) || !v.Type().IsObjectType() {
		return v
	}
	m := v.AsValueMap()
	for name, a := range s.Attributes {
		if got, ok := m[name]; ok && a.Sensitive && !got.IsMarked() && !absent(got) {
			m[name] = got.Mark(hidden)
		}
	}
	for name, nb := range s.Blocks {
		got, ok := m[name]
		if !ok || !usable(got) {
			continue
		}
		if nb.Nesting == schema.Single {
			m[name] = bySchema(got, &nb.Block)
			continue
		}
		list := got.AsValueSlice()
		for i := range list {
			list[i] = bySchema(list[i], &nb.Block)
		}
		if len(list) > 0 {
			m[name] = cty.ListVal(list)
		}
	}
	return cty.ObjectVal(m)
}
