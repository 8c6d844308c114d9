package functions

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"go.yaml.in/yaml/v3"

	"github.com/stowage-iac/stowage/lang/nesting"
)

// What a short expression can make of little is bounded before it is made: the
// elements of a result by maxRange, its text by MaxFileSize, a width by maxWidth, the
// digits of a number that is parsed by maxDigits, what nests by nesting.Max.
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
	"format":     formatBounds,
	"formatlist": formatBounds,
	"indent": func(args []cty.Value) error {
		spaces, _ := args[0].AsBigFloat().Int64()
		text := args[1].AsString()
		return fits(int64(len(text)), spaces, int64(strings.Count(text, "\n")))
	},
	"join":       joinBounds,
	"jsondecode": func(args []cty.Value) error { return jsonBounds(args[0].AsString()) },
	"parseint": func(args []cty.Value) error {
		if args[0].Type() == cty.String && len(args[0].AsString()) > maxDigits {
			return fmt.Errorf("a number of more than %d digits", maxDigits)
		}
		return nil
	},
	"replace":    replaceBounds,
	"setproduct": setProductBounds,
	"split": func(args []cty.Value) error {
		if strings.Count(args[1].AsString(), args[0].AsString()) >= maxRange {
			return errElements
		}
		return nil
	},
	"yamldecode": func(args []cty.Value) error { return yamlBounds(args[0].AsString()) },
}

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

func formatBounds(args []cty.Value) error {
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
	return nil
}

type yamlCounter struct{ known map[*yaml.Node]int }

// values is the number of values in a node, at most maxRange + 1.
func (c yamlCounter) values(n *yaml.Node) int {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if known, ok := c.known[n]; ok {
		return known
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
