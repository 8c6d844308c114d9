package lang

import (
	"maps"
	"math/big"
	"reflect"
	"unsafe"

	"github.com/zclconf/go-cty/cty"
)

// cty.ObjectVal builds the object's type, attribute by attribute, with every
// value: 2.3 µs and 3.7 kB for 15 attributes, two thirds of them for a type that
// is the same for all instances of a kind. rawObject and rawList share the type
// instead (0.4 µs, 1.2 kB). They rely on the layout of cty.Value, which
// layoutKnown verifies once; if a later cty differs they take the public way.

type rawValue struct {
	ty cty.Type
	v  any
}

var layoutKnown = func() bool {
	t := reflect.TypeFor[cty.Value]()
	r := reflect.TypeFor[rawValue]()
	if t.NumField() != 2 || t.Size() != r.Size() {
		return false
	}
	for i := range 2 {
		if t.Field(i).Type != r.Field(i).Type || t.Field(i).Offset != r.Field(i).Offset {
			return false
		}
	}
	object := cty.ObjectVal(map[string]cty.Value{"a": cty.True})
	list := cty.ListVal([]cty.Value{cty.True})
	attrs, isMap := raw(object).(map[string]any)
	elems, isSlice := raw(list).([]any)
	return isMap && attrs["a"] == any(true) && isSlice && elems[0] == any(true)
}()

// raw is the representation of v; meaningful only together with v's type.
func raw(v cty.Value) any { return (*rawValue)(unsafe.Pointer(&v)).v }

func fromRaw(ty cty.Type, v any) cty.Value {
	r := rawValue{ty: ty, v: v}
	return *(*cty.Value)(unsafe.Pointer(&r))
}

// attrs collects the attributes of an object whose type is known beforehand.
// Every value must have exactly the type that the object's type gives it.
type attrs struct {
	raw  map[string]any
	slow map[string]cty.Value
}

func newAttrs(n int) attrs {
	if layoutKnown {
		return attrs{raw: make(map[string]any, n)}
	}
	return attrs{slow: make(map[string]cty.Value, n)}
}

func (a attrs) set(name string, v cty.Value) {
	if a.raw != nil {
		a.raw[name] = raw(v)
		return
	}
	a.slow[name] = v
}

func (a attrs) clone() attrs {
	if a.raw != nil {
		return attrs{raw: maps.Clone(a.raw)}
	}
	return attrs{slow: maps.Clone(a.slow)}
}

// object makes the value; a must not be changed afterwards.
func (a attrs) object(ty cty.Type) cty.Value {
	if a.raw != nil {
		return fromRaw(ty, a.raw)
	}
	return cty.ObjectVal(a.slow)
}

// listOf makes a list of type ty of values that all have exactly its element type.
func listOf(ty cty.Type, vals []cty.Value) cty.Value {
	if len(vals) == 0 {
		return cty.ListValEmpty(ty.ElementType())
	}
	if !layoutKnown {
		return cty.ListVal(vals)
	}
	elems := make([]any, len(vals))
	for i, v := range vals {
		elems[i] = raw(v)
	}
	return fromRaw(ty, elems)
}

// Attribute is GetAttr without its detours, of a value that is not null; ok is false if
// it is no object, or its type has no such attribute.
func Attribute(obj cty.Value, name string) (v cty.Value, ok bool) {
	ty := obj.Type()
	if layoutKnown && ty.IsObjectType() {
		aty, found := ty.AttributeTypes()[name]
		if attrs, isMap := raw(obj).(map[string]any); found && isMap {
			return fromRaw(aty, attrs[name]), true
		}
	}
	if !ty.IsObjectType() || !ty.HasAttribute(name) {
		return cty.NilVal, false
	}
	return obj.GetAttr(name), true
}

// Elements are the elements of a known list, set or tuple without marks of its own. An
// ElementIterator makes a decimal number of each element's index besides.
func Elements(v cty.Value) []cty.Value { return AppendElements(nil, v) }

// Attr is an attribute of an object.
type Attr struct {
	Name  string
	Value cty.Value
}

// With returns a known object without marks with some attributes replaced, and of the
// same type where the new values have the types of the old ones: the type is then shared,
// and not built anew for every instance.
func With(obj cty.Value, set ...Attr) cty.Value {
	if !settable(obj, set) {
		m := obj.AsValueMap()
		if m == nil {
			m = make(map[string]cty.Value, len(set))
		}
		for _, a := range set {
			m[a.Name] = a.Value
		}
		return cty.ObjectVal(m)
	}
	attrs := maps.Clone(raw(obj).(map[string]any))
	for i := range set {
		attrs[set[i].Name] = raw(set[i].Value)
	}
	return fromRaw(obj.Type(), attrs)
}

// Overwrite is With of an object that nobody else has (see Instance.Fresh): obj itself is
// changed. It changes nothing and returns false where that is not possible.
func Overwrite(obj cty.Value, set ...Attr) bool {
	if !settable(obj, set) {
		return false
	}
	attrs := raw(obj).(map[string]any)
	for i := range set {
		attrs[set[i].Name] = raw(set[i].Value)
	}
	return true
}

// settable reports whether the attributes can be replaced in obj's representation.
func settable(obj cty.Value, set []Attr) bool {
	if _, isMap := raw(obj).(map[string]any); !layoutKnown || !isMap || !obj.Type().IsObjectType() {
		return false
	}
	types := obj.Type().AttributeTypes()
	for i := range set {
		a := &set[i]
		ty, has := types[a.Name]
		if !has || a.Value == cty.NilVal || !sameType(ty, a.Value.Type()) {
			return false
		}
	}
	return true
}

// WithAttributes is With.
func WithAttributes(obj cty.Value, set map[string]cty.Value) cty.Value {
	list := make([]Attr, 0, len(set))
	for name, v := range set {
		list = append(list, Attr{name, v})
	}
	return With(obj, list...)
}

// Simple is a text, number or bool that is an attribute of a known object, nil when it is
// null or the object's type has no such attribute. ok is false of anything else, and
// where the object or the attribute has marks. It takes one look-up; Attribute takes two.
func Simple(obj cty.Value, name string) (v any, ok bool) {
	attrs, isMap := raw(obj).(map[string]any)
	if !layoutKnown || !isMap || !obj.Type().IsObjectType() {
		return nil, false
	}
	switch v := attrs[name].(type) {
	case nil, string, bool, *big.Float:
		return v, true
	}
	return nil, false
}

// Int64 is a known number without marks that is not null, and whether it is exactly that.
// AsBigFloat makes a copy of it.
func Int64(v cty.Value) (n int64, accuracy big.Accuracy) {
	if f, ok := raw(v).(*big.Float); ok && layoutKnown {
		return f.Int64()
	}
	return v.AsBigFloat().Int64()
}

// Listed are the elements of a list that is an attribute of a known object, none when it
// is null. ok is false of anything else, and where the object or the list has marks.
func Listed(obj cty.Value, name string) (elems []cty.Value, ok bool) {
	attrs, isMap := raw(obj).(map[string]any)
	if !layoutKnown || !isMap || !obj.Type().IsObjectType() {
		return nil, false
	}
	v := attrs[name]
	list, isList := v.([]any)
	switch {
	case !isList:
		return nil, v == nil
	case len(list) == 0:
		return nil, true
	}
	ty := obj.Type().AttributeType(name)
	if !ty.IsListType() {
		return nil, false
	}
	return Elements(fromRaw(ty, v)), true
}

// AllTexts reports whether v is a known list or map of texts, none of them null, unknown or
// marked, and right says so of each with its key, which is "" in a list. They come in no order.
func AllTexts(v cty.Value, right func(key, text string) bool) bool {
	if !layoutKnown {
		return false
	}
	switch x := raw(v).(type) {
	case map[string]any:
		for key, e := range x {
			if text, ok := e.(string); !ok || !right(key, text) {
				return false
			}
		}
		return true
	case []any:
		for _, e := range x {
			if text, ok := e.(string); !ok || !right("", text) {
				return false
			}
		}
		return true
	}
	return false
}
