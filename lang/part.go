package lang

import (
	"math/big"
	"slices"

	"github.com/zclconf/go-cty/cty"
)

// Absent reports whether there is no value: cty.NilVal, or null. A null with marks is not
// absent: it stands for what was given to a write-only argument.
func Absent(v cty.Value) bool {
	if layoutKnown {
		return raw(v) == nil
	}
	return slowAbsent(v)
}

func slowAbsent(v cty.Value) bool {
	return v == cty.NilVal || !v.IsMarked() && v.IsKnown() && v.IsNull()
}

// Part is an attribute of an object, or an element of a known map without marks of its
// own; cty.NilVal where there is none.
func Part(v cty.Value, name string) cty.Value {
	if parts, ok := raw(v).(map[string]any); ok && layoutKnown {
		if part, ok := parts[name]; ok {
			return fromRaw(partType(v.Type(), name, 0), part)
		}
		return cty.NilVal
	}
	if v == cty.NilVal || v.IsNull() {
		return cty.NilVal
	}
	if v.Type().IsMapType() {
		if k := cty.StringVal(name); v.HasIndex(k).True() {
			return v.Index(k)
		}
		return cty.NilVal
	}
	part, _ := Attribute(v, name)
	return part
}

// AppendKeys appends the keys of a known map without marks of its own, or the names of
// an object's attributes, sorted among themselves.
func AppendKeys(keys []string, v cty.Value) []string {
	n := len(keys)
	switch parts, ok := raw(v).(map[string]any); {
	case v.Type().IsObjectType():
		for k := range v.Type().AttributeTypes() {
			keys = append(keys, k)
		}
	case ok && layoutKnown:
		for k := range parts {
			keys = append(keys, k)
		}
	default:
		for it := v.ElementIterator(); it.Next(); {
			k, _ := it.Element()
			keys = append(keys, k.AsString())
		}
	}
	slices.Sort(keys[n:])
	return keys
}

// AppendElements appends what Elements gives.
func AppendElements(to []cty.Value, v cty.Value) []cty.Value {
	ty := v.Type()
	elems, ok := raw(v).([]any)
	if !ok || !layoutKnown || !ty.IsListType() {
		return append(to, v.AsValueSlice()...)
	}
	to = slices.Grow(to, len(elems))
	for ety := ty.ElementType(); len(elems) > 0; elems = elems[1:] {
		to = append(to, fromRaw(ety, elems[0]))
	}
	return to
}

// Scalar is the string, bool or *big.Float of a known text, bool or number, nil of
// anything else. A number must not be changed.
func Scalar(v cty.Value) any {
	if !layoutKnown {
		return slowScalar(v)
	}
	switch x := raw(v).(type) {
	case string, bool, *big.Float:
		return x
	}
	return nil
}

func slowScalar(v cty.Value) any {
	if v == cty.NilVal || v.IsMarked() || !v.IsKnown() || v.IsNull() {
		return nil
	}
	switch v.Type() {
	case cty.String:
		return v.AsString()
	case cty.Bool:
		return v.True()
	case cty.Number:
		return v.AsBigFloat()
	}
	return nil
}
