package functions

import (
	"errors"
	"fmt"
	"math/big"
	"sort"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"

	"github.com/stowage-iac/stowage/lang/numbers"
)

var allTrueFunc = boolsFunc(true)
var anyTrueFunc = boolsFunc(false)

// boolsFunc returns all from an empty list, and !all as soon as one element is that.
func boolsFunc(all bool) function.Function {
	return function.New(&function.Spec{
		Params:       []function.Parameter{param("list", cty.List(cty.Bool))},
		Type:         function.StaticReturnType(cty.Bool),
		RefineResult: notNull,
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			unknown := false
			for it := args[0].ElementIterator(); it.Next(); {
				_, v := it.Element()
				switch {
				case !v.IsKnown():
					unknown = true
				case v.IsNull():
					if all {
						return cty.False, nil
					}
				case v.True() != all:
					return cty.BoolVal(!all), nil
				}
			}
			if unknown {
				return cty.UnknownVal(cty.Bool), nil
			}
			return cty.BoolVal(all), nil
		},
	})
}

var coalesceFunc = function.New(&function.Spec{
	VarParam: &function.Parameter{
		Name: "values", Type: cty.DynamicPseudoType, AllowUnknown: true, AllowDynamicType: true, AllowNull: true,
	},
	Type: func(args []cty.Value) (cty.Type, error) {
		if len(args) == 0 {
			return cty.NilType, errors.New("at least one argument is needed")
		}
		var types []cty.Type
		for _, v := range args {
			if n := len(types); n == 0 || !v.Type().Equals(types[n-1]) {
				types = append(types, v.Type())
			}
		}
		if len(types) > maxTypes {
			return cty.NilType, fmt.Errorf("more than %d changes of type from argument to argument", maxTypes)
		}
		ty := unified(types)
		if ty == cty.NilType {
			return cty.NilType, errors.New("all arguments must have the same type")
		}
		return ty, nil
	},
	Impl: func(args []cty.Value, ty cty.Type) (cty.Value, error) {
		for i, v := range args {
			v, err := Convert(v, ty)
			if err != nil {
				return cty.NilVal, function.NewArgError(i, err)
			}
			if !v.IsKnown() {
				return cty.UnknownVal(ty), nil
			}
			if v.IsNull() || ty == cty.String && v.AsString() == "" {
				continue
			}
			return v, nil
		}
		return cty.NilVal, errors.New("all arguments are null or empty")
	},
})

var indexFunc = function.New(&function.Spec{
	Params:       []function.Parameter{param("list", cty.DynamicPseudoType), param("value", cty.DynamicPseudoType)},
	Type:         function.StaticReturnType(cty.Number),
	RefineResult: notNull,
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		unknown := cty.UnknownVal(cty.Number)
		if ty := args[0].Type(); !ty.IsListType() && !ty.IsTupleType() {
			return unknown, function.NewArgErrorf(0, "a list is needed")
		}
		for it := args[0].ElementIterator(); it.Next(); {
			i, v := it.Element()
			eq, err := stdlib.Equal(v, args[1])
			if err != nil {
				continue
			}
			if !eq.IsKnown() {
				return unknown, nil
			}
			if eq.True() {
				return i, nil
			}
		}
		return unknown, errors.New("the list does not hold the value")
	},
})

var lengthFunc = function.New(&function.Spec{
	Params: []function.Parameter{{
		Name: "value", Type: cty.DynamicPseudoType, AllowUnknown: true, AllowDynamicType: true,
	}},
	Type: func(args []cty.Value) (cty.Type, error) {
		ty := args[0].Type()
		if ty == cty.String || ty == cty.DynamicPseudoType || ty.IsCollectionType() || ty.IsTupleType() || ty.IsObjectType() {
			return cty.Number, nil
		}
		return cty.NilType, function.NewArgErrorf(0, "a string or a collection is needed")
	},
	RefineResult: notNull,
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		v := args[0]
		switch ty := v.Type(); {
		case ty == cty.DynamicPseudoType:
			return cty.UnknownVal(cty.Number), nil
		case ty.IsTupleType():
			return cty.NumberIntVal(int64(len(ty.TupleElementTypes()))), nil
		case ty.IsObjectType():
			return cty.NumberIntVal(int64(len(ty.AttributeTypes()))), nil
		case ty == cty.String:
			return stdlib.Strlen(v)
		}
		return v.Length(), nil
	},
})

var lookupFunc = function.New(&function.Spec{
	Params: []function.Parameter{
		{Name: "map", Type: cty.DynamicPseudoType, AllowMarked: true},
		{Name: "key", Type: cty.String, AllowMarked: true},
	},
	VarParam: &function.Parameter{Name: "default", Type: cty.DynamicPseudoType, AllowUnknown: true, AllowDynamicType: true, AllowNull: true, AllowMarked: true},
	Type: func(args []cty.Value) (cty.Type, error) {
		m, _ := args[0].Unmark()
		ty := m.Type()
		switch {
		case len(args) > 3:
			return cty.NilType, fmt.Errorf("at most three arguments are possible")
		case ty.IsMapType():
			if len(args) == 3 {
				if _, err := numbers.Convert(args[2], ty.ElementType()); err != nil {
					return cty.NilType, function.NewArgErrorf(2, "the default must have the type of the map's entries: %s", err)
				}
			}
			return ty.ElementType(), nil
		case ty.IsObjectType():
			key, _ := args[1].Unmark()
			if !key.IsKnown() {
				return cty.DynamicPseudoType, nil
			}
			if ty.HasAttribute(key.AsString()) {
				return ty.AttributeType(key.AsString()), nil
			}
			if len(args) == 3 {
				return args[2].Type(), nil
			}
			return cty.DynamicPseudoType, nil
		}
		return cty.NilType, function.NewArgErrorf(0, "a map or an object is needed")
	},
	Impl: func(args []cty.Value, ty cty.Type) (cty.Value, error) {
		m, marks := args[0].Unmark()
		key, keyMarks := args[1].Unmark()
		if !m.IsKnown() || !key.IsKnown() {
			return cty.UnknownVal(ty).WithMarks(marks, keyMarks), nil
		}
		name := key.AsString()
		switch {
		case m.Type().IsObjectType() && m.Type().HasAttribute(name):
			return m.GetAttr(name).WithMarks(marks, keyMarks), nil
		case m.Type().IsMapType() && m.HasIndex(key).True():
			return m.Index(key).WithMarks(marks, keyMarks), nil
		case len(args) == 3:
			v, err := numbers.Convert(args[2], ty)
			if err != nil {
				return cty.UnknownVal(ty), function.NewArgError(2, err)
			}
			return v.WithMarks(marks, keyMarks), nil
		}
		return cty.UnknownVal(ty), errors.New("the map has no such key, and no default is given")
	},
})

var matchKeysFunc = function.New(&function.Spec{
	Params: []function.Parameter{
		param("values", cty.List(cty.DynamicPseudoType)),
		param("keys", cty.List(cty.DynamicPseudoType)),
		param("search", cty.List(cty.DynamicPseudoType)),
	},
	Type: func(args []cty.Value) (cty.Type, error) {
		return args[0].Type(), nil
	},
	RefineResult: notNull,
	Impl: func(args []cty.Value, ty cty.Type) (cty.Value, error) {
		if !args[0].IsWhollyKnown() || !args[1].IsWhollyKnown() || !args[2].IsWhollyKnown() {
			return cty.UnknownVal(ty), nil
		}
		values, keys, search := args[0].AsValueSlice(), args[1].AsValueSlice(), args[2].AsValueSlice()
		if len(values) != len(keys) {
			return cty.UnknownVal(ty), errors.New("values and keys must have the same length")
		}
		var found []cty.Value
		wanted := newSeen(len(search))
		for _, s := range search {
			if _, err := wanted.add(s); err != nil {
				return cty.UnknownVal(ty), err
			}
		}
		for i, key := range keys {
			if wanted.has(key) {
				found = append(found, values[i])
			}
		}
		if len(found) == 0 {
			return cty.ListValEmpty(ty.ElementType()), nil
		}
		return cty.ListVal(found), nil
	},
})

// distinctFunc is stdlib.DistinctFunc, in time linear in the elements.
var distinctFunc = function.New(&function.Spec{
	Params:       []function.Parameter{param("list", cty.List(cty.DynamicPseudoType))},
	Type:         func(args []cty.Value) (cty.Type, error) { return args[0].Type(), nil },
	RefineResult: notNull,
	Impl: func(args []cty.Value, ty cty.Type) (cty.Value, error) {
		if !args[0].IsWhollyKnown() {
			return cty.UnknownVal(ty), nil
		}
		var list []cty.Value
		met := newSeen(args[0].LengthInt())
		for it := args[0].ElementIterator(); it.Next(); {
			_, v := it.Element()
			fresh, err := met.add(v)
			if err != nil {
				return cty.UnknownVal(ty), err
			}
			if fresh {
				list = append(list, v)
			}
		}
		if len(list) == 0 {
			return cty.ListValEmpty(ty.ElementType()), nil
		}
		return cty.ListVal(list), nil
	},
})

var oneFunc = function.New(&function.Spec{
	Params: []function.Parameter{param("list", cty.DynamicPseudoType)},
	Type: func(args []cty.Value) (cty.Type, error) {
		switch ty := args[0].Type(); {
		case ty.IsListType() || ty.IsSetType():
			return ty.ElementType(), nil
		case ty.IsTupleType() && len(ty.TupleElementTypes()) == 0:
			return cty.DynamicPseudoType, nil
		case ty.IsTupleType() && len(ty.TupleElementTypes()) == 1:
			return ty.TupleElementType(0), nil
		case ty.IsTupleType():
			return cty.NilType, function.NewArgErrorf(0, "there are %d elements; at most one is possible", len(ty.TupleElementTypes()))
		}
		return cty.NilType, function.NewArgErrorf(0, "a list or a set is needed")
	},
	Impl: func(args []cty.Value, ty cty.Type) (cty.Value, error) {
		length := args[0].Length()
		if !length.IsKnown() {
			return cty.UnknownVal(ty), nil
		}
		switch n := args[0].LengthInt(); n {
		case 0:
			return cty.NullVal(ty), nil
		case 1:
			it := args[0].ElementIterator()
			it.Next()
			_, v := it.Element()
			return v, nil
		default:
			return cty.UnknownVal(ty), function.NewArgErrorf(0, "there are %d elements; at most one is possible", n)
		}
	},
})

// maxRange bounds range(): a list of a million numbers takes some 200 MB.
const maxRange = 1_000_000

var rangeFunc = function.New(&function.Spec{
	VarParam:     &function.Parameter{Name: "numbers", Type: cty.Number},
	Type:         function.StaticReturnType(cty.List(cty.Number)),
	RefineResult: notNull,
	Impl: func(args []cty.Value, ty cty.Type) (cty.Value, error) {
		start, step := cty.Zero, cty.NumberIntVal(1)
		var end cty.Value
		switch len(args) {
		case 1:
			end = args[0]
		case 2:
			start, end = args[0], args[1]
		case 3:
			start, end, step = args[0], args[1], args[2]
		default:
			return cty.UnknownVal(ty), fmt.Errorf("one to three numbers are needed")
		}
		if len(args) < 3 && end.LessThan(start).True() {
			step = cty.NumberIntVal(-1)
		}
		down := step.LessThan(cty.Zero).True()
		switch {
		case step.Equals(cty.Zero).True():
			return cty.UnknownVal(ty), function.NewArgErrorf(2, "the step must not be 0")
		case down && start.LessThan(end).True(), !down && end.LessThan(start).True():
			return cty.UnknownVal(ty), function.NewArgErrorf(2, "the step leads away from the limit")
		}
		if end.Subtract(start).Divide(step).GreaterThan(cty.NumberIntVal(maxRange)).True() {
			return cty.UnknownVal(ty), fmt.Errorf("more than %d numbers", maxRange)
		}
		var vals []cty.Value
		for at := start; down && at.GreaterThan(end).True() || !down && at.LessThan(end).True(); at = at.Add(step) {
			vals = append(vals, at)
		}
		if len(vals) == 0 {
			return cty.ListValEmpty(cty.Number), nil
		}
		return cty.ListVal(vals), nil
	},
})

var sumFunc = function.New(&function.Spec{
	Params:       []function.Parameter{param("numbers", cty.DynamicPseudoType)},
	Type:         function.StaticReturnType(cty.Number),
	RefineResult: notNull,
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		unknown := cty.UnknownVal(cty.Number)
		if !args[0].CanIterateElements() || args[0].Type().IsMapType() || args[0].Type().IsObjectType() {
			return unknown, function.NewArgErrorf(0, "a list or set of numbers is needed")
		}
		if args[0].LengthInt() == 0 {
			return unknown, function.NewArgErrorf(0, "there is nothing to add up")
		}
		total := cty.NumberVal(new(big.Float).SetPrec(512))
		for it := args[0].ElementIterator(); it.Next(); {
			_, v := it.Element()
			if err := numbers.Texts(v, cty.Number); err != nil {
				return unknown, function.NewArgErrorf(0, "it holds %s", err)
			}
			n, err := convert.Convert(v, cty.Number)
			if err != nil || n.IsNull() {
				return unknown, function.NewArgErrorf(0, "every element must be a number")
			}
			total = total.Add(n)
		}
		return total, nil
	},
})

var transposeFunc = function.New(&function.Spec{
	Params:       []function.Parameter{param("map", cty.Map(cty.List(cty.String)))},
	Type:         function.StaticReturnType(cty.Map(cty.List(cty.String))),
	RefineResult: notNull,
	Impl: func(args []cty.Value, ty cty.Type) (cty.Value, error) {
		if !args[0].IsWhollyKnown() {
			return cty.UnknownVal(ty), nil
		}
		swapped := map[string][]string{}
		for it := args[0].ElementIterator(); it.Next(); {
			key, list := it.Element()
			if list.IsNull() {
				return cty.UnknownVal(ty), function.NewArgErrorf(0, "the list of %q is null", key.AsString())
			}
			for el := list.ElementIterator(); el.Next(); {
				_, v := el.Element()
				if v.IsNull() {
					return cty.UnknownVal(ty), function.NewArgErrorf(0, "the list of %q holds null", key.AsString())
				}
				swapped[v.AsString()] = append(swapped[v.AsString()], key.AsString())
			}
		}
		if len(swapped) == 0 {
			return cty.MapValEmpty(cty.List(cty.String)), nil
		}
		out := make(map[string]cty.Value, len(swapped))
		for key, list := range swapped {
			sort.Strings(list)
			vals := make([]cty.Value, len(list))
			for i, s := range list {
				vals[i] = cty.StringVal(s)
			}
			out[key] = cty.ListVal(vals)
		}
		return cty.MapVal(out), nil
	},
})
