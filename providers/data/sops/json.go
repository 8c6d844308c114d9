package sops

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// parseJSON reads an object in the order of the file.
func parseJSON(b []byte) (mapping, error) {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	node, err := jsonNode(dec, 0)
	if err == nil {
		if _, more := dec.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("something follows the object")
		}
	}
	if err != nil {
		return nil, fmt.Errorf("it is not JSON as sops writes it: %w", err)
	}
	m, ok := node.(mapping)
	if !ok {
		return nil, errors.New("it is not a JSON object")
	}
	return m, nil
}

func jsonNode(dec *json.Decoder, depth int) (any, error) {
	if depth > maxDepth {
		return nil, errDepth
	}
	t, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch t := t.(type) {
	case json.Delim:
		if t == '{' {
			return jsonObject(dec, depth)
		}
		var l list
		for dec.More() {
			v, err := jsonNode(dec, depth+1)
			if err != nil {
				return nil, err
			}
			l = append(l, v)
		}
		_, err := dec.Token()
		return l, err
	case json.Number:
		if i, err := t.Int64(); err == nil {
			return int(i), nil
		}
		return t.Float64()
	}
	return t, nil // string, bool, nil
}

func jsonObject(dec *json.Decoder, depth int) (any, error) {
	m := mapping{}
	seen := map[string]bool{}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, err
		}
		name, ok := key.(string)
		if !ok || seen[name] {
			return nil, fmt.Errorf("the name %q is there twice", name)
		}
		seen[name] = true
		v, err := jsonNode(dec, depth+1)
		if err != nil {
			return nil, err
		}
		m = append(m, item{name, v})
	}
	_, err := dec.Token()
	return m, err
}

// writeJSON is the document as JSON, in its order.
func writeJSON(m mapping) ([]byte, error) {
	var b, out bytes.Buffer
	if err := toJSON(&b, m); err != nil {
		return nil, err
	}
	if err := json.Indent(&out, b.Bytes(), "", "  "); err != nil {
		return nil, err
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}

func toJSON(b *bytes.Buffer, node any) error {
	switch v := node.(type) {
	case mapping:
		b.WriteByte('{')
		for i, it := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			if err := toJSON(b, it.key); err != nil {
				return err
			}
			b.WriteByte(':')
			if err := toJSON(b, it.value); err != nil {
				return err
			}
		}
		b.WriteByte('}')
	case list:
		b.WriteByte('[')
		for i, e := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			if err := toJSON(b, e); err != nil {
				return err
			}
		}
		b.WriteByte(']')
	default:
		enc := json.NewEncoder(b)
		enc.SetEscapeHTML(false)
		return enc.Encode(v)
	}
	return nil
}
