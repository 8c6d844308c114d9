package lang

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func summaries(diags hcl.Diagnostics) string {
	var all []string
	for _, d := range diags {
		all = append(all, d.Summary+": "+d.Detail)
	}
	return strings.Join(all, "\n")
}

func TestLoadDirectory(t *testing.T) {
	dir := t.TempDir()
	c, diags := Load(dir, Options{Schemas: testSchemas()})
	if got := summaries(diags); !strings.Contains(got, "has no *.stowage.hcl file.") {
		t.Error(got)
	}
	if c == nil || c.Files == nil {
		t.Fatal("no Config to show snippets with")
	}
	write(t, dir, map[string]string{"main.hcl": "", "main.tf": "", "stowage.vars.hcl": "x = 1"})
	_, diags = Load(dir, Options{Schemas: testSchemas()})
	if got := summaries(diags); !strings.Contains(got, "There is main.hcl and main.tf: rename it to end in .stowage.hcl") {
		t.Error(got)
	}
	_, diags = Load(filepath.Join(dir, "none"), Options{Schemas: testSchemas()})
	if got := summaries(diags); !strings.Contains(got, "There is no directory") {
		t.Error(got)
	}
	write(t, dir, map[string]string{"a.stowage.hcl": `node "n" {}`, ".hidden.stowage.hcl": "syntax {"})
	c, diags = Load(dir, Options{Schemas: testSchemas()})
	if diags.HasErrors() || len(c.Resources) != 1 {
		t.Error(diags, c.Resources)
	}
	if err := os.Symlink(filepath.Join(dir, "gone"), filepath.Join(dir, "b.stowage.hcl")); err != nil {
		t.Fatal(err)
	}
	_, diags = Load(dir, Options{Schemas: testSchemas()})
	if got := summaries(diags); !strings.Contains(got, "Unreadable file") {
		t.Error(got)
	}
}

func TestSettings(t *testing.T) {
	src := `stowage {
  required_version = ">= 0.1, < 2"
  backend "local" { path = "state/${context.name}.json" }
  encryption {
    recipients     = ["age1abc"]
    identities     = ["~/key.txt"]
    passphrase_env = "PASS"
  }
}
context "dev" {}
context "prod" {}`
	for _, version := range []string{"0.1.0", "1.9.3", "0.1.0-dev", ""} {
		c, diags := Load("", Options{Backends: testBackends(), Version: version, Choose: choose("prod"), Files: map[string][]byte{"a.stowage.hcl": []byte(src)}})
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		s := c.Settings
		if s.Backend.Type != "local" || s.Backend.Arguments.GetAttr("path").AsString() != "state/prod.json" || s.RequiredVersion != ">= 0.1, < 2" {
			t.Errorf("%+v", s)
		}
		if d := cmp.Diff([]string{"age1abc"}, s.Encryption.Recipients); d != "" {
			t.Error(d)
		}
		if s.Encryption.PassphraseEnv != "PASS" || len(s.Encryption.Identities) != 1 {
			t.Errorf("%+v", s.Encryption)
		}
	}
	_, diags := Load("", Options{Backends: testBackends(), Version: "2.0.0", Files: map[string][]byte{"a.stowage.hcl": []byte(src)}})
	if !strings.Contains(summaries(diags), "requires Stowage >= 0.1, < 2; this is 2.0.0") {
		t.Error(diags)
	}
}

func TestMetaArguments(t *testing.T) {
	c := mustLoad(t, `
config "c" { files = {} }
config "many" {
  count = 2
  files = {}
}
pod "p" {
  depends_on = [config.c, config.many[1]]
  lifecycle {
    prevent_destroy       = true
    create_before_destroy = true
    ignore_changes        = [replicas, labels["a"], container]
  }
  timeouts {
    create = "5m"
    delete = "1h30m"
  }
  container "m" { image = "x" }
}
pod "q" {
  depends_on = [config.many]
  lifecycle {
    ignore_changes = all
  }
  container "m" { image = "x" }
}
`)
	w := evaluateAll(t, c, versions)
	p, q := w.instances["pod.p"], w.instances["pod.q"]
	want := Lifecycle{PreventDestroy: true, CreateBeforeDestroy: true, IgnoreChanges: []string{"replicas", `labels["a"]`, "container"}}
	if d := cmp.Diff(want, p.Lifecycle); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(Timeouts{Create: 5 * time.Minute, Delete: 90 * time.Minute}, p.Timeouts); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"config.c", "config.many[1]"}, p.Deps); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"config.many"}, q.Deps); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"all"}, q.Lifecycle.IgnoreChanges); d != "" {
		t.Error(d)
	}
}

// TestVariablePrecedence gives a variable in one more place at a time.
func TestVariablePrecedence(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"main.stowage.hcl": `
variable "x" { default = "default" }
variable "list" {
  type    = list(string)
  default = []
}
variable "object" {
  type    = object({ name = string, size = optional(number, 3) })
  default = { name = "d" }
}
`})
	c, diags := Load(dir, Options{})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	flagFile := filepath.Join(t.TempDir(), "f.hcl")
	var env []string
	var flags []VariableFlag
	steps := []struct {
		want string
		do   func()
	}{
		{"default", func() {}},
		{"environment", func() { env = []string{"STOWAGE_VAR_x=environment", "STOWAGE_VAR_other=y", "PATH=/bin"} }},
		{"vars", func() { write(t, dir, map[string]string{"stowage.vars.hcl": `x = "vars"`}) }},
		{"auto a", func() { write(t, dir, map[string]string{"a.auto.vars.hcl": `x = "auto a"`}) }},
		{"auto b", func() { write(t, dir, map[string]string{"b.auto.vars.hcl": `x = "auto b"`}) }},
		{"flag", func() { flags = append(flags, VariableFlag{Assign: "x=flag"}) }},
		{"flag file", func() {
			if err := os.WriteFile(flagFile, []byte("x = \"flag file\"\nlist = [\"a\"]\nobject = { name = \"n\" }"), 0o644); err != nil {
				t.Fatal(err)
			}
			flags = append(flags, VariableFlag{File: flagFile})
		}},
		{"a=b", func() { flags = append(flags, VariableFlag{Assign: "x=a=b"}, VariableFlag{Assign: `list=["b", "c"]`}) }},
	}
	var last map[string]cty.Value
	for _, step := range steps {
		step.do()
		inputs, diags := c.ReadVariables(VariableSources{Environ: env, Flags: flags})
		if len(diags) > 0 {
			t.Fatal(diags)
		}
		e, diags := NewEvaluator(c, Inputs{Variables: inputs})
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		last = e.Variables()
		if got := last["x"].AsString(); got != step.want {
			t.Errorf("got %q, want %q", got, step.want)
		}
	}
	if got := text(t, last["list"]); got != `["b","c"]` {
		t.Error(got)
	}
	if got := text(t, last["object"]); got != `{"name":"n","size":3}` {
		t.Error(got)
	}
	write(t, dir, map[string]string{"c.auto.vars.hcl": "y = 1\nz { }\nx = var.a"})
	_, diags = c.ReadVariables(VariableSources{Flags: []VariableFlag{{Assign: "novalue"}, {File: "none.hcl"}}})
	got := summaries(diags)
	for _, want := range []string{"Undeclared variable: The value of y is not used", "Unexpected block", "must be written out", "Invalid -var", "none.hcl cannot be read"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in %s", want, got)
		}
	}
}

// TestSnapshot evaluates a saved plan's snapshot in another directory: files that
// functions read are part of it.
func TestSnapshot(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"main.stowage.hcl": `config "c" { files = { for f in fileset(path.module == "" ? "." : ".", "*.txt") : f => file(f) } }
config "t" { files = { a = templatefile("x.tmpl", { n = 1 }) } }`,
		"a.txt": "A", "x.tmpl": "n is ${n}",
	})
	c, diags := Load(dir, Options{Schemas: testSchemas()})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	w := evaluateAll(t, c, nil)
	want := text(t, w.instances["config.c"].Config) + text(t, w.instances["config.t"].Config)
	if !strings.Contains(want, `"a.txt":"A"`) || !strings.Contains(want, "n is 1") {
		t.Fatal(want)
	}
	c, diags = Load(t.TempDir(), Options{Schemas: testSchemas(), Files: w.e.Sources()})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	again := evaluateAll(t, c, nil)
	if got := text(t, again.instances["config.c"].Config) + text(t, again.instances["config.t"].Config); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestLimits: input that would end the process instead is refused, and what is
// merely deep works.
func TestLimits(t *testing.T) {
	nest := func(open, middle, end string, n int) string {
		return "output \"o\" { value = " + strings.Repeat(open, n) + middle + strings.Repeat(end, n) + " }"
	}
	chain := func(op string, n int) string { return "output \"o\" { value = 1" + strings.Repeat(op, n) + " }" }
	forms := map[string]func(n int) string{
		"parentheses":  func(n int) string { return nest("(", "1", ")", n) },
		"tuples":       func(n int) string { return nest("[", "1", "]", n) },
		"objects":      func(n int) string { return nest("{a=", "1", "}", n) },
		"calls":        func(n int) string { return nest("abs(", "1", ")", n) },
		"templates":    func(n int) string { return nest(`"${`, "1", `}"`, n) },
		"negations":    func(n int) string { return nest("!", "true", "", n) },
		"sums":         func(n int) string { return chain(" + 1", n) },
		"conditionals": func(n int) string { return nest("true ? 1 : ", "2", "", n) },
		"indexes": func(n int) string {
			return "locals { a = [] }\noutput \"o\" { value = local.a" + strings.Repeat("[1-1]", n) + " }"
		},
		"directives": func(n int) string {
			return "output \"o\" { value = \"" + strings.Repeat("%{ if true }", n) + "x" + strings.Repeat("%{ endif }", n) + "\" }"
		},
		"blocks":         func(n int) string { return strings.Repeat("a {\n", n) + strings.Repeat("}\n", n) },
		"lines of a sum": func(n int) string { return "output \"o\" { value = (1" + strings.Repeat("\n+ 1", n) + ") }" },
	}
	for name, form := range forms {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			c, diags := loadText(t, form(1000))
			if strings.Contains(summaries(diags), "Nested too deeply") {
				t.Error("1,000 levels are refused")
			}
			if !diags.HasErrors() {
				c.Validate()
				e, _ := NewEvaluator(c, Inputs{})
				e.Output("o")
			}
			t.Log("1,000 levels:", time.Since(start))
			if _, diags := loadText(t, form(300_000)); !strings.Contains(summaries(diags), "Nested too deeply") {
				t.Error("300,000 levels are accepted")
			}
		})
	}
	// Long is not deep.
	var long strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&long, "node \"n%d\" {\n  labels = { a = (\"${1 + 1}\"), b = \"[(\" }\n}\n", i)
	}
	if _, diags := loadText(t, long.String()); diags.HasErrors() {
		t.Error(diags[0])
	}
}

// TestLanguage loads the example of the language's description: what this version
// does not have yet is reported as such, and nothing else.
func TestLanguage(t *testing.T) {
	src, err := os.ReadFile("testdata/language.hcl")
	if err != nil {
		t.Fatal(err)
	}
	_, diags := Load("", Options{Backends: testBackends(), Schemas: testSchemas(), Later: testLater, Files: map[string][]byte{"main.stowage.hcl": src}})
	for _, d := range diags {
		switch d.Summary {
		case "Not supported yet", "Unknown argument", "Unknown block", "Block expected", "Missing argument":
			// of the test's small schemas
		default:
			t.Error(d)
		}
	}
	formatted, diags := Format(src, "language.hcl")
	if diags.HasErrors() || string(formatted) != string(src) {
		t.Error("the example is not formatted as fmt would", diags, cmp.Diff(string(src), string(formatted)))
	}
}

// TestHopelessFiles: what is no configuration, ten megabytes of it, is refused with the first errors, for
// what these cost, and so is what takes the parser time by the square of its size.
func TestHopelessFiles(t *testing.T) {
	lines := func(line string) string { return strings.Repeat(line, (10<<20)/len(line)) }
	for name, tc := range map[string]struct{ src, want string }{
		"words":            {lines("a b c\n"), "Invalid block definition"},
		"punctuation":      {lines("!\n"), "Argument or block definition required"},
		"one line":         {lines(";"), "Invalid character"},
		"zeros":            {lines("\x00"), "Invalid character"},
		"after valid ones": {strings.Repeat("output \"o\" { value = upper(\"x\") }\n", 3000) + lines("a b c\n"), "Invalid block definition"},
		"comments":         {"a = 1\n" + lines("/*\n"), "Unclosed comment"},
		"a heredoc":        {"locals {\n  a = <<E\n" + lines("x\n") + "E\n}\n", "Text too long"},
		"heredocs":         {strings.Repeat("locals {\n  a = <<E\n"+strings.Repeat("x\n", 20_000)+"E\n}\n", 100), "Text too long"},
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, diags := loadText(t, tc.src)
			runtime.ReadMemStats(&after)
			if !strings.Contains(summaries(diags), tc.want) || len(diags) > maxSyntaxErrors+1 {
				t.Errorf("%d errors: %.300s", len(diags), summaries(diags))
			}
			if n := after.TotalAlloc - before.TotalAlloc; n > 5<<30 {
				t.Errorf("it took %d MiB", n>>20)
			}
		})
	}
	// Many of what only looks like that are read.
	valid := map[string]string{
		"globs":      "locals { a = [\n" + strings.Repeat("\"/etc/*\", # and /*\n", 5000) + "] }",
		"prose":      "/*\n" + strings.Repeat("It's what; that was said.\n", 20_000) + "*/\nlocals { a = 1 }",
		"objects":    "locals { a = [\n" + strings.Repeat("{a={b=[[1]]}},{},{},\n", 30_000) + "] }",
		"one line":   "locals { a = [" + strings.Repeat("{a={b=[[\"'\"]]}},{},{},", 30_000) + "] }",
		"a comment":  "/*\n" + strings.Repeat("/* a b c !\n", 100_000) + "*/\nlocals { a = 1 }",
		"text":       "locals {\n  a = <<E\n" + strings.Repeat("a b c ! /*\n", 20_000) + "E\n}\n",
		"directives": "output \"o\" { value = \"" + strings.Repeat("%{ if   true }", 4_900) + "x" + strings.Repeat("%{ endif }", 4_900) + "\" }",
	}
	for name, src := range valid {
		if _, diags := loadText(t, src); diags.HasErrors() {
			t.Errorf("%s: %s", name, diags[0])
		}
	}
}
