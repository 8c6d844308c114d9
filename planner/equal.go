package planner

import (
	"reflect"

	"github.com/zclconf/go-cty/cty"
)

// same reports whether two values are equal in everything: types, content, marks, unknowns.
func same(a, b cty.Value) bool {
	if identical(&a, &b) {
		return true
	}
	if a == cty.NilVal || b == cty.NilVal {
		return false
	}
	return a.RawEquals(b)
}

// ctyContent is the index of the field of cty.Value that holds the content, -1 if
// cty was changed: identical then never says yes, which only costs time.
var ctyContent = func() int {
	f, ok := reflect.TypeFor[cty.Value]().FieldByName("v")
	if !ok || f.Type.Kind() != reflect.Interface {
		return -1
	}
	return f.Index[0]
}()

// identical reports whether two values are surely one and the same: they share the
// map of an object. Values are immutable, and comparing 100,000 of them with
// themselves field by field is most of the time of a plan without changes.
func identical(a, b *cty.Value) bool {
	if ctyContent < 0 {
		return false
	}
	x, y := content(a), content(b)
	return x.Kind() == reflect.Map && y.Kind() == reflect.Map && x.Pointer() == y.Pointer() && x.Len() > 0
}

func content(v *cty.Value) reflect.Value {
	return reflect.ValueOf(v).Elem().Field(ctyContent).Elem()
}
