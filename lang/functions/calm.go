package functions

import (
	"errors"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// calm is a function of cty that panics on some arguments, as merge(null, "a"). What it
// says then is an error of a line; cty's has a page of stack.
func calm(f function.Function) function.Function {
	params, variadic := f.Params(), f.VarParam()
	for i := range params { // f says what comes of it
		params[i].AllowUnknown, params[i].AllowDynamicType = true, true
	}
	if variadic != nil {
		variadic.AllowUnknown, variadic.AllowDynamicType = true, true
	}
	line := func(err error) error {
		if panicked := (function.PanicError{}); errors.As(err, &panicked) {
			return errors.New("it cannot take these values together")
		}
		return err
	}
	return function.New(&function.Spec{
		Params: params, VarParam: variadic,
		Type: func(args []cty.Value) (cty.Type, error) {
			ty, err := f.ReturnTypeForValues(args)
			return ty, line(err)
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			v, err := f.Call(args)
			return v, line(err)
		},
	})
}
