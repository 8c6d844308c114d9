package view

import (
	"fmt"
	"sort"
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang"
)

const (
	sensitiveText = "(sensitive value)"
	unknownText   = "(known after apply)"
)

// inline writes a value on one line, as HCL would. Marked values and unknown
// ones are named, not shown.
func inline(v cty.Value) string {
	if v == cty.NilVal {
		return "null"
	}
	if v.IsMarked() {
		return sensitiveText
	}
	if !v.IsKnown() {
		return unknownText
	}
	if v.IsNull() {
		return "null"
	}
	ty := v.Type()
	switch {
	case ty == cty.String:
		return quote(v.AsString())
	case ty == cty.Number:
		return v.AsBigFloat().Text('f', -1)
	case ty == cty.Bool:
		return strconv.FormatBool(v.True())
	case ty.IsMapType() || ty.IsObjectType():
		return inlineKeyed(v)
	case ty.IsListType() || ty.IsSetType() || ty.IsTupleType():
		var elems []string
		for _, e := range lang.Elements(v) {
			elems = append(elems, inline(e))
		}
		return "[" + strings.Join(elems, ", ") + "]"
	}
	return fmt.Sprintf("(value of type %s)", ty.FriendlyName())
}

func inlineKeyed(v cty.Value) string {
	var parts []string
	for _, k := range keysOf(v) {
		parts = append(parts, keyText(v.Type(), k)+" = "+inline(elem(v, k)))
	}
	if len(parts) == 0 {
		return "{}"
	}
	return "{ " + strings.Join(parts, ", ") + " }"
}

// keysOf lists the keys of a known map or the attributes of a known object, sorted.
func keysOf(v cty.Value) []string {
	var keys []string
	if v.Type().IsObjectType() {
		for k := range v.Type().AttributeTypes() {
			keys = append(keys, k)
		}
	} else {
		for it := v.ElementIterator(); it.Next(); {
			k, _ := it.Element()
			keys = append(keys, k.AsString())
		}
	}
	sort.Strings(keys)
	return keys
}

// elem is the element of a known map or object, cty.NilVal when there is none.
func elem(v cty.Value, key string) cty.Value {
	if v == cty.NilVal || v.IsNull() {
		return cty.NilVal
	}
	if v.Type().IsObjectType() {
		if !v.Type().HasAttribute(key) {
			return cty.NilVal
		}
		return v.GetAttr(key)
	}
	k := cty.StringVal(key)
	if v.HasIndex(k).False() {
		return cty.NilVal
	}
	return v.Index(k)
}

// keyText writes a key: bare for attributes of objects where HCL allows it, quoted for maps.
func keyText(ty cty.Type, key string) string {
	if ty.IsObjectType() && lang.ValidIdentifier(key) {
		return key
	}
	return quote(key)
}

// quote writes a string literal as HCL reads it back; control characters are
// escaped, so that no value can move the cursor.
func quote(s string) string {
	if simple(s) {
		return `"` + s + `"`
	}
	var b strings.Builder
	b.WriteByte('"')
	for i, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case (r == '$' || r == '%') && strings.HasPrefix(s[i+1:], "{"):
			b.WriteRune(r)
			b.WriteRune(r)
		case control(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
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
	return usable(v) && v.Type() == cty.String && strings.Contains(strings.TrimSuffix(v.AsString(), "\n"), "\n")
}

// usable reports whether a value's content may be looked at: present, known and not sensitive.
func usable(v cty.Value) bool {
	return v != cty.NilVal && !v.IsMarked() && v.IsKnown() && !v.IsNull()
}

// absent reports whether there is no value: cty.NilVal or null. A marked null is not
// absent: it stands for what was given to a write-only argument.
func absent(v cty.Value) bool {
	return v == cty.NilVal || !v.IsMarked() && v.IsKnown() && v.IsNull()
}

// same reports whether two values render as no change. A change of only the
// mark is none: what is shown of it would be the same.
func same(a, b cty.Value) bool {
	if absent(a) && absent(b) {
		return true
	}
	if a == cty.NilVal || b == cty.NilVal {
		return false
	}
	if lang.Plain(a) && lang.Plain(b) {
		return lang.Same(a, b)
	}
	ua, _ := a.UnmarkDeep()
	ub, _ := b.UnmarkDeep()
	if !ua.Type().Equals(ub.Type()) {
		return false
	}
	return ua.IsWhollyKnown() && ub.IsWhollyKnown() && ua.RawEquals(ub)
}
