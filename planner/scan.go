package planner

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang/numbers"
)

// str reads a string.
func (d *decoder) str() (string, error) {
	text, err := d.text()
	return string(text), err
}

// text reads a string; plain ASCII, the common case, without the JSON package and
// without a copy.
func (d *decoder) text() ([]byte, error) {
	if d.peek() != '"' {
		return nil, d.errorf("a string is expected")
	}
	start := d.pos + 1
	for i := start; i < len(d.in); i++ {
		switch b := d.in[i]; {
		case b == '"':
			d.pos = i + 1
			return d.in[start:i], nil
		case b == '\\' || b >= 0x80 || b < 0x20:
			return d.escaped()
		}
	}
	return nil, errTruncated
}

// string reads a string as a value.
func (d *decoder) string() (cty.Value, error) {
	text, err := d.text()
	if err != nil {
		return cty.NilVal, err
	}
	return d.known(text), nil
}

// Bounds of the texts that are kept: longer ones are seldom equal, and a state that has
// textTries more that were not found than were has few that are.
const (
	textMax     = 128
	textEntries = 1 << 12
	textTries   = 1 << 12
)

// known is the value of a text: one that was read before has its value already.
func (d *decoder) known(text []byte) cty.Value {
	if len(text) > textMax || d.lost > textTries {
		return cty.StringVal(string(text))
	}
	if v, ok := d.texts[string(text)]; ok {
		d.lost--
		return v
	}
	d.lost++
	v := cty.StringVal(string(text))
	if len(d.texts) < textEntries {
		d.texts[string(text)] = v
	}
	return v
}

func (d *decoder) escaped() ([]byte, error) {
	start := d.pos
	end, err := d.skipString()
	if err != nil {
		return nil, err
	}
	var s string
	if err := json.Unmarshal(d.in[start:end], &s); err != nil {
		return nil, d.errorf("%v", err)
	}
	d.pos = end
	return []byte(s), nil
}

// skipString finds the end of the string at pos, without moving.
func (d *decoder) skipString() (int, error) {
	for i := d.pos + 1; i < len(d.in); i++ {
		switch d.in[i] {
		case '\\':
			i++
		case '"':
			return i + 1, nil
		}
	}
	return 0, errTruncated
}

func (d *decoder) number() (cty.Value, error) {
	start := d.pos
	if d.peek() == '"' { // ctyjson accepts numbers in quotes, so we do
		s, err := d.str()
		if err != nil {
			return cty.NilVal, err
		}
		return parseNumber(s)
	}
	for d.pos < len(d.in) {
		b := d.in[d.pos]
		if (b < '0' || b > '9') && b != '-' && b != '+' && b != '.' && b != 'e' && b != 'E' {
			break
		}
		d.pos++
	}
	if d.pos == start {
		return cty.NilVal, d.errorf("a number is expected")
	}
	return parseNumber(string(d.in[start:d.pos]))
}

// smallNumbers are the values of the numbers from 0 on.
var smallNumbers = func() (all [256]cty.Value) {
	for n := range all {
		all[n] = cty.NumberIntVal(int64(n))
	}
	return all
}()

func parseNumber(s string) (cty.Value, error) {
	if len(s) < 19 {
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			if n >= 0 && n < int64(len(smallNumbers)) {
				return smallNumbers[n], nil
			}
			return cty.NumberIntVal(n), nil
		}
	}
	if err := numbers.Text(s); err != nil {
		return cty.NilVal, err
	}
	v, err := cty.ParseNumberVal(s)
	if err != nil {
		return cty.NilVal, fmt.Errorf("%q is not a number", s)
	}
	if err := numbers.Check(v); err != nil {
		return cty.NilVal, err
	}
	return v, nil
}

// skip passes over one value and returns its bytes.
func (d *decoder) skip() ([]byte, error) {
	d.space()
	start, depth := d.pos, 0
	for d.pos < len(d.in) {
		switch d.in[d.pos] {
		case '"':
			end, err := d.skipString()
			if err != nil {
				return nil, err
			}
			d.pos = end
		case '{', '[':
			depth++
			d.pos++
		case '}', ']':
			if depth == 0 {
				return d.in[start:d.pos], nil
			}
			depth--
			d.pos++
		case ',':
			if depth == 0 {
				return d.in[start:d.pos], nil
			}
			d.pos++
			continue
		default:
			d.pos++
			continue
		}
		if depth == 0 {
			return d.in[start:d.pos], nil
		}
	}
	if depth > 0 || d.pos == start {
		return nil, errTruncated
	}
	return d.in[start:d.pos], nil
}
