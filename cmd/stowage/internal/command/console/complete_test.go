package console

import (
	"slices"
	"strings"
	"testing"

	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/providers/registry"
)

// TestComplete: an open bracket, template or heredoc continues on the next line.
func TestComplete(t *testing.T) {
	for text, want := range map[string]bool{
		"1 + 1":            true,
		"[1, 2]":           true,
		"[1,":              false,
		"{ a = [":          false,
		"upper(\n\"a\"\n)": true,
		"upper(":           false,
		"\"a ${":           false,
		"\"a ${1}\"":       true,
		"\"(\"":            true,
		"\"unclosed":       true, // an error that more lines do not mend
		"]":                true,
		"<<EOT\na\n":       false,
		"<<EOT\na\nEOT\n":  true,
		"# (":              true,
	} {
		if got := complete(text); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestCompleter(t *testing.T) {
	cfg, diags := lang.Load("", lang.Options{Schemas: registry.Schemas(), Files: map[string][]byte{"main.stowage.hcl": []byte(`
variable "replicas" {}
variable "region" {}
locals { name = "x" }
config "site" { files = {} }
pod "web" {
  count = 2
  container "c" { image = "x" }
}
module "app" {
  for_each = { a = 1 }
  source   = "./app"
}
`), "app/main.stowage.hcl": []byte(`output "url" { value = "x" }`)}})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	n := completer(cfg)
	for before, want := range map[string]string{
		"va":                 "values( var.",
		"var.":               "var.region var.replicas",
		"1 + var.rep":        "var.replicas",
		"upper(local.n":      "local.name",
		"config.":            "config.site",
		"config.site.v":      "config.site.version",
		"pod.web[0].addr":    "pod.web[0].addresses",
		"pod.web[*].nod":     "pod.web[*].nodes",
		"cidrsub":            "cidrsubnet( cidrsubnets(",
		"[for x in local.":   "local.name",
		"typ":                "type(",
		"module.":            "module.app",
		"module.app[\"a\"].": "module.app[\"a\"].url",
		"nothing.":           "",
		"var.x.y.":           "",
	} {
		words, start := n.complete(before)
		fields := strings.Fields(want)
		slices.Sort(fields)
		slices.Sort(words)
		if !slices.Equal(words, fields) {
			t.Errorf("%q: %v, want %v", before, words, fields)
		}
		if len(words) > 0 && !strings.HasPrefix(words[0], before[start:]) {
			t.Errorf("%q: the word begins at %d", before, start)
		}
	}
}
