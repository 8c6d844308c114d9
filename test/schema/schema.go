// Package schema holds documents against the JSON Schemas of docs/schema. The
// schemas are open, so that readers live with fields that are added; the tests
// close them, so that a field that is not documented fails.
package schema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Schema is a compiled schema of docs/schema.
type Schema struct {
	name     string
	compiled *jsonschema.Schema
}

// Dir is where the schemas are.
func Dir() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "../../docs/schema")
}

// Load is Open for a test.
func Load(t testing.TB, name string) *Schema {
	t.Helper()
	s, err := Open(name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Open compiles docs/schema/NAME.schema.json, closed.
func Open(name string) (*Schema, error) {
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	files, err := filepath.Glob(filepath.Join(Dir(), "*.schema.json"))
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		v, err := Read(f)
		if err != nil {
			return nil, err
		}
		if err := c.AddResource(address(filepath.Base(f)), closed(v)); err != nil {
			return nil, err
		}
	}
	s, err := c.Compile(address(name + ".schema.json"))
	if err != nil {
		return nil, fmt.Errorf("docs/schema/%s.schema.json: %w", name, err)
	}
	return &Schema{name, s}, nil
}

// address is a URL under which the schemas find each other.
func address(file string) string { return "https://stowage.invalid/" + file }

// Read decodes a JSON file.
func Read(file string) (any, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return v, nil
}

// closed refuses what an object's schema does not name, but for schemas that are
// only a part of others ("$comment": "part").
func closed(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for _, e := range v {
			closed(e)
		}
		_, names := v["properties"].(map[string]any)
		if _, open := v["additionalProperties"]; names && !open && v["$comment"] != "part" {
			v["unevaluatedProperties"] = false
		}
	case []any:
		for _, e := range v {
			closed(e)
		}
	}
	return v
}

// Check returns why a document is not as the schema says, nil when it is.
func (s *Schema) Check(document []byte) error {
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
	if err != nil {
		return err
	}
	if err := s.compiled.Validate(v); err != nil {
		return fmt.Errorf("it is not as docs/schema/%s.schema.json says (a new field belongs there and into docs/plan.md): %w", s.name, err)
	}
	return nil
}

// Lines checks every line of a stream, and returns how many records it has of each type.
func (s *Schema) Lines(stream []byte) (map[string]int, error) {
	types := map[string]int{}
	for i, line := range bytes.Split(bytes.TrimSpace(stream), []byte("\n")) {
		if err := s.Check(line); err != nil {
			return nil, fmt.Errorf("line %d: %s: %w", i+1, line, err)
		}
		var record struct{ Type string }
		if err := json.Unmarshal(line, &record); err != nil {
			return nil, err
		}
		types[record.Type]++
	}
	return types, nil
}
