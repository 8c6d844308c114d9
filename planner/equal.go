package planner

import (
	"math/big"
	"reflect"

	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang"
)

// same reports whether two values are equal in everything: types, content, marks, unknowns.
func same(a, b cty.Value) bool {
	return a != cty.NilVal && b != cty.NilVal && lang.Same(a, b)
}

// same is what the function same is, for two values of the codec's type.
func (c *codec) same(a, b cty.Value) bool {
	if !layoutKnown || a == cty.NilVal || b == cty.NilVal {
		return same(a, b)
	}
	switch c.compare(raw(a), raw(b)) {
	case yes:
		return true
	case no:
		return false
	}
	return a.RawEquals(b)
}

type answer uint8

const (
	no answer = iota
	yes
	unsure // what is inside of a dynamic value has its type elsewhere
)

// compare compares the representations of two values of the codec's type.
func (c *codec) compare(x, y any) answer {
	if x == nil || y == nil {
		return is(x == nil && y == nil)
	}
	switch x := x.(type) {
	case string:
		if y, ok := y.(string); ok && c.shape == shapeString {
			return is(x == y)
		}
	case bool:
		if y, ok := y.(bool); ok && c.shape == shapeBool {
			return is(x == y)
		}
	case *big.Float:
		if y, ok := y.(*big.Float); ok && c.shape == shapeNumber {
			return is(x.Cmp(y) == 0)
		}
	case map[string]any:
		if y, ok := y.(map[string]any); ok && (c.shape == shapeObject || c.shape == shapeMap) {
			return c.compareMaps(x, y)
		}
	case []any:
		if y, ok := y.([]any); ok && c.shape == shapeList {
			return c.compareLists(x, y)
		}
	}
	if c.dynamic {
		return unsure
	}
	return is(fromRaw(c.ty, x).RawEquals(fromRaw(c.ty, y)))
}

func (c *codec) compareMaps(x, y map[string]any) answer {
	if len(x) != len(y) {
		return no
	}
	if reflect.ValueOf(x).Pointer() == reflect.ValueOf(y).Pointer() && !c.dynamic {
		return yes
	}
	result := yes
	if c.shape == shapeObject {
		for i := range c.attrs {
			a := &c.attrs[i]
			if r := a.compare(x[a.name], y[a.name]); r == no {
				return no
			} else if r == unsure {
				result = unsure
			}
		}
		return result
	}
	for key, xv := range x {
		yv, ok := y[key]
		if !ok {
			return no
		}
		if r := c.elem.compare(xv, yv); r == no {
			return no
		} else if r == unsure {
			result = unsure
		}
	}
	return result
}

func (c *codec) compareLists(x, y []any) answer {
	if len(x) != len(y) {
		return no
	}
	result := yes
	for i := range x {
		if r := c.elem.compare(x[i], y[i]); r == no {
			return no
		} else if r == unsure {
			result = unsure
		}
	}
	return result
}

func is(b bool) answer {
	if b {
		return yes
	}
	return no
}

// known reports whether nothing in a value of the codec's type is unknown.
func (c *codec) known(v cty.Value) bool {
	if !layoutKnown || c.dynamic || v == cty.NilVal {
		return v.IsWhollyKnown()
	}
	return c.knownRaw(raw(v))
}

func (c *codec) knownRaw(x any) bool {
	switch x := x.(type) {
	case nil, string, bool, *big.Float:
		return true
	case map[string]any:
		switch c.shape {
		case shapeObject:
			for i := range c.attrs {
				if a := &c.attrs[i]; !a.knownRaw(x[a.name]) {
					return false
				}
			}
			return true
		case shapeMap:
			for _, e := range x {
				if !c.elem.knownRaw(e) {
					return false
				}
			}
			return true
		}
	case []any:
		if c.shape == shapeList {
			for _, e := range x {
				if !c.elem.knownRaw(e) {
					return false
				}
			}
			return true
		}
	}
	return fromRaw(c.ty, x).IsWhollyKnown()
}
