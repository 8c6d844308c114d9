package view

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang"
)

const (
	sensitiveText = "(sensitive value)"
	unknownText   = "(known after apply)"
)

// inline writes a value on one line, as HCL would. Marked values and unknown
// ones are named, not shown.
func inline(v cty.Value) string { return string(appendInline(nil, v)) }

func appendInline(b []byte, v cty.Value) []byte {
	switch x := lang.Scalar(v).(type) {
	case string:
		return appendQuote(b, x)
	case bool:
		return strconv.AppendBool(b, x)
	case *big.Float:
		return x.Append(b, 'f', -1)
	}
	switch {
	case v == cty.NilVal:
		return append(b, "null"...)
	case v.IsMarked():
		return append(b, sensitiveText...)
	case !v.IsKnown():
		return append(b, unknownText...)
	case v.IsNull():
		return append(b, "null"...)
	}
	ty := v.Type()
	switch {
	case ty.IsMapType() || ty.IsObjectType():
		return appendKeyed(b, v)
	case ty.IsListType() || ty.IsSetType() || ty.IsTupleType():
		b = append(b, '[')
		var few [8]cty.Value
		for i, e := range lang.AppendElements(few[:0], v) {
			if i > 0 {
				b = append(b, ", "...)
			}
			b = appendInline(b, e)
		}
		return append(b, ']')
	}
	return fmt.Appendf(b, "(value of type %s)", ty.FriendlyName())
}

func appendKeyed(b []byte, v cty.Value) []byte {
	keys := keysOf(v)
	if len(keys) == 0 {
		return append(b, "{}"...)
	}
	separator := "{ "
	for _, k := range keys {
		b = append(b, separator...)
		if bareKey(v.Type(), k) {
			b = append(b, k...)
		} else {
			b = appendQuote(b, k)
		}
		b = append(b, " = "...)
		b = appendInline(b, lang.Part(v, k))
		separator = ", "
	}
	return append(b, " }"...)
}

// keysOf lists the keys of a known map or the attributes of a known object, sorted.
func keysOf(v cty.Value) []string { return lang.AppendKeys(nil, v) }

// bareKey reports whether a key is written without quotes: an attribute of an object, where HCL allows it.
func bareKey(ty cty.Type, key string) bool {
	return ty.IsObjectType() && lang.ValidIdentifier(key)
}

// quote writes a string literal as HCL reads it back; control characters are
// escaped, so that no value can move the cursor.
func quote(s string) string { return string(appendQuote(nil, s)) }

func appendQuote(b []byte, s string) []byte {
	b = append(b, '"')
	if simple(s) {
		b = append(b, s...)
		return append(b, '"')
	}
	for i, r := range s {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r == '\n':
			b = append(b, `\n`...)
		case r == '\r':
			b = append(b, `\r`...)
		case r == '\t':
			b = append(b, `\t`...)
		case (r == '$' || r == '%') && strings.HasPrefix(s[i+1:], "{"):
			b = append(b, byte(r), byte(r))
		case control(r):
			b = fmt.Appendf(b, `\u%04x`, r)
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return append(b, '"')
}

// simple reports whether quotes are all that a string needs.
func simple(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '$' || c == '%' {
			return false
		}
	}
	return true
}

// control tells the characters that move the cursor, or turn the direction of
// writing so that text reads other than it is.
func control(r rune) bool {
	return r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069
}

// printable escapes control characters other than line feeds and tabs in text of others.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && control(r) {
			return '·'
		}
		return r
	}, s)
}

// isMultiline reports whether a value is a string that is better read as lines.
func isMultiline(v cty.Value) bool {
	text, ok := lang.Scalar(v).(string)
	return ok && severalLines(text)
}

// severalLines reports whether a text has a line feed before its end.
func severalLines(s string) bool {
	i := strings.IndexByte(s, '\n')
	return i >= 0 && i < len(s)-1
}

// usable reports whether a value's content may be looked at: present, known and not sensitive.
func usable(v cty.Value) bool {
	return !absent(v) && !v.IsMarked() && v.IsKnown()
}

// absent reports whether there is no value. A marked null is not absent: it stands for
// what was given to a write-only argument.
func absent(v cty.Value) bool { return lang.Absent(v) }

// same reports whether two values render as no change. A change of only the
// mark is none: what is shown of it would be the same.
func same(a, b cty.Value) bool {
	switch {
	case absent(a) && absent(b):
		return true
	case a == cty.NilVal || b == cty.NilVal || isUnknown(a) || isUnknown(b):
		return false
	case lang.Same(a, b):
		if lang.Plain(a) {
			return true
		}
	case lang.Plain(a) && lang.Plain(b):
		return false
	}
	ua, _ := a.UnmarkDeep()
	ub, _ := b.UnmarkDeep()
	if !ua.Type().Equals(ub.Type()) {
		return false
	}
	return ua.IsWhollyKnown() && ub.IsWhollyKnown() && ua.RawEquals(ub)
}
