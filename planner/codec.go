package planner

import (
	"bytes"
	"encoding/json"
	"fmt"
	"sort"
	"strconv"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/stowage-iac/stowage/lang"
)

// codec turns values of one type into JSON and back. The JSON is what cty's own
// encoder writes, less the attributes of objects that are null: most are, and the
// decoder knows their type. Attributes that the type does not have are skipped, so
// that a state of a newer version can be read.
type codec struct {
	ty    cty.Type
	shape shape
	null  cty.Value
	empty cty.Value      // of a list
	attrs []attrCodec    // of an object, by name
	index map[string]int // name → attrs
	// absent is the representation of an object without any attribute; shared.
	absent map[string]any
	elem   *codec   // of a list, set or map
	elems  []*codec // of a tuple
	// dynamic: it is, or contains, a value whose type is part of it.
	dynamic bool
}

type attrCodec struct {
	name string
	key  []byte // "name":
	*codec
}

type shape uint8

const (
	shapeDynamic shape = iota
	shapeString
	shapeNumber
	shapeBool
	shapeObject
	shapeList
	shapeSet
	shapeMap
	shapeTuple
)

// newCodec compiles a type.
func newCodec(ty cty.Type) *codec {
	c := &codec{ty: ty, null: cty.NullVal(ty)}
	switch {
	case ty == cty.String:
		c.shape = shapeString
	case ty == cty.Number:
		c.shape = shapeNumber
	case ty == cty.Bool:
		c.shape = shapeBool
	case ty.IsObjectType():
		c.shape = shapeObject
		atys := ty.AttributeTypes()
		c.index, c.absent = make(map[string]int, len(atys)), make(map[string]any, len(atys))
		for name := range atys {
			c.attrs = append(c.attrs, attrCodec{name: name})
		}
		sort.Slice(c.attrs, func(i, j int) bool { return c.attrs[i].name < c.attrs[j].name })
		for i := range c.attrs {
			a := &c.attrs[i]
			c.index[a.name], c.absent[a.name] = i, nil
			a.key = append(appendString(nil, a.name), ':')
			a.codec = newCodec(atys[a.name])
			c.dynamic = c.dynamic || a.dynamic
		}
	case ty.IsListType():
		c.shape, c.elem, c.empty = shapeList, newCodec(ty.ElementType()), cty.ListValEmpty(ty.ElementType())
	case ty.IsSetType():
		c.shape, c.elem = shapeSet, newCodec(ty.ElementType())
	case ty.IsMapType():
		c.shape, c.elem = shapeMap, newCodec(ty.ElementType())
	case ty.IsTupleType():
		c.shape = shapeTuple
		for _, ety := range ty.TupleElementTypes() {
			e := newCodec(ety)
			c.elems, c.dynamic = append(c.elems, e), c.dynamic || e.dynamic
		}
	default:
		c.dynamic = true
	}
	if c.elem != nil {
		c.dynamic = c.elem.dynamic
	}
	return c
}

// encoded is a value as JSON, with the paths of what JSON cannot say.
type encoded struct {
	JSON      []byte
	Sensitive []string
	Unknown   []string // null in JSON
}

// encode writes a value of the codec's type.
func (c *codec) encode(v cty.Value) (encoded, error) {
	e := encoder{out: make([]byte, 0, 256)}
	if err := e.value(c, v); err != nil {
		return encoded{}, err
	}
	return encoded{JSON: e.out, Sensitive: e.sensitive, Unknown: e.unknown}, nil
}

type encoder struct {
	out       []byte
	path      []byte
	sensitive []string
	unknown   []string
}

func (e *encoder) value(c *codec, v cty.Value) error {
	if v == cty.NilVal {
		e.out = append(e.out, "null"...)
		return nil
	}
	if v.IsMarked() {
		if lang.IsEphemeral(v) {
			return fmt.Errorf("%s is ephemeral: it can be recorded nowhere", pathOrValue(e.path))
		}
		v, _ = v.Unmark()
		e.sensitive = append(e.sensitive, string(e.path))
	}
	if !v.IsKnown() || c.shape == shapeSet && !v.IsWhollyKnown() {
		e.unknown = append(e.unknown, string(e.path))
		e.out = append(e.out, "null"...)
		return nil
	}
	if v.IsNull() {
		e.out = append(e.out, "null"...)
		return nil
	}
	switch c.shape {
	case shapeString:
		e.out = appendString(e.out, v.AsString())
	case shapeNumber:
		bf := v.AsBigFloat()
		if bf.IsInf() {
			return fmt.Errorf("%s is infinite, which cannot be recorded", pathOrValue(e.path))
		}
		if n, acc := bf.Int64(); acc == 0 {
			e.out = strconv.AppendInt(e.out, n, 10)
		} else {
			e.out = bf.Append(e.out, 'f', -1)
		}
	case shapeBool:
		e.out = strconv.AppendBool(e.out, v.True())
	case shapeObject:
		return e.object(c, v)
	case shapeList, shapeSet, shapeTuple:
		return e.sequence(c, v)
	case shapeMap:
		return e.mapping(c, v)
	default:
		return e.dynamic(v)
	}
	return nil
}

func (e *encoder) object(c *codec, v cty.Value) error {
	e.out = append(e.out, '{')
	first := true
	for i := range c.attrs {
		a := &c.attrs[i]
		av := v.GetAttr(a.name)
		if !av.IsMarked() && av.IsNull() {
			continue
		}
		if !first {
			e.out = append(e.out, ',')
		}
		first = false
		e.out = append(e.out, a.key...)
		n := len(e.path)
		if n > 0 {
			e.path = append(e.path, '.')
		}
		e.path = append(e.path, a.name...)
		if err := e.value(a.codec, av); err != nil {
			return err
		}
		e.path = e.path[:n]
	}
	e.out = append(e.out, '}')
	return nil
}

func (e *encoder) sequence(c *codec, v cty.Value) error {
	e.out = append(e.out, '[')
	for i, ev := range lang.Elements(v) {
		if i > 0 {
			e.out = append(e.out, ',')
		}
		elem := c.elem
		if c.shape == shapeTuple {
			elem = c.elems[i]
		}
		n := len(e.path)
		e.path = append(strconv.AppendInt(append(e.path, '['), int64(i), 10), ']')
		if err := e.value(elem, ev); err != nil {
			return err
		}
		e.path = e.path[:n]
	}
	e.out = append(e.out, ']')
	return nil
}

func (e *encoder) mapping(c *codec, v cty.Value) error {
	e.out = append(e.out, '{')
	first := true
	for it := v.ElementIterator(); it.Next(); {
		k, ev := it.Element()
		if !first {
			e.out = append(e.out, ',')
		}
		first = false
		key := k.AsString()
		e.out = append(appendString(e.out, key), ':')
		n := len(e.path)
		e.path = append(strconv.AppendQuote(append(e.path, '['), key), ']')
		if err := e.value(c.elem, ev); err != nil {
			return err
		}
		e.path = e.path[:n]
	}
	e.out = append(e.out, '}')
	return nil
}

// dynamic writes {"type":…,"value":…}, the type being found in the value. What is
// inside of it is as sensitive as its most sensitive part.
func (e *encoder) dynamic(v cty.Value) error {
	if lang.IsEphemeral(v) {
		return fmt.Errorf("%s is ephemeral: it can be recorded nowhere", pathOrValue(e.path))
	}
	v, marks := v.UnmarkDeep()
	if len(marks) > 0 && (len(e.sensitive) == 0 || e.sensitive[len(e.sensitive)-1] != string(e.path)) {
		e.sensitive = append(e.sensitive, string(e.path))
	}
	if !v.IsWhollyKnown() {
		e.unknown = append(e.unknown, string(e.path))
		e.out = append(e.out, "null"...)
		return nil
	}
	b, err := ctyjson.Marshal(v, cty.DynamicPseudoType)
	if err != nil {
		return fmt.Errorf("%s: %w", pathOrValue(e.path), err)
	}
	e.out = append(e.out, b...)
	return nil
}

func pathOrValue(path []byte) string {
	if len(path) == 0 {
		return "the value"
	}
	return string(path)
}

const hexDigits = "0123456789abcdef"

// appendString writes a JSON string. Like ctyjson it leaves UTF-8 alone.
func appendString(out []byte, s string) []byte {
	out = append(out, '"')
	start := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		out = append(out, s[start:i]...)
		switch c {
		case '"', '\\':
			out = append(out, '\\', c)
		case '\n':
			out = append(out, '\\', 'n')
		case '\t':
			out = append(out, '\\', 't')
		default:
			out = append(out, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
		start = i + 1
	}
	return append(append(out, s[start:]...), '"')
}

// restore puts back what JSON could not say: unknown parts and sensitive marks.
func restore(v cty.Value, sensitive, unknown []string) (cty.Value, error) {
	for _, p := range unknown {
		path, err := parsePath(p)
		if err != nil {
			return v, err
		}
		v = setPath(v, path, func(old cty.Value) cty.Value { return cty.UnknownVal(old.Type()) })
	}
	for _, p := range sensitive {
		path, err := parsePath(p)
		if err != nil {
			return v, err
		}
		v = setPath(v, path, func(old cty.Value) cty.Value { return old.WithMarks(lang.Sensitive) })
	}
	return v, nil
}

// compact removes insignificant space, so that recorded values that were indented compare equal.
func compact(raw json.RawMessage) []byte {
	var b bytes.Buffer
	if err := json.Compact(&b, raw); err != nil {
		return raw
	}
	return b.Bytes()
}
