package functions

import (
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// param is a parameter that must be known and not null.
func param(name string, ty cty.Type) function.Parameter {
	return function.Parameter{Name: name, Type: ty}
}

// textFunc is a function from a string to a string.
func textFunc(name string, impl func(string) (string, error)) function.Function {
	return function.New(&function.Spec{
		Params:       []function.Parameter{param(name, cty.String)},
		Type:         function.StaticReturnType(cty.String),
		RefineResult: notNull,
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			s, err := impl(args[0].AsString())
			if err != nil {
				return cty.UnknownVal(cty.String), function.NewArgError(0, err)
			}
			return cty.StringVal(s), nil
		},
	})
}

// testFunc is a function from two strings to a bool.
func testFunc(first, second string, test func(a, b string) bool) function.Function {
	return function.New(&function.Spec{
		Params:       []function.Parameter{param(first, cty.String), param(second, cty.String)},
		Type:         function.StaticReturnType(cty.Bool),
		RefineResult: notNull,
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			return cty.BoolVal(test(args[0].AsString(), args[1].AsString())), nil
		},
	})
}

func notNull(b *cty.RefinementBuilder) *cty.RefinementBuilder { return b.NotNull() }
