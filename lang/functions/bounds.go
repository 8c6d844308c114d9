package functions

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
	"go.yaml.in/yaml/v3"

	"github.com/stowage-iac/stowage/lang/nesting"
	"github.com/stowage-iac/stowage/lang/numbers"
)

// What a short expression can make of little is bounded before it is made: the
// elements of a result by maxRange, its text by MaxFileSize, a width by maxWidth, the
// digits that parseint reads by maxDigits, what nests by nesting.Max, numbers by the
// package numbers.
const (
	maxWidth  = 100_000
	maxDigits = 100_000
)

var (
	errText     = fmt.Errorf("the result would have more than %d MiB", MaxFileSize>>20)
	errElements = fmt.Errorf("the result would have more than %d elements", maxRange)
	errNesting  = fmt.Errorf("it nests more than %d levels", nesting.Max)
)

// bounds check the arguments of functions, all of them known, not null and without
// marks on the outside.
var bounds = map[string]func(args []cty.Value) error{
	"format":     func(args []cty.Value) error { return formatBounds(stdlib.FormatFunc, args) },
	"formatlist": func(args []cty.Value) error { return formatBounds(stdlib.FormatListFunc, args) },
	"indent": func(args []cty.Value) error {
		spaces, _ := args[0].AsBigFloat().Int64()
		if spaces < 0 {
			return function.NewArgErrorf(0, "it must not be negative")
		}
		text := args[1].AsString()
		return fits(int64(len(text)), spaces, int64(max(1, strings.Count(text, "\n")))) // they are made if there is no line, too
	},
	"join": joinBounds,
	"jsondecode": func(args []cty.Value) error {
		if err := numbers.InJSON(args[0].AsString()); err != nil {
			return fmt.Errorf("it holds %w", err)
		}
		return jsonBounds(args[0].AsString())
	},
	"jsonencode": encodeBounds,
	"log": func(args []cty.Value) error {
		return isNumber(func(x, base float64) float64 { return math.Log(x) / math.Log(base) }, args)
	},
	"parseint": func(args []cty.Value) error {
		if args[0].Type() == cty.String && len(args[0].AsString()) > maxDigits {
			return fmt.Errorf("a number of more than %d digits", maxDigits)
		}
		return nil
	},
	"pow":        func(args []cty.Value) error { return isNumber(math.Pow, args) },
	"replace":    replaceBounds,
	"setproduct": setProductBounds,
	"split": func(args []cty.Value) error {
		if strings.Count(args[1].AsString(), args[0].AsString()) >= maxRange {
			return errElements
		}
		return nil
	},
	"toset":      func(args []cty.Value) error { return crowd(args[0], cty.Set(cty.DynamicPseudoType)) },
	"tonumber":   func(args []cty.Value) error { return numbers.Texts(args[0], cty.Number) },
	"yamldecode": func(args []cty.Value) error { return yamlBounds(args[0].AsString()) },
	"yamlencode": encodeBounds,
}

// isNumber finds that a result would be none.
func isNumber(f func(a, b float64) float64, args []cty.Value) error {
	a, _ := args[0].AsBigFloat().Float64()
	b, _ := args[1].AsBigFloat().Float64()
	if math.IsNaN(f(a, b)) {
		return errors.New("the result would not be a number")
	}
	return nil
}

// decoding are the functions whose results are numbers, or hold some, and that take none.
var decoding = map[string]bool{"jsondecode": true, "yamldecode": true, "lookup": true, "sum": true, "tonumber": true}

// bounded is a function that looks at its arguments before it looks at their types:
// the type of the result is a part of it.
func bounded(f function.Function, check func(args []cty.Value) error) function.Function {
	params, variadic := f.Params(), f.VarParam()
	for i := range params { // f says what comes of it
		params[i].AllowUnknown, params[i].AllowDynamicType = true, true
	}
	if variadic != nil {
		variadic.AllowUnknown, variadic.AllowDynamicType = true, true
	}
	return function.New(&function.Spec{
		Params: params, VarParam: variadic,
		Type: func(args []cty.Value) (cty.Type, error) {
			plain := make([]cty.Value, len(args))
			for i, arg := range args {
				plain[i], _ = arg.Unmark()
				if !plain[i].IsKnown() || plain[i].IsNull() {
					return f.ReturnTypeForValues(args)
				}
			}
			if err := check(plain); err != nil {
				return cty.DynamicPseudoType, err
			}
			return f.ReturnTypeForValues(args)
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) { return f.Call(args) },
	})
}

// fits reports whether a text of so many bytes and times × bytes more is not too large.
func fits(length, bytes, times int64) error {
	if bytes > 0 && times > 0 && bytes > (MaxFileSize-min(length, MaxFileSize))/times {
		return errText
	}
	return nil
}

var formatWidth = regexp.MustCompile(`%[ #+0-]*([0-9]*)(?:\.([0-9]*))?`)

func formatBounds(f function.Function, args []cty.Value) error {
	if err := formatNumbers(f, args); err != nil {
		return err
	}
	if args[0].Type() != cty.String {
		return nil
	}
	total, times := int64(0), int64(1)
	for _, verb := range formatWidth.FindAllStringSubmatch(args[0].AsString(), -1) {
		for _, digits := range verb[1:] {
			if digits == "" {
				continue
			}
			width, err := strconv.Atoi(digits)
			if err != nil || width > maxWidth {
				return function.NewArgErrorf(0, "it has a width or precision of %s; at most %d is possible", shortened(digits), maxWidth)
			}
			total += int64(width)
		}
	}
	for _, arg := range args[1:] {
		if (arg.Type().IsListType() || arg.Type().IsTupleType()) && arg.LengthInt() > 0 {
			times = max(times, int64(arg.LengthInt()))
		}
	}
	return fits(0, total, times)
}

// formatNumbers finds a text that is formatted as a number and beyond the bounds of
// numbers: where something else in its place is an error.
func formatNumbers(f function.Function, args []cty.Value) error {
	var problem error
	other := make([]cty.Value, len(args))
	for i, arg := range args {
		other[i] = arg
		switch {
		case i == 0 || !arg.IsKnown() || arg.IsNull():
		case arg.Type() == cty.String:
			if err := numbers.Beyond(arg.AsString()); err != nil {
				problem, other[i] = err, notANumber
			}
		case arg.Type().IsListType() || arg.Type().IsTupleType():
			elements := arg.AsValueSlice()
			for n, e := range elements {
				e, _ = e.Unmark()
				if e.Type() != cty.String || !e.IsKnown() || e.IsNull() {
					continue
				}
				if err := numbers.Beyond(e.AsString()); err != nil {
					problem, elements[n] = err, notANumber
				}
			}
			if len(elements) > 0 {
				other[i] = cty.TupleVal(elements)
			}
		}
	}
	if problem == nil {
		return nil
	}
	if _, err := f.Call(other); err == nil {
		return nil
	}
	return fmt.Errorf("an argument is %w", problem)
}

var notANumber = cty.StringVal("no number")

// encodeBounds finds how long the text of a value is at least.
func encodeBounds(args []cty.Value) error {
	if textLeft(args[0], MaxFileSize) < 0 {
		return errText
	}
	return nil
}

// textLeft is what is left of a number of bytes when a value was written.
func textLeft(v cty.Value, left int) int {
	v, _ = v.Unmark()
	if left -= 2; left < 0 || !v.IsKnown() || v.IsNull() {
		return left
	}
	switch ty := v.Type(); {
	case ty == cty.String:
		return left - len(v.AsString())
	case ty == cty.Number:
		return left - numbers.Digits(v)
	case !v.CanIterateElements():
		return left
	}
	for it := v.ElementIterator(); it.Next() && left >= 0; {
		_, e := it.Element()
		left = textLeft(e, left)
	}
	return left
}

func shortened(s string) string {
	if len(s) > 20 {
		return s[:20] + "…"
	}
	return s
}

func joinBounds(args []cty.Value) error {
	separator, n, total := int64(len(args[0].AsString())), int64(0), int64(0)
	for _, list := range args[1:] {
		if !list.IsWhollyKnown() || !list.CanIterateElements() {
			return nil
		}
		for it := list.ElementIterator(); it.Next(); n++ {
			_, v := it.Element()
			if v, _ = v.Unmark(); v.Type() == cty.String && !v.IsNull() {
				total += int64(len(v.AsString()))
			}
		}
	}
	return fits(total, separator, n)
}

func replaceBounds(args []cty.Value) error {
	text, search, with := args[0].AsString(), args[1].AsString(), args[2].AsString()
	if fits(int64(len(text)), int64(len(with)), int64(len(text)+1)) == nil {
		return nil // however often it is found
	}
	if len(search) < 2 || !strings.HasPrefix(search, "/") || !strings.HasSuffix(search, "/") {
		return fits(int64(len(text)), int64(len(with)), int64(strings.Count(text, search)))
	}
	re, err := regexp.Compile(search[1 : len(search)-1])
	if err != nil {
		return nil // the function says so
	}
	return fits(int64(len(text)), int64(len(with)), int64(len(re.FindAllStringIndex(text, -1))))
}

func setProductBounds(args []cty.Value) error {
	product := 1
	for _, arg := range args {
		if !arg.CanIterateElements() {
			return nil
		}
		n := arg.LengthInt()
		if n == 0 {
			return nil
		}
		if product *= n; product*len(args) > maxRange {
			return errElements
		}
	}
	return nil
}

// jsonBounds finds how deep a text nests, whether it is JSON or not.
func jsonBounds(text string) error {
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[' || c == '{':
			if depth++; depth > nesting.Max {
				return errNesting
			}
		case c == ']' || c == '}':
			depth--
		}
	}
	return nil
}

// suspicious is how long a text may be that this package cannot read as YAML, to be
// left to the decoder to say why.
const suspicious = 64 << 10

// yamlBounds finds how deep a text nests, and how many values it stands for when every
// alias is what its anchor names.
func yamlBounds(text string) error {
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		switch {
		case strings.Contains(err.Error(), "exceeded max depth"):
			return errNesting
		case len(text) > suspicious || strings.Contains(text, "*"):
			return errors.New(strings.TrimPrefix(err.Error(), "yaml: "))
		}
		return nil
	}
	c := yamlCounter{known: map[*yaml.Node]int{}}
	if c.values(&doc) > maxRange {
		return fmt.Errorf("its aliases make more than %d values of it", maxRange)
	}
	if c.number != nil {
		return fmt.Errorf("it holds %w", c.number)
	}
	return nil
}

type yamlCounter struct {
	known  map[*yaml.Node]int
	number error // what is wrong with one
}

// values is the number of values in a node, at most maxRange + 1.
func (c *yamlCounter) values(n *yaml.Node) int {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if known, ok := c.known[n]; ok {
		return known
	}
	if n.Kind == yaml.ScalarNode && n.Style == 0 && strings.Trim(n.Value, "0123456789.eE+-_") == "" && c.number == nil {
		c.number = numbers.Text(n.Value)
	}
	if n.Anchor != "" {
		c.known[n] = 1 // of an alias within it, which the decoder refuses
	}
	total := 1
	for _, child := range n.Content {
		if total = min(total+c.values(child), maxRange+1); total > maxRange {
			break
		}
	}
	if n.Anchor != "" {
		c.known[n] = total
	}
	return total
}
