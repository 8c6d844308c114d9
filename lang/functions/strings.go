package functions

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

var (
	startsWithFunc  = testFunc("Returns true if the text begins with the prefix.", "text", "prefix", strings.HasPrefix)
	endsWithFunc    = testFunc("Returns true if the text ends with the suffix.", "text", "suffix", strings.HasSuffix)
	strContainsFunc = testFunc("Returns true if the text contains the other.", "text", "substring", strings.Contains)

	base64EncodeFunc = textFunc("Returns the text in Base64.", "text", func(s string) (string, error) {
		return base64.StdEncoding.EncodeToString([]byte(s)), nil
	})
	base64DecodeFunc = textFunc("Returns the text that a Base64 text encodes.", "text", func(s string) (string, error) {
		b, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			return "", fmt.Errorf("the text is not valid Base64")
		}
		if !utf8.Valid(b) {
			return "", fmt.Errorf("the decoded bytes are not UTF-8 text")
		}
		return string(b), nil
	})
	base64GzipFunc = textFunc("Compresses the text with gzip and returns it in Base64.", "text", func(s string) (string, error) {
		var buf bytes.Buffer
		w := gzip.NewWriter(&buf)
		if _, err := w.Write([]byte(s)); err != nil {
			return "", err
		}
		if err := w.Close(); err != nil {
			return "", err
		}
		return base64.StdEncoding.EncodeToString(buf.Bytes()), nil
	})
	urlEncodeFunc = textFunc("Escapes the text for use in a URL's query.", "text", func(s string) (string, error) {
		return url.QueryEscape(s), nil
	})
	urlDecodeFunc = textFunc("Undoes urlencode.", "text", func(s string) (string, error) {
		out, err := url.QueryUnescape(s)
		if err != nil {
			return "", fmt.Errorf("the text is not URL-encoded")
		}
		return out, nil
	})
)

var replaceFunc = function.New(&function.Spec{
	Description: "Replaces every occurrence of a text; between slashes, it is a regular expression, and $1 or ${name} in the replacement are its groups.",
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

var timeCmpFunc = function.New(&function.Spec{
	Description:  "Compares two times in RFC 3339: -1, 0 or 1.",
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

var cidrContainsFunc = function.New(&function.Spec{
	Description:  "Returns true if an address or a whole other network lies within a network.",
	Params:       []function.Parameter{param("network", cty.String), param("address", cty.String)},
	Type:         function.StaticReturnType(cty.Bool),
	RefineResult: notNull,
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		unknown := cty.UnknownVal(cty.Bool)
		network, err := netip.ParsePrefix(args[0].AsString())
		if err != nil {
			return unknown, function.NewArgErrorf(0, "not a network such as 10.0.0.0/16")
		}
		if inner, err := netip.ParsePrefix(args[1].AsString()); err == nil {
			return cty.BoolVal(network.Contains(inner.Addr()) && inner.Bits() >= network.Bits()), nil
		}
		address, err := netip.ParseAddr(args[1].AsString())
		if err != nil {
			return unknown, function.NewArgErrorf(1, "neither an address nor a network")
		}
		return cty.BoolVal(network.Contains(address)), nil
	},
})
