package functions

import (
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/stowage-iac/stowage/lang/numbers"
)

// Convert is convert.Convert in time linear in the elements of a tuple or an object
// that becomes a list, set or map: cty looks for the common type of all elements by
// comparing each with each, even where it is given or all have the same.
// Numbers that are made of texts are within the bounds of the package numbers.
func Convert(v cty.Value, ty cty.Type) (cty.Value, error) {
	return numbers.Bounded(v, ty, linear)
}

func linear(v cty.Value, ty cty.Type) (cty.Value, error) {
	from := v.Type()
	wide := from.IsTupleType() && (ty.IsListType() || ty.IsSetType()) || from.IsObjectType() && ty.IsMapType()
	if !wide || v.IsMarked() || !v.IsKnown() || v.IsNull() || v.LengthInt() < wideEnough {
		return convert.Convert(v, ty)
	}
	elem := ty.ElementType()
	if elem.HasDynamicTypes() {
		if elem = commonType(v); elem == cty.NilType {
			return convert.Convert(v, ty)
		}
	}
	if ty.IsMapType() {
		m := v.AsValueMap()
		for name, e := range m {
			c, err := linear(e, elem)
			if err != nil {
				return convert.Convert(v, ty) // its error names the element
			}
			m[name] = c
		}
		return cty.MapVal(m), nil
	}
	list := v.AsValueSlice()
	for i, e := range list {
		c, err := linear(e, elem)
		if err != nil {
			return convert.Convert(v, ty) // its error is about the whole
		}
		list[i] = c
	}
	if ty.IsSetType() {
		return cty.SetVal(list), nil
	}
	return cty.ListVal(list), nil
}

// wideEnough is from how many elements on the difference is worth anything.
const wideEnough = 64

// commonType is the type of all elements, cty.NilType where they differ.
func commonType(v cty.Value) cty.Type {
	common := cty.NilType
	for it := v.ElementIterator(); it.Next(); {
		_, e := it.Element()
		ty := e.Type()
		switch {
		case ty.HasDynamicTypes() || ty.IsObjectType() || ty.IsTupleType():
			return cty.NilType
		case common == cty.NilType:
			common = ty
		case !common.Equals(ty):
			return cty.NilType
		}
	}
	return common
}
