package functions

import (
	"slices"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// carryMarks makes the unknown results of a function as sensitive as its
// arguments. A function that handles marks itself (element gives the mark of one
// element, not of all) mostly forgets them while an argument is unknown: a plan would take a value for harmless that its apply finds
// to be secret.
func carryMarks(f function.Function) function.Function {
	forgets := func(p function.Parameter) bool { return p.AllowMarked }
	variadic := f.VarParam()
	if !slices.ContainsFunc(f.Params(), forgets) && (variadic == nil || !forgets(*variadic)) {
		return f
	}
	params := f.Params()
	for i := range params {
		params[i].AllowUnknown, params[i].AllowDynamicType = true, true
	}
	if variadic != nil {
		variadic.AllowUnknown, variadic.AllowDynamicType = true, true
	}
	return function.New(&function.Spec{
		Params: params, VarParam: variadic, Type: f.ReturnTypeForValues,
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			v, err := f.Call(args)
			if err != nil || v.IsKnown() {
				return v, err
			}
			for _, arg := range args {
				_, marks := arg.UnmarkDeep()
				v = v.WithMarks(marks)
			}
			return v, nil
		},
	})
}
