package view

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"pgregory.net/rapid"

	"github.com/stowage-iac/stowage/planner"
	"github.com/stowage-iac/stowage/providers/registry"
	"github.com/stowage-iac/stowage/test/schema"
)

// TestDocumentsAreAsTheSchemasSay holds every golden of JSON, and the JSON of
// every story, against the published schemas.
func TestDocumentsAreAsTheSchemasSay(t *testing.T) {
	plan := schema.Load(t, "plan")
	if err := plan.Check(read(t, "testdata/whole.json")); err != nil {
		t.Error(err)
	}
	for _, s := range stories(t) {
		doc := renderJSON(t, View{Schemas: registry.Schemas()}, &planner.Plan{Changes: []*planner.Change{s.change(t)}})
		if err := plan.Check([]byte(doc)); err != nil {
			t.Errorf("%s: %v", s.path, err)
		}
	}
	if err := schema.Load(t, "validate").Check(read(t, "testdata/diagnostics.json")); err != nil {
		t.Error(err)
	}
	types, err := schema.Load(t, "stream").Lines(read(t, "testdata/stream.jsonl"))
	if err != nil {
		t.Error(err)
	}
	for _, want := range []string{"version", "diagnostic", "interrupted", "planned_change", "placement", "transfer",
		"change_summary", "outputs", "apply_start", "apply_progress", "apply_complete", "apply_errored"} {
		if types[want] == 0 {
			t.Errorf("the golden stream has no record of the type %s", want)
		}
	}
}

// TestAnyPlanIsAsTheSchemaSays draws plans of any values of any kind, and their outputs.
func TestAnyPlanIsAsTheSchemaSays(t *testing.T) {
	schemas, plan, outputs := registry.Schemas(), schema.Load(t, "plan"), schema.Load(t, "output")
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom([]string{"config", "image", "node", "pod", "secret"}).Draw(t, "kind")
		value := anyValue(t, cty.Map(cty.String), false)
		p := &planner.Plan{
			Changes: []*planner.Change{{
				Address: kind + ".x", Kind: kind, Action: planner.Replace,
				Before: anyBlock(t, schemas[kind]), After: anyBlock(t, schemas[kind]),
			}},
			Outputs:  []planner.OutputChange{{Name: "o", Action: planner.Update, Before: value, After: value}},
			Warnings: hcl.Diagnostics{{Severity: hcl.DiagWarning, Summary: "Look here", Detail: "It may be wrong."}},
		}
		var b bytes.Buffer
		if err := (View{Schemas: schemas}).PlanJSON(&b, p); err != nil {
			t.Fatal(err)
		}
		if err := plan.Check(b.Bytes()); err != nil {
			t.Fatal(err)
		}
		b.Reset()
		if err := OutputsJSON(&b, map[string]Output{"o": {Value: value}}); err != nil {
			t.Fatal(err)
		}
		if err := outputs.Check(b.Bytes()); err != nil {
			t.Fatal(err)
		}
	})
}

// TestSchemaKnowsEveryField compares the fields of the plan's document with the
// schema's, whether an example has them or not.
func TestSchemaKnowsEveryField(t *testing.T) {
	parsed, err := schema.Read(filepath.Join(schema.Dir(), "plan.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	root := parsed.(map[string]any)
	doc, err := os.ReadFile("../../../../docs/plan.md")
	if err != nil {
		t.Fatal(err)
	}
	var visit func(path string, ty reflect.Type, s map[string]any)
	visit = func(path string, ty reflect.Type, s map[string]any) {
		for ty.Kind() == reflect.Pointer {
			ty = ty.Elem()
		}
		if ref, ok := s["$ref"].(string); ok {
			s = root["$defs"].(map[string]any)[strings.TrimPrefix(ref, "#/$defs/")].(map[string]any)
		}
		switch {
		case ty.Kind() == reflect.Slice:
			visit(path+"[]", ty.Elem(), child(s, "items"))
		case ty.Kind() == reflect.Map:
			visit(path+".*", ty.Elem(), child(s, "additionalProperties"))
		case ty.Kind() == reflect.Struct && !ty.Implements(reflect.TypeFor[json.Marshaler]()):
			named := child(s, "properties")
			for _, field := range reflect.VisibleFields(ty) {
				name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
				if field.Anonymous || name == "-" {
					continue // its fields are the document's own, or it is in no document
				}
				if _, ok := named[name]; !ok {
					t.Errorf("%s.%s is not in docs/schema/plan.schema.json", path, name)
					continue
				}
				if !strings.Contains(string(doc), "`"+name) {
					t.Errorf("%s.%s is not in docs/plan.md", path, name)
				}
				visit(path+"."+name, field.Type, child(named, name))
				delete(named, name)
			}
			for name := range named {
				t.Errorf("docs/schema/plan.schema.json has %s.%s, which no document has", path, name)
			}
		}
	}
	visit("plan", reflect.TypeFor[PlanDocument](), root)
}

// child is a copy of an object's object; nil when it has none.
func child(s map[string]any, name string) map[string]any {
	m, _ := s[name].(map[string]any)
	out := map[string]any{}
	for k, v := range m {
		out[k] = v
	}
	return out
}

// TestSchemaRefuses what is not documented, or wrong.
func TestSchemaRefuses(t *testing.T) {
	good := renderJSON(t, View{}, wholePlan())
	plan := schema.Load(t, "plan")
	for name, bad := range map[string][2]string{
		"another field":          {`"serial": 4,`, `"serial": 4, "colour": "red",`},
		"another field below":    {`"slot": 0,`, `"slot": 0, "colour": "red",`},
		"another action":         {`"update"`, `"upgrade"`},
		"another format":         {`"format_version": "1.0"`, `"format_version": "2.0"`},
		"a number as text":       {`"serial": 4,`, `"serial": "4",`},
		"a missing field":        {`"lineage": "l",`, ``},
		"a sensitive value told": {`"before_sensitive": true`, `"before_sensitive": "x"`},
	} {
		doc := strings.Replace(good, bad[0], bad[1], 1)
		if doc == good {
			t.Fatalf("%s: the document has no %s", name, bad[0])
		}
		if plan.Check([]byte(doc)) == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
