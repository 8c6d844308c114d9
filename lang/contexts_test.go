package lang

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"
)

const twoContexts = `
stowage {
  backend "local" { path = "state/${context.name}.json" }
}
context "prod" {
  description = "For customers."
  protected   = true
  variables   = { n = 3 }
  backend "local" { path = "/srv/${context.name}.json" }
}
context "dev" { variables = { n = 1, where = "${context.name}.example.com" } }
variable "n" { type = number }
variable "where" { default = "nowhere" }
output "n" { value = var.n }
output "where" { value = "${context.name}: ${var.where}" }
`

func loadIn(t *testing.T, context, src string) *Config {
	t.Helper()
	c, diags := Load("", Options{Backends: testBackends(), Choose: choose(context), Files: map[string][]byte{"main.stowage.hcl": []byte(src)}})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	if !c.StateKnown {
		t.Error("where the state is must be known")
	}
	return c
}

// TestContexts: each context has its own variables, backend and name.
func TestContexts(t *testing.T) {
	type seen struct{ Context, Path, N, Where string }
	for _, want := range []seen{
		{"dev", "state/dev.json", "1", "dev: dev.example.com"},
		{"prod", "/srv/prod.json", "3", "prod: nowhere"},
	} {
		c := loadIn(t, want.Context, twoContexts)
		inputs, diags := c.ReadVariables(VariableSources{})
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		e, diags := NewEvaluator(c, Inputs{Variables: inputs})
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		text := func(output string) string {
			v, _, diags := e.Output(output)
			if diags.HasErrors() {
				t.Fatal(diags)
			}
			return keyText(v)
		}
		if d := cmp.Diff(want, seen{c.Context, c.Settings.Backend.Arguments.GetAttr("path").AsString(), text("n"), text("where")}); d != "" {
			t.Error(d)
		}
		if c.Selected.Protected != (want.Context == "prod") {
			t.Errorf("%s: protected is %v", want.Context, c.Selected.Protected)
		}
	}
}

// TestNoContextChosen: nothing is guessed where several are declared; the
// configuration can still be checked.
func TestNoContextChosen(t *testing.T) {
	c := loadIn(t, "", twoContexts)
	if c.Selected != nil || c.Context != "" || c.Settings.Backend.Type != "" {
		t.Errorf("%v, %q, %+v", c.Selected, c.Context, c.Settings.Backend)
	}
	if diags := c.Validate(); diags.HasErrors() {
		t.Error(diags)
	}
	e, diags := NewEvaluator(c, Inputs{Variables: map[string]Input{"n": {Value: cty.NumberIntVal(1)}}})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	if v, _, _ := e.Output("where"); v.IsKnown() {
		t.Errorf("context.name is taken for %#v", v)
	}
}

// TestTheOnlyContext: where exactly one is declared it is the one; where none is,
// context.name is "default".
func TestTheOnlyContext(t *testing.T) {
	c := loadIn(t, "", `context "prod" {}`)
	if c.Selected == nil || c.Context != "prod" {
		t.Errorf("%v, %q", c.Selected, c.Context)
	}
	for _, name := range []string{"", DefaultContext} {
		if c = loadIn(t, name, ``); c.Selected != nil || c.Context != DefaultContext {
			t.Errorf("%v, %q", c.Selected, c.Context)
		}
	}
}

// TestContextPrecedence: a context's values win over those of the environment and
// of files that are read by themselves, and lose against -var and -var-file.
func TestContextPrecedence(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("main.stowage.hcl", twoContexts)
	write("stowage.vars.hcl", `n = 10`)
	write("x.auto.vars.hcl", `n = 11`)
	file := write("file.hcl", `n = 12`)
	c, diags := Load(dir, Options{Backends: testBackends(), Choose: choose("prod")})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	for _, tc := range []struct {
		flags []VariableFlag
		want  string
	}{
		{nil, "3"},
		{[]VariableFlag{{File: file}}, "12"},
		{[]VariableFlag{{File: file}, {Assign: "n=13"}}, "13"},
	} {
		in, diags := c.ReadVariables(VariableSources{Environ: []string{"STOWAGE_VAR_n=9"}, Flags: tc.flags})
		if got := keyText(in["n"].Value); diags.HasErrors() || got != tc.want {
			t.Errorf("%v: %s, %v", tc.flags, got, diags)
		}
	}
}

// TestStateKnown: an error elsewhere does not hide where the state is; one in the
// settings or contexts does.
func TestStateKnown(t *testing.T) {
	for src, want := range map[string]bool{
		twoContexts + `output "x" { value = nothing }`:                true,
		twoContexts + `context "dev" {}`:                              false,
		twoContexts + `stowage {}`:                                    false,
		twoContexts + `context "qa" { variables = { m = 3 } }`:        false,
		twoContexts + `output`:                                        false,
		`context "a" { backend "local" { path = "${context.nam}" } }`: false,
	} {
		c, diags := Load("", Options{Backends: testBackends(), Choose: choose("prod"), Files: map[string][]byte{"main.stowage.hcl": []byte(src)}})
		if !diags.HasErrors() || c.StateKnown != want {
			t.Errorf("%s\n%v, want %v: %v", src, c.StateKnown, want, diags)
		}
	}
}
