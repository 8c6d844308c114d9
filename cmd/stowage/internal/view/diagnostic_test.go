package view

import (
	"bytes"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang"
)

// sample is a file with mistakes; subject finds the range of a part of it.
const sample = `node "a" {
  address = "10.0.0.1"
}

pod "web" {
	container "nginx" {
		image = "nginx:${var.version}-${var.token}"
		port  "http" { container = "abc" }
	}
}
`

func subject(part string) *hcl.Range {
	at := func(i int) hcl.Pos {
		before := sample[:i]
		return hcl.Pos{Line: 1 + strings.Count(before, "\n"), Column: i - strings.LastIndex(before, "\n"), Byte: i}
	}
	i := strings.Index(sample, part)
	return &hcl.Range{Filename: "main.stowage.hcl", Start: at(i), End: at(i + len(part))}
}

func sampleFiles(t *testing.T) map[string]*hcl.File {
	t.Helper()
	f, diags := hclsyntax.ParseConfig([]byte(sample), "main.stowage.hcl", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return map[string]*hcl.File{"main.stowage.hcl": f}
}

// TestDiagnostics are shown with file, line, block, snippet, values and advice,
// warnings first, then in the order of the file, whatever order they came in.
func TestDiagnostics(t *testing.T) {
	expr, _ := hclsyntax.ParseExpression([]byte(`"nginx:${var.version}-${var.token}${var.list[0]}${var.later}"`), "x", hcl.InitialPos)
	diags := hcl.Diagnostics{
		{Severity: hcl.DiagError, Summary: "Wrong type", Subject: subject(`"abc"`),
			Detail: "The argument container needs a number, and \"abc\" is a string. Use the number of the port that the container listens on, without quotes."},
		{Severity: hcl.DiagError, Summary: "Wrong image", Subject: subject(`"nginx:${var.version}-${var.token}"`), Expression: expr,
			Detail: "There is no such image.",
			EvalContext: &hcl.EvalContext{Variables: map[string]cty.Value{"var": cty.ObjectVal(map[string]cty.Value{
				"version": cty.StringVal("1.27"),
				"token":   cty.StringVal("planted").WithMarks(lang.Sensitive),
				"list":    cty.ListVal([]cty.Value{cty.ListValEmpty(cty.String)}),
				"later":   cty.UnknownVal(cty.Number),
			})}}},
		{Severity: hcl.DiagWarning, Summary: "Unused", Subject: subject(`"10.0.0.1"`), Detail: "Nothing uses it."},
		{Severity: hcl.DiagError, Summary: "The state is locked", Detail: "It is locked by ann@laptop."},
		{Severity: hcl.DiagError, Summary: "Missing file", Subject: &hcl.Range{Filename: "gone.stowage.hcl", Start: hcl.Pos{Line: 3, Column: 1, Byte: 20}}, Detail: "The file is gone."},
		{Severity: hcl.DiagWarning, Summary: "Unused", Subject: subject(`"10.0.0.1"`), Detail: "Nothing uses it."},
		{Severity: hcl.DiagError, Summary: "A block of several lines", Subject: subject(sample[strings.Index(sample, "pod"):]), Detail: "All of it."},
	}
	for name, v := range map[string]View{"diagnostics.txt": {}, "diagnostics-tty.txt": {Color: true, Width: 60}} {
		var b bytes.Buffer
		if err := v.Diagnostics(&b, diags, sampleFiles(t)); err != nil {
			t.Fatal(err)
		}
		golden(t, name, b.String())
		reversed := hcl.Diagnostics{}
		for _, d := range diags {
			reversed = append(hcl.Diagnostics{d}, reversed...)
		}
		var r bytes.Buffer
		if err := v.Diagnostics(&r, reversed, sampleFiles(t)); err != nil {
			t.Fatal(err)
		}
		if r.String() != b.String() {
			t.Errorf("%s: another order of diagnostics gives another text:\n%s", name, r.String())
		}
	}
	var b bytes.Buffer
	if err := ValidationJSON(&b, diags, sampleFiles(t)); err != nil {
		t.Fatal(err)
	}
	golden(t, "diagnostics.json", b.String())
}

// TestCompactWarnings names each kind of warning once, and hides nothing beside an error.
func TestCompactWarnings(t *testing.T) {
	at := func(line int) *hcl.Range {
		return &hcl.Range{Filename: "f.hcl", Start: hcl.Pos{Line: line, Byte: line}}
	}
	warnings := hcl.Diagnostics{
		{Severity: hcl.DiagWarning, Summary: "Check failed", Detail: "one", Subject: at(7)},
		{Severity: hcl.DiagWarning, Summary: "Check failed", Detail: "two", Subject: at(2)},
		{Severity: hcl.DiagWarning, Summary: "The plan is partial", Detail: "three"},
	}
	var b bytes.Buffer
	if err := (View{CompactWarnings: true}).Diagnostics(&b, warnings, nil); err != nil {
		t.Fatal(err)
	}
	const want = "Warnings:\n\n- The plan is partial\n- Check failed\n  on f.hcl line 2 (and 1 more)\n\nFor more, run the same without -compact-warnings.\n\n"
	if b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
	}
	b.Reset()
	if err := (View{CompactWarnings: true}).Diagnostics(&b, append(warnings, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Bad"}), nil); err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{"one", "two", "three", "Error: Bad"} {
		if !strings.Contains(b.String(), s) {
			t.Errorf("%q is not in %q", s, b.String())
		}
	}
}

// TestControlCharactersAreNotPrinted keeps a value or a message from moving the cursor.
func TestControlCharactersAreNotPrinted(t *testing.T) {
	evil := "a\x1b[2Jb\rc\u009b"
	var b bytes.Buffer
	diags := hcl.Diagnostics{{Severity: hcl.DiagError, Summary: evil, Detail: evil}}
	if err := (View{}).Diagnostics(&b, diags, nil); err != nil {
		t.Fatal(err)
	}
	for _, v := range []cty.Value{cty.StringVal(evil), cty.StringVal("x\n" + evil + "\n")} {
		if err := (View{}).Outputs(&b, map[string]Output{"o": {Value: v}}); err != nil {
			t.Fatal(err)
		}
	}
	if strings.ContainsAny(b.String(), "\x1b\r\u009b") {
		t.Errorf("%q", b.String())
	}
}

// FuzzDiagnostic renders any range in any source without a panic.
func FuzzDiagnostic(f *testing.F) {
	f.Add([]byte(sample), 3, 7, 1, 2)
	f.Add([]byte(""), 0, 0, 0, 0)
	f.Add([]byte("a = \xff\n\n\n"), 900, -1, 4, 1)
	f.Fuzz(func(t *testing.T, src []byte, start, end, line, lines int) {
		file, _ := hclsyntax.ParseConfig(src, "f.vars.hcl", hcl.InitialPos)
		rng := hcl.Range{Filename: "f.vars.hcl", Start: hcl.Pos{Line: line, Byte: start}, End: hcl.Pos{Line: lines, Byte: end}}
		var b bytes.Buffer
		d := hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "s", Subject: &rng}}
		if err := (View{Width: 40}).Diagnostics(&b, d, map[string]*hcl.File{"f.vars.hcl": file}); err != nil {
			t.Fatal(err)
		}
	})
}
