package view

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/providers/registry"
)

// A snippet costs what its lines cost: those of a line of ten megabytes, or at the end
// of as many lines, are cut out of it, and what is sensitive in them stays hidden.
func TestSnippetsOfLargeFiles(t *testing.T) {
	const secret = "planted-4711"
	filler := strings.Repeat("# filler\n", 1<<20)
	long := strings.Repeat("x", 5<<20)
	src := filler + fmt.Sprintf("variable \"pw\" {\n  sensitive = true\n  default   = [%q, wrong, %q, \"%s\"]\n}\n", secret, secret, long)
	file, diags := lang.Parse([]byte(src), "large.stowage.hcl")
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	at := strings.Index(src, "wrong")
	line := strings.Count(src[:at], "\n") + 1
	rng := hcl.Range{Filename: "large.stowage.hcl", Start: hcl.Pos{Line: line, Column: 1, Byte: at}, End: hcl.Pos{Line: line, Column: 6, Byte: at + 5}}
	got := View{}.source(rng, file, false)
	want := fmt.Sprintf("%4d:   default   = [\"(sensitive value)\", wrong, \"(sensitive value)\", \"(sensitive value)…\n%s^^^^^\n", line, strings.Repeat(" ", len(fmt.Sprint(line))+2+len(`  default   = ["(sensitive value)", `)))
	if strings.Contains(got, secret) || len(got) > 2000 {
		t.Fatalf("%d bytes:\n%.2000s", len(got), got)
	}
	if got != want {
		t.Errorf("got:\n%swant:\n%s", got, want)
	}

	// An error in the middle of a line that has nothing else.
	src = "a = " + strings.Repeat("[", 4000) + strings.Repeat("y", 1<<20) + " ! " + strings.Repeat("z", 1<<20) + "\n"
	file, diags = hclsyntax.ParseConfig([]byte(src), "one.stowage.hcl", hcl.InitialPos)
	if !diags.HasErrors() {
		t.Fatal("it parses")
	}
	at = strings.Index(src, "!")
	rng = hcl.Range{Filename: "one.stowage.hcl", Start: hcl.Pos{Line: 1, Byte: at}, End: hcl.Pos{Line: 1, Byte: at + 1}}
	got = View{}.source(rng, file, false)
	if !strings.HasPrefix(got, "   1: …y") || !strings.Contains(got, "y ! z") || len(got) > 2000 {
		t.Errorf("%.2000s", got)
	}
}

// What is so broken that it is not read hides its values all the same.
func TestSnippetsOfHopelessFiles(t *testing.T) {
	garbage := strings.Repeat("a b c\n", 200_000)
	for name, src := range map[string]string{
		"stowage.vars.hcl":  "password \"QXZ7\"\n" + garbage,
		"main.stowage.hcl":  "secret \"s\" {\n  value: \"QXZ7\"\n}\n" + garbage,
		"prod.vars.hcl":     "password = \"QXZ7\" + " + strings.Repeat("[", 5000),
		"long.vars.hcl":     "a b c \"" + strings.Repeat("QXZ7 = ", 2000) + "\" ]",
		"large.vars.hcl":    "password = \"QXZ7\" + 1e9999999",
		"large.stowage.hcl": "secret \"s\" { value = \"QXZ7\" + 1e9999999 }",
	} {
		f, diags := lang.Parse([]byte(src), name)
		var b bytes.Buffer
		if err := (View{Schemas: registry.Schemas()}).Diagnostics(&b, diags, map[string]*hcl.File{name: f}); err != nil || !diags.HasErrors() || strings.Contains(b.String(), "QXZ7") {
			t.Errorf("%s: %v\n%s", name, err, b.String())
		}
	}
}
