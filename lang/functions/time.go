package functions

import (
	"time"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// planTimestampFunc returns when the plan is made; it is not known where none is.
func planTimestampFunc(now time.Time) function.Function {
	v := cty.UnknownVal(cty.String).RefineNotNull()
	if !now.IsZero() {
		v = cty.StringVal(now.UTC().Format(time.RFC3339))
	}
	return function.New(&function.Spec{
		Type:         function.StaticReturnType(cty.String),
		RefineResult: notNull,
		Impl:         func([]cty.Value, cty.Type) (cty.Value, error) { return v, nil },
	})
}

var timeCmpFunc = function.New(&function.Spec{
	Params:       []function.Parameter{param("a", cty.String), param("b", cty.String)},
	Type:         function.StaticReturnType(cty.Number),
	RefineResult: notNull,
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		var times [2]time.Time
		for i := range times {
			t, err := time.Parse(time.RFC3339, args[i].AsString())
			if err != nil {
				return cty.UnknownVal(cty.Number), function.NewArgErrorf(i, "not a time in RFC 3339, such as 2026-01-31T12:00:00Z")
			}
			times[i] = t
		}
		return cty.NumberIntVal(int64(times[0].Compare(times[1]))), nil
	},
})
