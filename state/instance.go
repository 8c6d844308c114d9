package state

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"
)

var valueOpen = []byte(`,"value":`)

// appendInstance writes an instance as one line of JSON with the value last.
func appendInstance(out []byte, i *Instance) []byte {
	out = append(out, `{"address":`...)
	out = appendString(out, i.Address)
	out = append(out, `,"kind":`...)
	out = appendString(out, i.Kind)
	if i.Object != "" {
		out = append(out, `,"object":`...)
		out = appendString(out, i.Object)
	}
	out = appendStrings(out, `,"sensitive":[`, i.Sensitive)
	out = appendStrings(out, `,"deps":[`, i.Deps)
	out = appendStrings(out, `,"placement":[`, i.Placement)
	if i.PreventDestroy {
		out = append(out, `,"prevent_destroy":true`...)
	}
	if i.DeleteTimeout != "" {
		out = append(out, `,"delete_timeout":`...)
		out = appendString(out, i.DeleteTimeout)
	}
	if i.Incomplete {
		out = append(out, `,"incomplete":true`...)
	}
	if i.Replace {
		out = append(out, `,"replace":true`...)
	}
	if i.Taking != "" {
		out = append(out, `,"taking":`...)
		out = appendString(out, i.Taking)
	}
	out = append(out, valueOpen...)
	out = appendValue(out, i.Value)
	return append(out, '}')
}

func appendStrings(out []byte, key string, list []string) []byte {
	if len(list) == 0 {
		return out
	}
	out = append(out, key...)
	for n, s := range list {
		if n > 0 {
			out = append(out, ',')
		}
		out = appendString(out, s)
	}
	return append(out, ']')
}

func appendString(out []byte, s string) []byte {
	start := len(out)
	out = append(out, '"')
	for n := 0; n < len(s); n++ {
		switch c := s[n]; {
		case c == '"' || c == '\\':
			out = append(out, '\\', c)
		case c < ' ' || c >= utf8.RuneSelf:
			b, err := json.Marshal(s)
			if err != nil { // a string always is JSON
				panic(err)
			}
			return append(out[:start], b...)
		default:
			out = append(out, c)
		}
	}
	return append(out, '"')
}

// appendValue keeps a value on one line.
func appendValue(out []byte, v json.RawMessage) []byte {
	if len(v) == 0 {
		return append(out, "null"...)
	}
	if bytes.IndexByte(v, '\n') < 0 {
		return append(out, v...)
	}
	var b bytes.Buffer
	if json.Compact(&b, v) != nil { // checkInstance refused it before
		return append(out, "null"...)
	}
	return append(out, b.Bytes()...)
}

// checkInstance refuses what could not be read back.
func checkInstance(i *Instance) error {
	if i.Address == "" || i.Kind == "" {
		return fmt.Errorf("an instance without address or kind (%q, %q)", i.Address, i.Kind)
	}
	if len(i.Value) > 0 && !json.Valid(i.Value) {
		return fmt.Errorf("the value of %s is not JSON", i.Address)
	}
	if d, err := time.ParseDuration(i.DeleteTimeout); i.DeleteTimeout != "" && (err != nil || d <= 0) {
		return fmt.Errorf("the delete_timeout of %s is %q, which is no duration such as 5m0s", i.Address, i.DeleteTimeout)
	}
	return nil
}

// decodeInstance reverses appendInstance. The value aliases line: within a JSON
// string a quote follows a backslash, so the first `,"value":` is the key.
func decodeInstance(line []byte) (*Instance, error) {
	n := bytes.Index(line, valueOpen)
	if n < 0 || line[len(line)-1] != '}' || n+len(valueOpen) > len(line)-2 {
		return nil, errors.New("an instance without a value")
	}
	i := &Instance{}
	end := len(line) - 1
	i.Value = json.RawMessage(line[n+len(valueOpen) : end : end])
	if !i.decodeHead(line[:n]) {
		head := append(bytes.Clone(line[:n]), '}')
		value := i.Value
		*i = Instance{}
		if err := json.Unmarshal(head, i); err != nil {
			return nil, fmt.Errorf("an instance: %w", err)
		}
		i.Value = value
	}
	if i.Address == "" {
		return nil, errors.New("an instance without an address")
	}
	return i, nil
}

// decodeHead reads the keys before the value, in the order of appendInstance and
// with no escapes but \" and \\; false sends the caller to encoding/json.
func (i *Instance) decodeHead(head []byte) bool {
	r := headReader{rest: head}
	i.Address = r.str(`{"address":`)
	i.Kind = r.str(`,"kind":`)
	if r.skip(`,"object":`) {
		i.Object = r.str("")
	}
	i.Sensitive = r.list(`,"sensitive":[`)
	i.Deps = r.list(`,"deps":[`)
	i.Placement = r.list(`,"placement":[`)
	i.PreventDestroy = r.skip(`,"prevent_destroy":true`)
	if r.skip(`,"delete_timeout":`) {
		i.DeleteTimeout = r.str("")
	}
	i.Incomplete = r.skip(`,"incomplete":true`)
	i.Replace = r.skip(`,"replace":true`)
	if r.skip(`,"taking":`) {
		i.Taking = r.str("")
	}
	return !r.failed && len(r.rest) == 0
}

type headReader struct {
	rest   []byte
	failed bool
}

func (r *headReader) skip(literal string) bool {
	if r.failed || len(r.rest) < len(literal) || string(r.rest[:len(literal)]) != literal {
		return false
	}
	r.rest = r.rest[len(literal):]
	return true
}

func (r *headReader) str(key string) string {
	if !r.skip(key) || !r.skip(`"`) {
		r.failed = true
		return ""
	}
	var unescaped []byte // nil as long as nothing is escaped
	from := 0
	for n := 0; n < len(r.rest); n++ {
		switch c := r.rest[n]; {
		case c == '"':
			s := string(append(unescaped, r.rest[from:n]...))
			r.rest = r.rest[n+1:]
			return s
		case c == '\\' && n+1 < len(r.rest) && (r.rest[n+1] == '"' || r.rest[n+1] == '\\'):
			unescaped = append(unescaped, r.rest[from:n]...)
			n++
			from = n
		case c == '\\' || c < ' ' || c >= utf8.RuneSelf:
			r.failed = true
			return ""
		}
	}
	r.failed = true
	return ""
}

func (r *headReader) list(key string) []string {
	if !r.skip(key) {
		return nil
	}
	list := []string{r.str("")}
	for !r.failed && r.skip(",") {
		list = append(list, r.str(""))
	}
	if !r.skip("]") {
		r.failed = true
	}
	return list
}
