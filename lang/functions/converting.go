package functions

import (
	"fmt"
	"slices"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/stowage-iac/stowage/lang/numbers"
)

// converting is a function that converts its arguments itself, with Convert, instead of
// having hcl do it: texts that become numbers are looked at before they are parsed, and
// wide tuples become lists in linear time. Its numbers are within the bounds.
func converting(f function.Function, how conversions) function.Function {
	params, variadic := f.Params(), f.VarParam()
	for i := range params {
		how.parameter(&params[i])
	}
	if variadic != nil {
		how.parameter(variadic)
	}
	wanted, rest := f.Params(), f.VarParam()
	convert := func(args []cty.Value) ([]cty.Value, error) {
		out := make([]cty.Value, len(args))
		for i, arg := range args {
			p := rest
			if i < len(wanted) {
				p = &wanted[i]
			}
			var err error
			if out[i], err = how.argument(arg, p.Type); err != nil {
				return nil, function.NewArgError(i, err)
			}
		}
		return out, nil
	}
	return function.New(&function.Spec{
		Params: params, VarParam: variadic,
		Type: func(args []cty.Value) (cty.Type, error) {
			args, err := convert(args)
			if err != nil {
				return cty.DynamicPseudoType, err
			}
			return f.ReturnTypeForValues(args)
		},
		Impl: func(args []cty.Value, ty cty.Type) (cty.Value, error) {
			args, err := convert(args)
			if err != nil {
				return cty.UnknownVal(ty), err
			}
			v, err := f.Call(args)
			if err != nil || !how.numbers {
				return v, err
			}
			if err := numbers.Check(v); err != nil {
				return cty.UnknownVal(ty), fmt.Errorf("the result would hold %w", err)
			}
			return v, nil
		},
	})
}

// conversions are what is done about the arguments and the result of a function.
type conversions struct {
	numbers bool // the result can hold new numbers
	lists   bool // any list will do for a tuple
}

// conversionsOf are what a function needs, if anything.
func conversionsOf(name string, f function.Function) (how conversions, needed bool) {
	params := f.Params()
	if p := f.VarParam(); p != nil {
		params = append(params, *p)
	}
	how.numbers = decoding[name] || slices.ContainsFunc(params, func(p function.Parameter) bool { return p.Type == cty.Number })
	how.lists = name == "setproduct"
	return how, how.numbers || how.lists || slices.ContainsFunc(params, func(p function.Parameter) bool { return isConverted(p.Type) })
}

func isConverted(ty cty.Type) bool { return ty == cty.Number || ty.IsCollectionType() }

// described are the types of parameters that are converted, by their description.
var described = map[string]cty.Type{}

func (how conversions) parameter(p *function.Parameter) {
	p.AllowUnknown, p.AllowDynamicType = true, true // the function itself says what comes of it
	if isConverted(p.Type) {
		p.Description = p.Type.GoString()
		described[p.Description] = p.Type
		p.Type = cty.DynamicPseudoType
	}
}

func (how conversions) argument(v cty.Value, ty cty.Type) (cty.Value, error) {
	if how.lists {
		return narrowed(v)
	}
	if !isConverted(ty) {
		return v, nil
	}
	v, err := Convert(v, ty)
	if err == nil && ty == cty.Number {
		err = numbers.Check(v)
	}
	return v, err
}

// ParameterType is the type that an argument of a function of the table is converted to.
func ParameterType(p function.Parameter) cty.Type {
	if ty, ok := described[p.Description]; ok {
		return ty
	}
	if p.Type.IsCapsuleType() { // an expression that is not evaluated before the call
		return cty.DynamicPseudoType
	}
	return p.Type
}
