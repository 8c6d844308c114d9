package sops

import (
	"encoding"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang"
)

// A document is a tree in the order of its file, which the MAC depends on. A node
// is a mapping, a list, or a leaf: string, int, float64, bool, time.Time or nil.
type (
	mapping []item
	list    []any
	item    struct {
		key   string
		value any
	}
	// secret is a leaf that was encrypted.
	secret struct{ value any }
	// comment is an encrypted comment in the place of a value.
	comment struct{}
)

// maxDepth bounds the nesting of a document.
const maxDepth = 100

var errDepth = fmt.Errorf("it is nested more than %d levels deep", maxDepth)

func (m mapping) get(key string) any {
	for _, it := range m {
		if it.key == key {
			return it.value
		}
	}
	return nil
}

func (m mapping) text(key string) string {
	switch v := m.get(key).(type) {
	case string:
		return v
	case time.Time:
		return v.Format(time.RFC3339)
	}
	return ""
}

// text is a leaf as the MAC has it, and as its text is in a dotenv file.
func leafText(leaf any) (string, error) {
	switch v := leaf.(type) {
	case string:
		return v, nil
	case int:
		return strconv.Itoa(v), nil
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), nil
	case bool:
		if v {
			return "True", nil
		}
		return "False", nil
	case encoding.TextMarshaler: // time.Time
		b, err := v.MarshalText()
		return string(b), err
	}
	return "", fmt.Errorf("a value is of a kind that sops does not have (%T)", leaf)
}

// value is the document as a value of the language; what was encrypted is marked.
func value(node any) (cty.Value, error) {
	switch v := node.(type) {
	case secret:
		inner, err := value(v.value)
		return inner.WithMarks(lang.Sensitive), err
	case mapping:
		attrs := make(map[string]cty.Value, len(v))
		for _, it := range v {
			inner, err := value(it.value)
			if err != nil {
				return cty.NilVal, err
			}
			attrs[it.key] = inner
		}
		return cty.ObjectVal(attrs), nil
	case list:
		elems := make([]cty.Value, len(v))
		for i, e := range v {
			var err error
			if elems[i], err = value(e); err != nil {
				return cty.NilVal, err
			}
		}
		return cty.TupleVal(elems), nil
	case nil:
		return cty.NullVal(cty.DynamicPseudoType), nil
	case string:
		if !utf8.ValidString(v) {
			return cty.NilVal, errors.New("a value is not UTF-8 text")
		}
		return cty.StringVal(v), nil
	case int:
		return cty.NumberIntVal(int64(v)), nil
	case bool:
		return cty.BoolVal(v), nil
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return cty.NilVal, errors.New("a value is not a finite number")
		}
		return cty.NumberFloatVal(v), nil
	}
	s, err := leafText(node)
	return cty.StringVal(s), err
}

// plain is a node without what tells that it was encrypted.
func plain(node any) any {
	switch v := node.(type) {
	case secret:
		return plain(v.value)
	case mapping:
		out := make(mapping, len(v))
		for i, it := range v {
			out[i] = item{it.key, plain(it.value)}
		}
		return out
	case list:
		out := make(list, len(v))
		for i, e := range v {
			out[i] = plain(e)
		}
		return out
	}
	return node
}
