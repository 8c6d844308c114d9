package view

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/rogpeppe/go-internal/txtar"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/lang/schema"
	"github.com/stowage-iac/stowage/planner"
	"github.com/stowage-iac/stowage/providers"
	"github.com/stowage-iac/stowage/providers/data"
	"github.com/stowage-iac/stowage/providers/registry"
)

var update = flag.Bool("update", false, "write the goldens anew")

// story is a plan's text as a golden: testdata/plan/KIND-ACTION.txtar holds
// the block before and after, and the plan of its change. sensitive("x") and
// unknown() in the blocks make such values.
type story struct {
	path    string
	archive *txtar.Archive
}

func stories(t *testing.T) []story {
	t.Helper()
	files, err := filepath.Glob("testdata/plan/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no stories: %v", err)
	}
	var out []story
	for _, f := range files {
		a, err := txtar.ParseFile(f)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, story{f, a})
	}
	return out
}

// file is a file of the story; nil when there is none.
func (s story) file(name string) []byte {
	for _, f := range s.archive.Files {
		if f.Name == name {
			return f.Data
		}
	}
	return nil
}

// golden compares text with a file of the story, or writes it with -update.
func (s story) golden(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		s.archive.Files = slices.DeleteFunc(s.archive.Files, func(f txtar.File) bool { return f.Name == name })
		s.archive.Files = append(s.archive.Files, txtar.File{Name: name, Data: []byte(got)})
		if err := os.WriteFile(s.path, txtar.Format(s.archive), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(s.file(name)), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// change is the change that the story tells.
func (s story) change(t *testing.T) *planner.Change {
	t.Helper()
	name := strings.TrimSuffix(filepath.Base(s.path), ".txtar")
	kind, rest, _ := strings.Cut(name, "-")
	c := &planner.Change{Kind: kind, Address: kind + ".it"}
	for _, a := range []planner.Action{planner.NoOp, planner.Create, planner.Update, planner.Replace, planner.Delete, planner.Read} {
		if rest == string(a) || strings.HasPrefix(rest, string(a)+"-") {
			c.Action = a
		}
	}
	if c.Action == "" {
		t.Fatalf("%s: the name is not KIND-ACTION", s.path)
	}
	s.facts(t, c)
	sch := registry.Schemas()[kind]
	c.Before, c.After = s.block(t, "before.hcl", sch), s.block(t, "after.hcl", sch)
	return c
}

// facts reads what the planner says beside the values from the archive's comment:
// lines "address: …", "reason: …", "cause: PATH WHY", "drift: PATH WHY", "healed: …".
func (s story) facts(t *testing.T, c *planner.Change) {
	for _, line := range strings.Split(string(s.archive.Comment), "\n") {
		key, value, ok := strings.Cut(line, ": ")
		path, why, _ := strings.Cut(value, " ")
		switch {
		case !ok || strings.HasPrefix(line, "#"):
		case key == "address":
			c.Address = value
		case key == "reason":
			c.Reason = value
		case key == "cause":
			c.Causes = append(c.Causes, providers.Cause{Path: path, Why: why})
		case key == "drift":
			c.Drift = append(c.Drift, providers.Cause{Path: path, Why: why})
		case key == "healed":
			c.Healed = append(c.Healed, value)
		default:
			t.Fatalf("%s: unknown fact %q", s.path, line)
		}
	}
}

func (s story) block(t *testing.T, name string, sch *schema.Block) cty.Value {
	t.Helper()
	src := s.file(name)
	if src == nil {
		return cty.NullVal(sch.ImpliedType())
	}
	f, diags := hclsyntax.ParseConfig(src, name, hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return decode(t, f.Body.(*hclsyntax.Body), sch, nil)
}

// decode makes a value of a body by its schema, with defaults filled in as lang does.
func decode(t *testing.T, body *hclsyntax.Body, sch *schema.Block, more map[string]cty.Value) cty.Value {
	t.Helper()
	m := map[string]cty.Value{}
	for name, a := range sch.Attributes {
		m[name] = cty.NullVal(a.Type)
		if a.Default != cty.NilVal {
			m[name] = a.Default
		}
		if at := body.Attributes[name]; at != nil {
			v, diags := at.Expr.Value(scope)
			if diags.HasErrors() {
				t.Fatal(diags)
			}
			conv, err := convert.Convert(v, a.Type)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			m[name] = conv
		}
	}
	ty := sch.ImpliedType()
	for name, nb := range sch.Blocks {
		var list []cty.Value
		for _, b := range body.Blocks {
			if b.Type != name {
				continue
			}
			label := map[string]cty.Value{}
			if nb.Label != "" {
				label[nb.Label] = cty.StringVal(b.Labels[0])
			}
			list = append(list, decode(t, b.Body, &nb.Block, label))
		}
		switch bt := ty.AttributeType(name); {
		case nb.Nesting == schema.List && len(list) > 0:
			m[name] = cty.ListVal(list)
		case nb.Nesting == schema.List:
			m[name] = cty.ListValEmpty(bt.ElementType())
		case len(list) > 0:
			m[name] = list[0]
		default:
			m[name] = cty.NullVal(bt)
		}
	}
	for k, v := range more {
		m[k] = v
	}
	return cty.ObjectVal(m)
}

var scope = &hcl.EvalContext{Functions: map[string]function.Function{
	"sensitive": function.New(&function.Spec{
		Params: []function.Parameter{{Name: "v", Type: cty.DynamicPseudoType}},
		Type:   func(args []cty.Value) (cty.Type, error) { return args[0].Type(), nil },
		Impl:   func(args []cty.Value, _ cty.Type) (cty.Value, error) { return args[0].WithMarks(lang.Sensitive), nil },
	}),
	"unknown": function.New(&function.Spec{
		Type: function.StaticReturnType(cty.DynamicPseudoType),
		Impl: func([]cty.Value, cty.Type) (cty.Value, error) { return cty.DynamicVal, nil },
	}),
	"ref": function.New(&function.Spec{
		Params: []function.Parameter{{Name: "address", Type: cty.String}, {Name: "version", Type: cty.String}},
		Type:   function.StaticReturnType(schema.RefType),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			return cty.ObjectVal(map[string]cty.Value{"address": args[0], "version": args[1]}), nil
		},
	}),
}}

// TestPlanStories renders the change of every story, in colour too: without the
// escape sequences both are the same text.
func TestPlanStories(t *testing.T) {
	for _, s := range stories(t) {
		t.Run(strings.TrimSuffix(filepath.Base(s.path), ".txtar"), func(t *testing.T) {
			p := &planner.Plan{Changes: []*planner.Change{s.change(t)}}
			v := View{Schemas: registry.Schemas()}
			text := render(t, v, p)
			s.golden(t, "plan.txt", text)
			v.Color = true
			if got := uncolored(render(t, v, p)); got != text {
				t.Errorf("colour changes the text (-plain +coloured):\n%s", cmp.Diff(text, got))
			}
			var doc bytes.Buffer
			if err := (View{Schemas: registry.Schemas()}).PlanJSON(&doc, p); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestStoriesAreComplete demands a story for every kind and action; sources of
// data are only read.
func TestStoriesAreComplete(t *testing.T) {
	have := map[string]bool{}
	for _, s := range stories(t) {
		c := s.change(t)
		have[c.Kind+"-"+string(c.Action)] = true
	}
	for kind := range registry.Kinds() {
		actions := []planner.Action{planner.NoOp, planner.Create, planner.Update, planner.Replace, planner.Delete}
		if strings.HasPrefix(kind, data.Prefix) {
			actions = []planner.Action{planner.Read}
		}
		for _, a := range actions {
			if name := kind + "-" + string(a); !have[name] {
				t.Errorf("there is no story testdata/plan/%s.txtar", name)
			}
		}
	}
}

func render(t *testing.T, v View, p *planner.Plan) string {
	t.Helper()
	var b bytes.Buffer
	if err := v.Plan(&b, p); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// uncolored drops escape sequences.
func uncolored(s string) string {
	var b strings.Builder
	escape := false
	for _, r := range s {
		switch {
		case escape:
			escape = r != 'm'
		case r == '\x1b':
			escape = true
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
