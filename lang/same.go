package lang

import (
	"math/big"
	"reflect"
	"slices"

	"github.com/zclconf/go-cty/cty"
)

// Same reports whether two values are equal in everything, types, content, marks and
// unknowns: what RawEquals says. RawEquals compares the types on every level before the
// content, most of the time of a plan without changes; Same compares them once, and not
// at all where they are one and the same.
func Same(a, b cty.Value) bool {
	if a == cty.NilVal || b == cty.NilVal {
		return a == b
	}
	if !layoutKnown {
		return a.RawEquals(b)
	}
	if x := raw(a); x != nil { // the representation of a text, number or bool tells its type
		if same, plain := samePlain(x, raw(b)); plain {
			return same
		}
	}
	return sameType(a.Type(), b.Type()) && sameRaw(a.Type(), raw(a), raw(b))
}

// SameBut is Same of two known objects without marks, but for some of their attributes. It
// may be false of others.
func SameBut(a, b cty.Value, but ...string) bool {
	x, ok := raw(a).(map[string]any)
	y, ok2 := raw(b).(map[string]any)
	if !layoutKnown || !ok || !ok2 || len(x) != len(y) || !a.Type().IsObjectType() || !sameType(a.Type(), b.Type()) {
		return false
	}
	for name, v := range x {
		if slices.Contains(but, name) {
			continue
		}
		w := y[name]
		if same, plain := samePlain(v, w); plain && !same || !plain && !sameRaw(partType(a.Type(), name, 0), v, w) {
			return false
		}
	}
	return true
}

// sameType is Equals, at once for types that share the map of an object's attributes.
func sameType(a, b cty.Type) bool {
	switch {
	case a.IsObjectType() && b.IsObjectType() && sharedMap(a.AttributeTypes(), b.AttributeTypes()):
		return len(a.OptionalAttributes()) == 0 && len(b.OptionalAttributes()) == 0 || a.Equals(b)
	case a.IsListType() && b.IsListType():
		return sameType(a.ElementType(), b.ElementType())
	}
	return a.Equals(b)
}

// sharedMap reports whether two maps are surely one and the same.
func sharedMap[V any](a, b map[string]V) bool {
	return reflect.ValueOf(a).Pointer() == reflect.ValueOf(b).Pointer()
}

// sameRaw compares the representations of two values of one type.
func sameRaw(ty cty.Type, x, y any) bool {
	if same, plain := samePlain(x, y); plain {
		return same
	}
	if !ty.IsObjectType() && !ty.IsTupleType() && !ty.IsCollectionType() {
		return fromRaw(ty, x).RawEquals(fromRaw(ty, y))
	}
	switch x := x.(type) {
	case map[string]any:
		y, ok := y.(map[string]any)
		if !ok || len(x) != len(y) {
			return false
		}
		if sharedMap(x, y) {
			return true
		}
		for name, v := range x {
			w, ok := y[name]
			if !ok {
				return false
			}
			if same, plain := samePlain(v, w); plain && !same || !plain && !sameRaw(partType(ty, name, 0), v, w) {
				return false
			}
		}
		return true
	case []any:
		y, ok := y.([]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for i, v := range x {
			if !sameRaw(partType(ty, "", i), v, y[i]) {
				return false
			}
		}
		return true
	}
	return fromRaw(ty, x).RawEquals(fromRaw(ty, y))
}

// Plain reports whether a value is surely known, without marks, and so are all of its
// parts. Of a value that is not it proves nothing: a set, say, is not looked into.
func Plain(v cty.Value) bool { return layoutKnown && plainRaw(raw(v)) }

func plainRaw(x any) bool {
	switch x := x.(type) {
	case nil, string, bool, *big.Float:
		return true
	case map[string]any:
		for _, e := range x {
			if !plainRaw(e) {
				return false
			}
		}
		return true
	case []any:
		for _, e := range x {
			if !plainRaw(e) {
				return false
			}
		}
		return true
	}
	return false
}

// samePlain compares what needs no type: null, texts, numbers and bools.
func samePlain(x, y any) (same, plain bool) {
	switch x := x.(type) {
	case nil:
		return y == nil, true
	case string:
		y, ok := y.(string)
		return ok && x == y, true
	case bool:
		y, ok := y.(bool)
		return ok && x == y, true
	case *big.Float:
		y, ok := y.(*big.Float)
		return ok && x.Cmp(y) == 0, true
	}
	return false, false
}

// partType is the type of an attribute or element that there is.
func partType(ty cty.Type, name string, i int) cty.Type {
	switch {
	case ty.IsObjectType():
		return ty.AttributeTypes()[name]
	case ty.IsTupleType():
		return ty.TupleElementType(i)
	}
	return ty.ElementType()
}

// Types are the types of the blocks' objects, by kind, of the kinds that the
// configuration has blocks of.
func (c *Config) Types() map[string]cty.Type {
	types := map[string]cty.Type{}
	for _, r := range c.Resources {
		types[r.Kind] = r.ty
	}
	return types
}
