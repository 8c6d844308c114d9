package functions

import (
	"errors"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// ephemeralAsNullFunc replaces whatever is ephemeral in a value by null of its type.
func ephemeralAsNullFunc(is func(mark any) bool) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{anyParam},
		Type:   sameType,
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			return cty.Transform(args[0], func(_ cty.Path, v cty.Value) (cty.Value, error) {
				if !hasMark(v, is) {
					return v, nil
				}
				_, marks := v.Unmark()
				for mark := range marks {
					if is(mark) {
						delete(marks, mark)
					}
				}
				return cty.NullVal(v.Type()).WithMarks(marks), nil
			})
		},
	})
}

// ErrEphemeralPath is why a function reads no file whose path is ephemeral.
var ErrEphemeralPath = errors.New("the path is ephemeral, and saved plans keep which files were read")

// keptPath refuses an ephemeral path as the first argument of a function that reads
// files: which files were read is kept in saved plans.
func keptPath(f function.Function, is func(mark any) bool) function.Function {
	params := f.Params()
	marked := params[0].AllowMarked
	params[0].AllowMarked = true
	for i := range params {
		params[i].AllowUnknown, params[i].AllowDynamicType = true, true // f says what comes of it
	}
	return function.New(&function.Spec{
		Params: params, VarParam: f.VarParam(), Type: func(args []cty.Value) (cty.Type, error) {
			args = append([]cty.Value(nil), args...)
			if !marked {
				args[0], _ = args[0].Unmark()
			}
			return f.ReturnTypeForValues(args)
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if hasMark(args[0], is) {
				return cty.DynamicVal, ErrEphemeralPath
			}
			return f.Call(args)
		},
	})
}

func hasMark(v cty.Value, is func(mark any) bool) bool {
	for mark := range v.Marks() {
		if is(mark) {
			return true
		}
	}
	return false
}
