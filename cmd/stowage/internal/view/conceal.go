package view

import "github.com/zclconf/go-cty/cty"

// conceal makes a value sensitive as a whole; no value stays none.
func conceal(v cty.Value) cty.Value {
	if absent(v) {
		return v
	}
	return v.Mark(hidden)
}
