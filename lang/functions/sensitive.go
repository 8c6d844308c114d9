package functions

import (
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// anyParam takes every value as it is.
var anyParam = function.Parameter{
	Name: "value", Type: cty.DynamicPseudoType,
	AllowNull: true, AllowUnknown: true, AllowMarked: true, AllowDynamicType: true,
}

func sameType(args []cty.Value) (cty.Type, error) { return args[0].Type(), nil }

func sensitiveFunc(mark any) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{anyParam},
		Type:   sameType,
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			return args[0].Mark(mark), nil
		},
	})
}

func nonsensitiveFunc(mark any) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{anyParam},
		Type:   sameType,
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			v, marks := args[0].Unmark()
			delete(marks, mark)
			return v.WithMarks(marks), nil
		},
	})
}

func issensitiveFunc(mark any) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{anyParam},
		Type:   function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			return cty.BoolVal(args[0].HasMark(mark)), nil
		},
	})
}
