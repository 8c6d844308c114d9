package functions

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

var (
	startsWithFunc  = testFunc("text", "prefix", strings.HasPrefix)
	endsWithFunc    = testFunc("text", "suffix", strings.HasSuffix)
	strContainsFunc = testFunc("text", "substring", strings.Contains)

	urlEncodeFunc = textFunc("text", func(s string) (string, error) {
		return url.QueryEscape(s), nil
	})
	urlDecodeFunc = textFunc("text", func(s string) (string, error) {
		out, err := url.QueryUnescape(s)
		if err != nil {
			return "", fmt.Errorf("the text is not URL-encoded")
		}
		return out, nil
	})
)

var replaceFunc = function.New(&function.Spec{
	Params: []function.Parameter{
		param("text", cty.String), param("search", cty.String), param("replacement", cty.String),
	},
	Type:         function.StaticReturnType(cty.String),
	RefineResult: notNull,
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		text, search, with := args[0].AsString(), args[1].AsString(), args[2].AsString()
		if len(search) > 1 && strings.HasPrefix(search, "/") && strings.HasSuffix(search, "/") {
			re, err := regexp.Compile(search[1 : len(search)-1])
			if err != nil {
				return cty.UnknownVal(cty.String), function.NewArgError(1, err)
			}
			return cty.StringVal(re.ReplaceAllString(text, with)), nil
		}
		return cty.StringVal(strings.ReplaceAll(text, search, with)), nil
	},
})
