package view

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"pgregory.net/rapid"

	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/lang/schema"
	"github.com/stowage-iac/stowage/planner"
	"github.com/stowage-iac/stowage/providers/registry"
)

type bytesBuffer = bytes.Buffer

const plant = "pl4nted"

// anyValue draws a value of a type; marked parts hold the plant.
func anyValue(t *rapid.T, ty cty.Type, marked bool) cty.Value {
	if !marked && rapid.IntRange(0, 5).Draw(t, "mark") == 0 {
		return anyValue(t, ty, true).WithMarks(lang.Sensitive)
	}
	switch rapid.IntRange(0, 8).Draw(t, "present") {
	case 0:
		return cty.NullVal(ty)
	case 1:
		return cty.UnknownVal(ty)
	}
	switch {
	case ty == cty.String && marked:
		return cty.StringVal(rapid.SampledFrom([]string{plant, "a\n" + plant + "\nb\n"}).Draw(t, "plant"))
	case ty == cty.String:
		return cty.StringVal(rapid.SampledFrom([]string{"x", "y", "a\nb\n", "a\nc\n"}).Draw(t, "string"))
	case ty == cty.Number:
		return cty.NumberIntVal(int64(rapid.IntRange(0, 3).Draw(t, "number")))
	case ty == cty.Bool:
		return cty.BoolVal(rapid.Bool().Draw(t, "bool"))
	case ty.IsObjectType():
		m := map[string]cty.Value{}
		for name, aty := range ty.AttributeTypes() {
			m[name] = anyValue(t, aty, marked)
		}
		return cty.ObjectVal(m)
	case ty.IsMapType():
		m := map[string]cty.Value{}
		for i := range rapid.IntRange(0, 2).Draw(t, "size") {
			m[fmt.Sprint("k", i)] = anyValue(t, ty.ElementType(), marked)
		}
		if len(m) == 0 {
			return cty.MapValEmpty(ty.ElementType())
		}
		return cty.MapVal(m)
	case ty.IsListType():
		var list []cty.Value
		for range rapid.IntRange(0, 2).Draw(t, "size") {
			list = append(list, anyValue(t, ty.ElementType(), marked))
		}
		if len(list) == 0 {
			return cty.ListValEmpty(ty.ElementType())
		}
		return cty.ListVal(list)
	}
	return cty.NullVal(ty)
}

// anyBlock is anyValue of a schema; arguments that the schema calls sensitive hold the plant unmarked.
func anyBlock(t *rapid.T, s *schema.Block) cty.Value {
	if rapid.IntRange(0, 6).Draw(t, "absent") == 0 {
		return cty.NullVal(s.ImpliedType())
	}
	v := anyValue(t, s.ImpliedType(), false)
	if !usable(v) {
		return v
	}
	m := v.AsValueMap()
	for name, a := range s.Attributes {
		if a.Sensitive && a.Type == cty.String {
			m[name] = cty.StringVal(plant)
		}
	}
	return cty.ObjectVal(m)
}

// TestNoRendererShowsASensitiveValue plants a value in sensitive places of any
// block of any kind, and looks for it in the output of every renderer.
func TestNoRendererShowsASensitiveValue(t *testing.T) {
	schemas := registry.Schemas()
	kinds := []string{"config", "image", "node", "pod", "secret"}
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom(kinds).Draw(t, "kind")
		before, after := anyBlock(t, schemas[kind]), anyBlock(t, schemas[kind])
		action := rapid.SampledFrom([]planner.Action{planner.Create, planner.Update, planner.Replace, planner.Delete}).Draw(t, "action")
		outputType := rapid.SampledFrom([]cty.Type{cty.String, cty.Map(cty.String), cty.List(cty.String)}).Draw(t, "output")
		p := &planner.Plan{
			Changes: []*planner.Change{{Address: kind + ".x", Kind: kind, Action: action, Before: before, After: after}},
			Outputs: []planner.OutputChange{
				{Name: "marked", Action: planner.Update, Before: anyValue(t, outputType, false), After: anyValue(t, outputType, false)},
				{Name: "declared", Action: planner.Update, Before: cty.StringVal(plant), After: cty.StringVal(plant + "2"), Sensitive: true},
			},
		}
		v := View{Schemas: schemas, Color: rapid.Bool().Draw(t, "color")}
		outputs := map[string]Output{"marked": {Value: p.Outputs[0].After}, "declared": {Value: cty.StringVal(plant), Sensitive: true}}
		instances := []Instance{{Address: kind + ".x", Kind: kind, Value: after}}
		var b bytes.Buffer
		for _, err := range []error{
			v.Plan(&b, p), v.PlanJSON(&b, p), v.Outputs(&b, outputs), OutputsJSON(&b, outputs),
			v.Instances(&b, instances), v.StateJSON(&b, StateDocument{}, instances, outputs),
			v.Value(&b, p.Outputs[0].After),
			v.Diagnostics(&b, scoped(p.Outputs[0].After), nil), ValidationJSON(&b, scoped(p.Outputs[0].After), nil),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		stream := NewStream(v, &b, "0.1.0")
		stream.Plan(p)
		stream.Diagnostics(scoped(p.Outputs[0].After), nil)
		if err := stream.Outputs(outputs); err != nil {
			t.Fatal(err)
		}
		if i := strings.Index(b.String(), plant); i >= 0 {
			t.Fatalf("a sensitive value is shown: …%s…", b.String()[max(0, i-200):min(b.Len(), i+50)])
		}
	})
}

// scoped is an error in an expression that refers to v.
func scoped(v cty.Value) hcl.Diagnostics {
	e, diags := hclsyntax.ParseExpression([]byte(`[p, p["k0"], p[0]]`), "x", hcl.InitialPos)
	if diags.HasErrors() {
		panic(diags)
	}
	return hcl.Diagnostics{{
		Severity: hcl.DiagError, Summary: "Wrong", Detail: "It is wrong.", Expression: e,
		EvalContext: &hcl.EvalContext{Variables: map[string]cty.Value{"p": v}},
	}}
}

// TestSnippetsHideSensitiveLiterals looks for literals of sensitive arguments in snippets.
func TestSnippetsHideSensitiveLiterals(t *testing.T) {
	for name, src := range map[string]string{
		"secret.stowage.hcl":  "secret \"db\" {\n  value = \"" + plant + "\" + 1\n}\n",
		"heredoc.stowage.hcl": "secret \"db\" {\n  value = <<EOT\n" + plant + "\nEOT\n}\n",
		"var.stowage.hcl":     "variable \"p\" {\n  sensitive = true\n  default = [\"" + plant + "\"]\n}\n",
		"stowage.vars.hcl":    "password = \"" + plant + "\"\n",
	} {
		t.Run(name, func(t *testing.T) {
			f, _ := hclsyntax.ParseConfig([]byte(src), name, hcl.InitialPos)
			rng := hcl.Range{Filename: name, Start: hcl.InitialPos, End: hcl.Pos{Line: 5, Column: 1, Byte: len(src)}}
			var b bytes.Buffer
			diags := hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "Wrong", Subject: &rng}}
			if err := (View{Schemas: registry.Schemas()}).Diagnostics(&b, diags, map[string]*hcl.File{name: f}); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(b.String(), plant) || !strings.Contains(b.String(), sensitiveText) {
				t.Errorf("the snippet is\n%s", b.String())
			}
		})
	}
}

// TestSnippetsOfBrokenFilesHideSensitiveLiterals breaks files at each of their bytes, and looks
// for values in the snippets of all errors, and of all lines.
func TestSnippetsOfBrokenFilesHideSensitiveLiterals(t *testing.T) {
	const planted = "QXZ7"
	for name, src := range map[string]string{
		"stowage.vars.hcl": "# values\npassword = \"QXZ7\"\nlist = [\"QXZ7\", 1, \"QXZ7\"]\nobject = { a = \"QXZ7\", b = { c = \"a${\"QXZ7\"}b\" } }\ntext = <<E\nQXZ7 QXZ7\nE\n",
		"main.stowage.hcl": "output \"o\" { value = 1 }\nvariable \"p\" {\n  default   = \"QXZ7\"\n  sensitive = true\n  type = string\n}\n" +
			"secret \"db\" {\n  value = \"QXZ7\"\n  lifecycle { prevent_destroy = true }\n}\nsecret \"list\" { value = [\"QXZ7\", upper(\"QXZ7\")] }\nsecret \"text\" {\n  value = <<-E\n    QXZ7 QXZ7\n\n  E\n}\n" +
			"pod \"web\" {\n  image = \"i\"\n}\ncontext \"prod\" {\n  variables = { a = \"QXZ7\" }\n}\nvariable \"e\" {\n  default   = \"QXZ7\"\n  ephemeral = true\n}\n",
	} {
		for at := range len(src) + 1 {
			if at > 3 && strings.Contains(src[at-3:min(at+4, len(src))], planted) || strings.Contains(src[max(0, at-3):min(at+3, len(src))], planted) {
				continue // the value itself would be another
			}
			edits := map[string]string{}
			for _, insert := range []string{"\"", ":", "=", " ", "\n", "{", "}", "[", "(", "x", "$", "/*", "1e99999", "'"} {
				edits[insert] = src[:at] + insert + src[at:]
			}
			for n := 1; n < 4 && at+n <= len(src) && !strings.Contains(planted, src[at+n-1:at+n]); n++ {
				edits[fmt.Sprint(n)] = src[:at] + src[at+n:]
			}
			for edit, src := range edits {
				f, diags := lang.Parse([]byte(src), name)
				var b bytes.Buffer
				if err := (View{Schemas: registry.Schemas()}).Diagnostics(&b, diags, map[string]*hcl.File{name: f}); err != nil {
					t.Fatal(err)
				}
				if strings.Contains(b.String(), planted) {
					t.Errorf("%s with %q at %d\n%s\nshows\n%s", name, edit, at, src, b.String())
				}
			}
		}
	}
}

func renderJSON(t *testing.T, v View, p *planner.Plan) string {
	t.Helper()
	var b bytes.Buffer
	if err := v.PlanJSON(&b, p); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
