package lang

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/rogpeppe/go-internal/txtar"
	"github.com/zclconf/go-cty/cty"
)

var update = flag.Bool("update", false, "rewrite the expected output in testdata")

// TestDiagnostics runs testdata/diagnostics/*.txtar: a configuration, and what is
// reported about it by Load, Validate and an evaluation, in the order in which a
// plan would do it. A section "vars" holds -var assignments, one a line, a section
// "context" the name that -context gives.
func TestDiagnostics(t *testing.T) {
	paths, err := filepath.Glob("testdata/diagnostics/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatal("no test data", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			files := map[string][]byte{}
			var flags []VariableFlag
			context := ""
			want := -1
			for i, f := range archive.Files {
				switch f.Name {
				case "want":
					want = i
				case "vars":
					for _, line := range strings.Split(strings.TrimSpace(string(f.Data)), "\n") {
						flags = append(flags, VariableFlag{Assign: line})
					}
				case "context":
					context = strings.TrimSpace(string(f.Data))
				default:
					files[f.Name] = f.Data
				}
			}
			got := reportOn(t, files, context, flags)
			if want < 0 {
				archive.Files = append(archive.Files, txtar.File{Name: "want"})
				want = len(archive.Files) - 1
			}
			if *update {
				archive.Files[want].Data = []byte(got)
				if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != string(archive.Files[want].Data) {
				t.Errorf("got:\n%s\nwant:\n%s", got, archive.Files[want].Data)
			}
		})
	}
}

// reportOn is the text of all diagnostics, by the stage that found them.
func reportOn(t *testing.T, files map[string][]byte, context string, flags []VariableFlag) string {
	t.Helper()
	var out bytes.Buffer
	c, diags := Load("", Options{Schemas: testSchemas(), Backends: testBackends(), Later: testLater, Version: "0.1.0", Choose: choose(context), Files: files})
	report := func(stage string, diags hcl.Diagnostics) bool {
		if len(diags) > 0 {
			out.WriteString("# " + stage + "\n")
			if err := hcl.NewDiagnosticTextWriter(&out, c.Files, 0, false).WriteDiagnostics(diags); err != nil {
				t.Fatal(err)
			}
		}
		return diags.HasErrors()
	}
	if report("load", diags) {
		return out.String()
	}
	report("validate", c.Validate())
	inputs, diags := c.ReadVariables(VariableSources{Flags: flags})
	failed := report("variables", diags)
	e, diags := NewEvaluator(c, Inputs{Variables: inputs})
	if report("inputs", diags) || failed {
		return out.String()
	}
	var all hcl.Diagnostics
	for b := range e.Blocks() {
		keys, diags := e.Expand(b)
		all = append(all, diags...)
		for _, key := range keys {
			inst, diags := e.Decode(b, key)
			all = append(all, diags...)
			e.Set(inst.Address, planned(inst.Kind, inst.Config, func(string) cty.Value { return cty.NilVal }))
		}
	}
	all = append(all, e.Finish()...)
	_, diags = e.Imports()
	all = append(all, diags...)
	for _, o := range c.Outputs {
		_, _, diags := e.Output(o.Name)
		all = append(all, diags...)
	}
	for _, c := range e.Checks() {
		if c.Data != nil {
			_, _, diags := c.Decode()
			all = append(all, diags...)
		}
		all = append(all, c.Judge().Diags...)
	}
	report("evaluate", Distinct(all))
	return out.String()
}
