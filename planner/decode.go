package planner

import (
	"errors"
	"fmt"
	"maps"

	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang/numbers"
)

// decoder reads values that a codec wrote. Equal parts of different values (the
// containers of many instances of one block, say) are decoded once and shared:
// values are immutable. Not safe for concurrent use.
type decoder struct {
	memo    map[*codec]*memo
	scratch map[*codec]map[string]cty.Value
	in      []byte
	pos     int
	depth   int
	texts   map[string]cty.Value // short ones, which many values have
	lost    int                  // how many more texts were not among them than were
	// odd: a dynamic value was met, so that types are not those of the codecs.
	odd bool
}

// memo keeps the parts of one type that were decoded.
type memo struct {
	values     map[string]cty.Value
	hits, lost int
}

// Bounds of sharing: a part shorter or longer than this is not worth a look-up or
// its memory, and so many parts per type are kept. A type of which memoTries parts
// more were looked up in vain than were found is given up: its parts differ.
const (
	memoMin     = 16
	memoMax     = 4 << 10
	memoEntries = 1 << 12
	memoTries   = 1 << 6
	maxDepth    = 200
)

func newDecoder() *decoder {
	return &decoder{memo: map[*codec]*memo{}, scratch: map[*codec]map[string]cty.Value{}, texts: map[string]cty.Value{}}
}

var errTruncated = errors.New("the JSON ends too early")

// decode reads one value of the codec's type; nothing may follow it.
func (d *decoder) decode(c *codec, raw []byte) (cty.Value, error) {
	d.in, d.pos, d.depth = raw, 0, 0
	v, err := d.value(c)
	if err == nil {
		if d.space(); d.pos != len(d.in) {
			err = d.errorf("unexpected %q after the value", d.in[d.pos])
		}
	}
	d.in = nil
	if err != nil {
		return cty.NilVal, err
	}
	return v, nil
}

func (d *decoder) errorf(format string, args ...any) error {
	return fmt.Errorf("at byte %d: %s", d.pos, fmt.Sprintf(format, args...))
}

func (d *decoder) space() {
	for d.pos < len(d.in) {
		switch d.in[d.pos] {
		case ' ', '\t', '\n', '\r':
			d.pos++
		default:
			return
		}
	}
}

// peek is the next significant byte, 0 at the end.
func (d *decoder) peek() byte {
	d.space()
	if d.pos >= len(d.in) {
		return 0
	}
	return d.in[d.pos]
}

func (d *decoder) literal(s string) bool {
	if len(d.in)-d.pos >= len(s) && string(d.in[d.pos:d.pos+len(s)]) == s {
		d.pos += len(s)
		return true
	}
	return false
}

func (d *decoder) value(c *codec) (cty.Value, error) {
	switch b := d.peek(); {
	case b == 0:
		return cty.NilVal, errTruncated
	case b == 'n' && d.literal("null"):
		return c.null, nil
	}
	switch c.shape {
	case shapeString:
		return d.string()
	case shapeNumber:
		return d.number()
	case shapeBool:
		switch {
		case d.literal("true"):
			return cty.True, nil
		case d.literal("false"):
			return cty.False, nil
		}
		return cty.NilVal, d.errorf("true or false is expected")
	case shapeDynamic:
		raw, err := d.skip()
		if err != nil {
			return cty.NilVal, err
		}
		d.odd = true
		return numbers.FromJSON(raw, cty.DynamicPseudoType)
	}
	return d.shared(c)
}

// shared decodes a structure, or finds it among those decoded before.
func (d *decoder) shared(c *codec) (cty.Value, error) {
	if d.depth++; d.depth > maxDepth {
		return cty.NilVal, d.errorf("it is nested more than %d levels deep", maxDepth)
	}
	defer func() { d.depth-- }()
	seen := d.memo[c]
	if seen == nil {
		seen = &memo{values: map[string]cty.Value{}}
		d.memo[c] = seen
	}
	if d.depth == 1 || seen.lost > seen.hits+memoTries {
		return d.structure(c)
	}
	start := d.pos
	raw, err := d.skip()
	if err != nil {
		return cty.NilVal, err
	}
	if len(raw) < memoMin || len(raw) > memoMax {
		d.pos = start
		return d.structure(c)
	}
	if v, ok := seen.values[string(raw)]; ok {
		seen.hits++
		return v, nil
	}
	seen.lost++
	d.pos = start
	before := d.odd
	d.odd = false
	v, err := d.structure(c)
	if err != nil || d.odd {
		return v, err
	}
	d.odd = before
	if len(seen.values) < memoEntries {
		seen.values[string(raw)] = v
	}
	return v, nil
}

func (d *decoder) structure(c *codec) (cty.Value, error) {
	switch c.shape {
	case shapeObject:
		return d.object(c)
	case shapeMap:
		return d.mapping(c)
	default:
		return d.sequence(c)
	}
}

func (d *decoder) object(c *codec) (cty.Value, error) {
	if !layoutKnown {
		return d.anyObject(c)
	}
	start, before := d.pos, d.odd
	d.odd = false
	vals := maps.Clone(c.absent)
	err := d.attributes(c, func(name string, v cty.Value) { vals[name] = raw(v) })
	if err != nil {
		return cty.NilVal, err
	}
	if d.odd {
		d.pos = start
		return d.anyObject(c)
	}
	d.odd = before
	return fromRaw(c.ty, vals), nil
}

// anyObject is object by way of cty's constructor, which finds the type in the values.
func (d *decoder) anyObject(c *codec) (cty.Value, error) {
	// ObjectVal copies, so one map per type is enough; nested objects of the same
	// type cannot be, a type being finite.
	vals := d.scratch[c]
	if vals == nil {
		vals = make(map[string]cty.Value, len(c.attrs))
		d.scratch[c] = vals
	}
	for i := range c.attrs {
		vals[c.attrs[i].name] = c.attrs[i].null
	}
	if err := d.attributes(c, func(name string, v cty.Value) { vals[name] = v }); err != nil {
		return cty.NilVal, err
	}
	return cty.ObjectVal(vals), nil
}

func (d *decoder) attributes(c *codec, set func(name string, v cty.Value)) error {
	return d.members(func(key []byte) error {
		i, ok := c.index[string(key)]
		if !ok {
			_, err := d.skip()
			return err
		}
		a := &c.attrs[i]
		v, err := d.value(a.codec)
		if err != nil {
			return fmt.Errorf("%s: %w", a.name, err)
		}
		set(a.name, v)
		return nil
	})
}

func (d *decoder) mapping(c *codec) (cty.Value, error) {
	if layoutKnown && !c.dynamic {
		return d.rawMapping(c)
	}
	vals := map[string]cty.Value{}
	err := d.members(func(key []byte) error {
		name := string(key) // before the decoder goes on
		v, err := d.value(c.elem)
		if err != nil {
			return fmt.Errorf("[%q]: %w", name, err)
		}
		vals[name] = v
		return nil
	})
	switch {
	case err != nil:
		return cty.NilVal, err
	case len(vals) == 0:
		return cty.MapValEmpty(c.elem.ty), nil
	case !cty.CanMapVal(vals):
		return cty.NilVal, d.errorf("the elements of the map have different types")
	}
	return cty.MapVal(vals), nil
}

// rawMapping is mapping of elements that all have exactly the type that they should have.
func (d *decoder) rawMapping(c *codec) (cty.Value, error) {
	vals := map[string]any{}
	err := d.members(func(key []byte) error {
		name, _ := raw(d.known(key)).(string)
		v, err := d.value(c.elem)
		if err != nil {
			return fmt.Errorf("[%q]: %w", name, err)
		}
		vals[name] = raw(v)
		return nil
	})
	if err != nil {
		return cty.NilVal, err
	}
	return fromRaw(c.ty, vals), nil
}

func (d *decoder) sequence(c *codec) (cty.Value, error) {
	if d.peek() != '[' {
		return cty.NilVal, d.errorf("a list is expected")
	}
	d.pos++
	var few [4]cty.Value
	vals := few[:0]
	for first := true; d.peek() != ']'; first = false {
		if !first {
			if d.peek() != ',' {
				return cty.NilVal, d.errorf("a comma or the end of the list is expected")
			}
			d.pos++
		}
		elem := c.elem
		if c.shape == shapeTuple {
			if len(vals) == len(c.elems) {
				return cty.NilVal, d.errorf("the list has more than %d elements", len(c.elems))
			}
			elem = c.elems[len(vals)]
		}
		v, err := d.value(elem)
		if err != nil {
			return cty.NilVal, fmt.Errorf("[%d]: %w", len(vals), err)
		}
		vals = append(vals, v)
	}
	d.pos++
	return c.collect(vals)
}

func (c *codec) collect(vals []cty.Value) (cty.Value, error) {
	switch c.shape {
	case shapeTuple:
		if len(vals) != len(c.elems) {
			return cty.NilVal, fmt.Errorf("the list has %d elements instead of %d", len(vals), len(c.elems))
		}
		return cty.TupleVal(vals), nil
	case shapeSet:
		switch {
		case len(vals) == 0:
			return cty.SetValEmpty(c.elem.ty), nil
		case !cty.CanSetVal(vals):
			return cty.NilVal, errors.New("the elements of the set have different types")
		}
		return cty.SetVal(vals), nil
	}
	switch {
	case len(vals) == 0:
		return c.empty, nil
	case layoutKnown && !c.dynamic:
		elems := make([]any, len(vals))
		for i, v := range vals {
			elems[i] = raw(v)
		}
		return fromRaw(c.ty, elems), nil
	case !cty.CanListVal(vals):
		return cty.NilVal, errors.New("the elements of the list have different types")
	}
	return cty.ListVal(vals), nil
}

// members calls f for each key of an object, with the decoder at its value.
func (d *decoder) members(f func(key []byte) error) error {
	if d.peek() != '{' {
		return d.errorf("an object is expected")
	}
	d.pos++
	for first := true; d.peek() != '}'; first = false {
		if !first {
			if d.peek() != ',' {
				return d.errorf("a comma or the end of the object is expected")
			}
			d.pos++
			d.space()
		}
		key, err := d.text()
		if err != nil {
			return err
		}
		if d.peek() != ':' {
			return d.errorf("a colon is expected after %q", key)
		}
		d.pos++
		if err := f(key); err != nil {
			return err
		}
	}
	d.pos++
	return nil
}
