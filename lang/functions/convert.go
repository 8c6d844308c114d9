package functions

import (
	"fmt"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"

	"github.com/stowage-iac/stowage/lang/numbers"
)

// Convert is convert.Convert in time linear in the elements of a tuple or an object
// that becomes a list, set or map: cty looks for the common type of all elements by
// comparing each with each, even where it is given or all have the same.
// Numbers that are made of texts are within the bounds of the package numbers. A set that
// would take minutes to make is an error.
func Convert(v cty.Value, ty cty.Type) (cty.Value, error) {
	if err := crowd(v, ty); err != nil {
		return cty.UnknownVal(ty), err
	}
	return numbers.Bounded(v, ty, linear)
}

func linear(v cty.Value, ty cty.Type) (cty.Value, error) {
	if !isWide(v, ty) {
		return settled(v, ty)
	}
	elem := ty.ElementType()
	if elem == cty.DynamicPseudoType {
		var err error
		if elem, err = commonType(v); err != nil {
			return cty.UnknownVal(ty), err
		} else if elem == cty.NilType {
			return settled(v, ty)
		}
	} else if elem.HasDynamicTypes() {
		return settled(v, ty)
	}
	if ty.IsMapType() {
		m := v.AsValueMap()
		for name, e := range m {
			c, err := linear(e, elem)
			if err != nil {
				return settled(v, ty) // its error names the element
			}
			m[name] = c
		}
		return cty.MapVal(m), nil
	}
	list := v.AsValueSlice()
	for i, e := range list {
		c, err := linear(e, elem)
		if err != nil {
			return settled(v, ty) // its error is about the whole
		}
		list[i] = c
	}
	if ty.IsSetType() {
		return cty.SetVal(list), nil
	}
	return cty.ListVal(list), nil
}

// settled is convert.Convert, which leaves the elements of a set alone if it has unknown
// ones and becomes a list: set(number) becomes an unknown list(number) where list(string)
// is asked for. Converted once more it is what it should be.
func settled(v cty.Value, ty cty.Type) (cty.Value, error) {
	got, err := numbers.Caught(v, ty)
	if err != nil || got.Type().Equals(ty) || ty.HasDynamicTypes() || got.Type().Equals(ty.WithoutOptionalAttributesDeep()) {
		return got, err
	}
	return numbers.Caught(got, ty)
}

// isWide reports whether v is a tuple or an object of many elements that becomes a
// list, set or map.
func isWide(v cty.Value, ty cty.Type) bool {
	from := v.Type()
	wide := from.IsTupleType() && (ty.IsListType() || ty.IsSetType()) || from.IsObjectType() && ty.IsMapType()
	return wide && !v.IsMarked() && v.IsKnown() && !v.IsNull() && v.LengthInt() >= wideEnough
}

// wideEnough is from how many elements on the difference is worth anything.
const wideEnough = 64

// maxTypes is how many types the elements of one list may have: what is common to
// them is found by comparing each with each.
const maxTypes = 1000

// commonType is the type to which all elements can be converted, cty.NilType where
// there is none, or cty has to find it.
func commonType(v cty.Value) (cty.Type, error) {
	var types []cty.Type
	seen := map[string]bool{}
	last := cty.NilType
	for it := v.ElementIterator(); it.Next(); {
		_, e := it.Element()
		ty := e.Type()
		if last != cty.NilType && ty.Equals(last) {
			continue
		}
		if ty.HasDynamicTypes() {
			return cty.NilType, nil
		}
		last = ty
		if name := ty.GoString(); !seen[name] {
			seen[name] = true
			if types = append(types, ty); len(types) > maxTypes {
				return cty.NilType, fmt.Errorf("its elements have more than %d types", maxTypes)
			}
		}
	}
	return unified(types), nil
}

// unified is the type to which all types can be converted, or cty.NilType.
func unified(types []cty.Type) cty.Type {
	if len(types) == 1 {
		return types[0]
	}
	ty, _ := convert.UnifyUnsafe(types)
	return ty
}

// narrowed is a wide tuple as the list that it can be converted to, and any other value
// as it is. What looks for the common type of its elements finds it at once then.
func narrowed(v cty.Value) (cty.Value, error) {
	if !isWide(v, cty.List(cty.DynamicPseudoType)) {
		return v, nil
	}
	ty, err := commonType(v)
	if err != nil || ty == cty.NilType {
		return v, err
	}
	list, err := linear(v, cty.List(ty))
	if err != nil {
		return v, nil // who converts it says why
	}
	return list, nil
}

// toFunc is a function that converts to a list, set or map of any elements.
func toFunc(want cty.Type) function.Function {
	to := stdlib.MakeToFunc(want)
	return function.New(&function.Spec{
		Params: to.Params(),
		Type: func(args []cty.Value) (cty.Type, error) {
			if isWide(args[0], want) {
				if ty, err := commonType(args[0]); err != nil {
					return cty.NilType, function.NewArgError(0, err)
				} else if ty != cty.NilType {
					return want, nil
				}
			}
			return to.ReturnTypeForValues(args)
		},
		Impl: func(args []cty.Value, ty cty.Type) (cty.Value, error) {
			if isWide(args[0], want) {
				if v, err := linear(args[0], want); err == nil {
					return v, nil
				}
			}
			return to.Call(args)
		},
	})
}
