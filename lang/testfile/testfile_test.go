package testfile_test

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/stowage-iac/stowage/lang/testfile"
)

var update = flag.Bool("update", false, "rewrite the expected output in testdata")

func TestParse(t *testing.T) {
	f, _, diags := testfile.Parse([]byte(`
variables { a = 1 }
host { cpus = 2 }
run "one" {
  command = plan
  variables { b = run.zero.x }
  module { source = "./setup" }
  host "node.m[\"a\"]" { memory = "1Gi" }
  plan_options {
    target  = [pod.web["a"], config.c[0]]
    replace = [secret.s]
    exclude = [module.x.pod.y]
    refresh = false
    mode    = refresh_only
  }
  assert {
    condition     = true
    error_message = "no"
  }
  expect_failures = [var.a, check.c]
}
run "two" {}
`), "x.test.hcl")
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	one, two := f.Runs[0], f.Runs[1]
	if one.Apply || !two.Apply || one.Module != "./setup" || len(one.Asserts) != 1 || one.Variables["b"] == nil || f.Variables["a"] == nil {
		t.Errorf("%+v %+v", one, two)
	}
	if h := one.Hosts[0]; h.Node != `node.m["a"]` || h.Args["memory"] == nil || f.Hosts[0].Node != "" {
		t.Errorf("%+v", h)
	}
	if o := one.Options; strings.Join(o.Target, " ") != `pod.web["a"] config.c[0]` || strings.Join(o.Exclude, "") != "module.x.pod.y" ||
		strings.Join(o.Replace, "") != "secret.s" || !o.NoRefresh || !o.RefreshOnly {
		t.Errorf("%+v", o)
	}
	if e := one.Expected; len(e) != 2 || e[0].Address() != "var.a" || e[1].Address() != "check.c" {
		t.Errorf("%+v", e)
	}
}

// TestMistakes: every mistake in testdata/mistakes.txtar is told at once, where it is.
func TestMistakes(t *testing.T) {
	const path = "testdata/mistakes.txtar"
	archive, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, file, diags := testfile.Parse(archive.Files[0].Data, archive.Files[0].Name)
	var out strings.Builder
	if err := hcl.NewDiagnosticTextWriter(&out, map[string]*hcl.File{archive.Files[0].Name: file}, 0, false).WriteDiagnostics(diags); err != nil {
		t.Fatal(err)
	}
	if *update {
		archive.Files[1].Data = []byte(out.String())
		if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if out.String() != string(archive.Files[1].Data) {
		t.Errorf("got:\n%s\nwant:\n%s", &out, archive.Files[1].Data)
	}
}

// FuzzParse reads anything: there are diagnostics with a place, but no panic.
func FuzzParse(f *testing.F) {
	archive, err := txtar.ParseFile("testdata/mistakes.txtar")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(archive.Files[0].Data)
	example, err := os.ReadFile("../../examples/three-hosts/web.test.hcl")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(example)
	f.Add([]byte("run \"a\" { expect_failures = [var.a[0], x.y] \n plan_options { target = [a.b[\"c\"][1]] } }"))
	f.Fuzz(func(t *testing.T, src []byte) {
		_, _, diags := testfile.Parse(src, "x.test.hcl")
		for _, d := range diags {
			if d.Subject == nil || d.Subject.Start.Line == 0 || d.Summary == "" || d.Detail == "" {
				t.Errorf("%+v", d)
			}
		}
	})
}

// Ten megabytes of something else are refused at once, as they are in a configuration.
func TestHopeless(t *testing.T) {
	for line, want := range map[string]string{"a b c\n": "Invalid block definition", "/*\n": "Unclosed comment", "!\n": "Argument or block definition required"} {
		src := strings.Repeat(line, (10<<20)/len(line))
		if _, _, diags := testfile.Parse([]byte(src), "large.test.hcl"); !diags.HasErrors() || len(diags) > 100 || !strings.Contains(diags.Error(), want) {
			t.Errorf("%q: %d errors, %.200s", line, len(diags), diags.Error())
		}
	}
}
