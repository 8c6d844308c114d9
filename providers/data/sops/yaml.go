package sops

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"go.yaml.in/yaml/v3"
)

// parseYAML reads one document. sops writes neither anchors nor aliases.
func parseYAML(b []byte) (mapping, error) {
	dec := yaml.NewDecoder(bytes.NewReader(b))
	var doc, next yaml.Node
	if err := dec.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, errors.New("it is empty")
		}
		return nil, fmt.Errorf("it is not YAML: %s", err)
	}
	switch err := dec.Decode(&next); {
	case err == nil:
		return nil, errors.New("it holds several YAML documents; keep each in a file of its own")
	case !errors.Is(err, io.EOF):
		return nil, fmt.Errorf("it is not YAML: %s", err)
	}
	if len(doc.Content) != 1 {
		return nil, errors.New("it is empty")
	}
	node, err := yamlNode(doc.Content[0], 0)
	if err != nil {
		return nil, err
	}
	m, ok := node.(mapping)
	if !ok {
		return nil, errors.New("it is not a mapping of names to values")
	}
	return m, nil
}

func yamlNode(n *yaml.Node, depth int) (any, error) {
	if depth > maxDepth {
		return nil, errDepth
	}
	switch n.Kind {
	case yaml.MappingNode:
		m := make(mapping, 0, len(n.Content)/2)
		seen := make(map[string]bool, len(n.Content)/2)
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i]
			if key.Kind != yaml.ScalarNode {
				return nil, fmt.Errorf("line %d: a name is not a text", key.Line)
			}
			if seen[key.Value] {
				return nil, fmt.Errorf("line %d: the name %q is there twice", key.Line, key.Value)
			}
			seen[key.Value] = true
			v, err := yamlNode(n.Content[i+1], depth+1)
			if err != nil {
				return nil, err
			}
			m = append(m, item{key.Value, v})
		}
		return m, nil
	case yaml.SequenceNode:
		l := make(list, len(n.Content))
		for i, e := range n.Content {
			var err error
			if l[i], err = yamlNode(e, depth+1); err != nil {
				return nil, err
			}
		}
		return l, nil
	case yaml.ScalarNode:
		var v any
		if err := n.Decode(&v); err != nil {
			return nil, fmt.Errorf("line %d: %s", n.Line, err)
		}
		return yamlScalar(n, v)
	}
	return nil, fmt.Errorf("line %d: it has an alias, which sops does not write", n.Line)
}

func yamlScalar(n *yaml.Node, v any) (any, error) {
	switch v := v.(type) {
	case nil, string, int, float64, bool, time.Time:
		return v, nil
	}
	return nil, fmt.Errorf("line %d: %s is a kind of value that sops does not have", n.Line, n.Tag)
}

// writeYAML is the document as YAML, in its order and without comments.
func writeYAML(m mapping) ([]byte, error) {
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	node, err := toYAML(m)
	if err != nil {
		return nil, err
	}
	if err := enc.Encode(node); err != nil {
		return nil, err
	}
	if err := enc.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func toYAML(node any) (*yaml.Node, error) {
	out := &yaml.Node{}
	switch v := node.(type) {
	case mapping:
		out.Kind = yaml.MappingNode
		for _, it := range v {
			key := &yaml.Node{}
			if err := key.Encode(it.key); err != nil {
				return nil, err
			}
			value, err := toYAML(it.value)
			if err != nil {
				return nil, err
			}
			out.Content = append(out.Content, key, value)
		}
	case list:
		out.Kind = yaml.SequenceNode
		for _, e := range v {
			value, err := toYAML(e)
			if err != nil {
				return nil, err
			}
			out.Content = append(out.Content, value)
		}
	default:
		return out, out.Encode(v)
	}
	return out, nil
}
