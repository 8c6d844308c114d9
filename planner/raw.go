package planner

import (
	"reflect"
	"unsafe"

	"github.com/zclconf/go-cty/cty"
)

// cty's constructors build an object's type anew, attribute by attribute, for every
// value, and its comparison compares the types on every level before the content:
// together most of the time of a plan without changes. Where the type is known, the
// representations suffice. This relies on the layout of cty.Value, which
// layoutKnown verifies; if a later cty differs, the public way is taken.
type rawValue struct {
	ty cty.Type
	v  any
}

var layoutKnown = func() bool {
	t, r := reflect.TypeFor[cty.Value](), reflect.TypeFor[rawValue]()
	if t.NumField() != 2 || t.Size() != r.Size() {
		return false
	}
	for i := range 2 {
		if t.Field(i).Type != r.Field(i).Type || t.Field(i).Offset != r.Field(i).Offset {
			return false
		}
	}
	object, isMap := raw(cty.ObjectVal(map[string]cty.Value{"a": cty.True, "n": cty.NullVal(cty.String)})).(map[string]any)
	list, isSlice := raw(cty.ListVal([]cty.Value{cty.True})).([]any)
	text, isString := raw(cty.StringVal("s")).(string)
	return isMap && object["a"] == any(true) && object["n"] == nil && isSlice && list[0] == any(true) && isString && text == "s"
}()

// raw is the representation of v, meaningful only together with v's type.
func raw(v cty.Value) any { return (*rawValue)(unsafe.Pointer(&v)).v }

func fromRaw(ty cty.Type, v any) cty.Value {
	r := rawValue{ty: ty, v: v}
	return *(*cty.Value)(unsafe.Pointer(&r))
}
