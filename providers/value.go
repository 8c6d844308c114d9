package providers

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"sort"

	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang"
)

// Str is a known string attribute of an object, "" when null. Marks are ignored.
func Str(obj cty.Value, name string) string {
	if v, ok := lang.Simple(obj, name); ok {
		s, _ := v.(string)
		return s
	}
	v, ok := attr(obj, name)
	if !ok || v.Type() != cty.String {
		return ""
	}
	return v.AsString()
}

// Int is a known number attribute of an object, 0 when null. Marks are ignored.
func Int(obj cty.Value, name string) int64 {
	if v, ok := lang.Simple(obj, name); ok && v == nil {
		return 0
	}
	v, ok := attr(obj, name)
	if !ok || v.Type() != cty.Number {
		return 0
	}
	n, _ := lang.Int64(v)
	return n
}

// Bool is a known bool attribute of an object, false when null. Marks are ignored.
func Bool(obj cty.Value, name string) bool {
	v, ok := attr(obj, name)
	return ok && v.Type() == cty.Bool && v.True()
}

// Strs is a known list or set of strings, nil when null. Marks are ignored.
func Strs(obj cty.Value, name string) []string {
	v, ok := attr(obj, name)
	if !ok || !v.CanIterateElements() {
		return nil
	}
	elems := lang.Elements(v)
	out := make([]string, 0, len(elems))
	for _, e := range elems {
		if e, _ = e.Unmark(); e.IsKnown() && !e.IsNull() {
			out = append(out, e.AsString())
		}
	}
	return out
}

// StrMap is a known map of strings, nil when null. Marks are ignored.
func StrMap(obj cty.Value, name string) map[string]string {
	v, ok := attr(obj, name)
	if !ok || !v.CanIterateElements() {
		return nil
	}
	out := make(map[string]string, v.LengthInt())
	for it := v.ElementIterator(); it.Next(); {
		k, e := it.Element()
		if e, _ = e.Unmark(); e.IsKnown() && !e.IsNull() {
			out[k.AsString()] = e.AsString()
		}
	}
	return out
}

// Objects is a known list of objects (nested blocks), nil when null. Elements keep their marks.
func Objects(obj cty.Value, name string) []cty.Value {
	if elems, ok := lang.Listed(obj, name); ok {
		return elems
	}
	v, ok := attr(obj, name)
	if !ok || !v.CanIterateElements() {
		return nil
	}
	return lang.Elements(v)
}

// Object is a nested object, ok false when it is null or unknown.
func Object(obj cty.Value, name string) (v cty.Value, ok bool) {
	if v, simple := lang.Simple(obj, name); simple && v == nil {
		return cty.NilVal, false
	}
	return attr(obj, name)
}

// attr is a known, non-null, unmarked attribute.
func attr(obj cty.Value, name string) (cty.Value, bool) {
	obj, _ = obj.Unmark()
	if obj == cty.NilVal || obj.IsNull() || !obj.IsKnown() {
		return cty.NilVal, false
	}
	v, ok := lang.Attribute(obj, name)
	if !ok {
		return cty.NilVal, false
	}
	v, _ = v.Unmark()
	if v.IsNull() || !v.IsKnown() {
		return cty.NilVal, false
	}
	return v, true
}

// With returns the object with some attributes replaced.
func With(obj cty.Value, set map[string]cty.Value) cty.Value {
	obj, marks := obj.Unmark()
	return lang.WithAttributes(obj, set).WithMarks(marks)
}

// WithAll is With for a list.
func WithAll(obj cty.Value, set []lang.Attr) cty.Value {
	obj, marks := obj.Unmark()
	return lang.With(obj, set...).WithMarks(marks)
}

// IsNull reports whether there is no value: nil or null.
func IsNull(v cty.Value) bool {
	return v == cty.NilVal || v.IsNull()
}

// Version is a short keyed hash of named contents: 12 hex digits that change when
// any content changes and tell nothing about it to who lacks the key.
func Version(key []byte, contents map[string][]byte) string {
	names := make([]string, 0, len(contents))
	for n := range contents {
		names = append(names, n)
	}
	sort.Strings(names)
	mac := hmac.New(sha256.New, key)
	for _, n := range names {
		sum := sha256.Sum256(contents[n])
		mac.Write([]byte(n))
		mac.Write([]byte{0})
		mac.Write(sum[:])
	}
	return hex.EncodeToString(mac.Sum(nil))[:12]
}
