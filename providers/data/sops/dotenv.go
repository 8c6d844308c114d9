package sops

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// parseDotenv reads lines NAME=VALUE. Metadata are those that begin with sops_;
// their structure is in their names: sops_age__list_0__map_enc.
func parseDotenv(b []byte) (mapping, error) {
	var m mapping
	meta := mapping{}
	seen := map[string]bool{}
	n := 0
	for line := range bytes.Lines(b) {
		n++
		text := strings.TrimRight(string(line), "\r\n")
		if text == "" || text[0] == '#' {
			continue
		}
		name, v, ok := strings.Cut(text, "=")
		if !ok {
			return nil, fmt.Errorf("line %d has no =", n)
		}
		if seen[name] {
			return nil, fmt.Errorf("line %d: the name %q is there twice", n, name)
		}
		seen[name] = true
		v = strings.ReplaceAll(v, `\n`, "\n")
		field, ok := strings.CutPrefix(name, "sops_")
		if !ok {
			m = append(m, item{name, v})
			continue
		}
		var err error
		if meta, err = flattened(meta, field, v); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
	}
	if len(meta) > 0 {
		m = append(m, item{metadataKey, meta})
	}
	return m, nil
}

// flattened puts a field such as lastmodified or age__list_0__map_enc into the metadata.
func flattened(meta mapping, field, v string) (mapping, error) {
	name, rest, ok := strings.Cut(field, "__list_")
	if !ok {
		return append(meta, item{name, v}), nil
	}
	index, inner, _ := strings.Cut(rest, "__map_")
	i, err := strconv.Atoi(index)
	if err != nil || i < 0 || i > 1000 {
		return nil, errors.New("it is no field of sops")
	}
	at := -1
	for j := range meta {
		if meta[j].key == name {
			at = j
		}
	}
	if at < 0 {
		meta, at = append(meta, item{name, list{}}), len(meta)
	}
	l, ok := meta[at].value.(list)
	if !ok {
		return nil, errors.New("it is no field of sops")
	}
	for len(l) <= i {
		l = append(l, mapping{})
	}
	l[i] = append(l[i].(mapping), item{inner, v})
	meta[at].value = l
	return meta, nil
}

// writeDotenv is the document as lines.
func writeDotenv(m mapping) ([]byte, error) {
	var b bytes.Buffer
	for _, it := range m {
		s, err := leafText(it.value)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, "%s=%s\n", it.key, strings.ReplaceAll(s, "\n", `\n`))
	}
	return b.Bytes(), nil
}
