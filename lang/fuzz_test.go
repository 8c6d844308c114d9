package lang

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/rogpeppe/go-internal/txtar"
	"github.com/zclconf/go-cty/cty"
	"pgregory.net/rapid"
)

// FuzzLoad loads, validates and evaluates anything: there are diagnostics, but no
// panic. Each says what and where, and can be rendered.
func FuzzLoad(f *testing.F) {
	paths, _ := filepath.Glob("testdata/diagnostics/*.txtar")
	for _, path := range paths {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range archive.Files {
			if file.Name != "want" && file.Name != "vars" && file.Name != "context" {
				f.Add(file.Data)
			}
		}
	}
	language, err := os.ReadFile("testdata/language.hcl")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(language)
	for _, shape := range shapes {
		f.Add([]byte(shape.text(4)))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		if bytes.Contains(src, []byte("file")) || bytes.Contains(src, []byte("range")) || bytes.Contains(src, []byte("e9")) {
			return // reads what is there, or is slow by intent
		}
		evaluateAnything(t, src)
	})
}

// evaluateAnything is a whole evaluation of a source that may be wrong in any way.
func evaluateAnything(t interface{ Fatal(...any) }, src []byte) {
	c, diags := Load("", Options{Schemas: testSchemas(), Later: testLater, Files: map[string][]byte{"main.stowage.hcl": src}})
	render := func(diags hcl.Diagnostics) {
		for _, d := range diags {
			if d.Summary == "" || d.Detail == "" || d.Subject == nil || d.Subject.Start.Line < 1 || d.Subject.Start.Column < 1 || d.Subject.Filename == "" {
				t.Fatal(fmt.Sprintf("a diagnostic without a place or a reason: %+v", d))
			}
		}
		var out bytes.Buffer
		if err := hcl.NewDiagnosticTextWriter(&out, c.Files, 78, true).WriteDiagnostics(diags); err != nil {
			t.Fatal(err)
		}
	}
	render(diags)
	if diags.HasErrors() {
		return
	}
	render(c.Validate())
	inputs := map[string]Input{}
	for name := range c.Variables {
		inputs[name] = Input{Value: cty.StringVal("1"), Source: "fuzz"}
	}
	e, diags := NewEvaluator(c, Inputs{Variables: inputs})
	render(diags)
	if diags.HasErrors() {
		return
	}
	for b := range e.Blocks() {
		keys, diags := e.Expand(b)
		render(diags)
		for _, key := range keys[:min(len(keys), 20)] {
			inst, diags := e.Decode(b, key)
			render(diags)
			if got, want := inst.Config.Type(), b.Resource.Schema.ImpliedType(); !got.Equals(want) {
				t.Fatal(inst.Address, "has another type than its schema")
			}
			e.Set(inst.Address, planned(inst.Kind, inst.Config, func(string) cty.Value { return cty.NilVal }))
		}
	}
	for _, o := range c.Outputs {
		_, _, diags := e.Output(o.Name)
		render(diags)
	}
	for _, c := range e.Checks() {
		if c.Data != nil {
			inst, _, diags := c.Decode()
			render(diags)
			e.Set(inst.Address, planned(inst.Kind, inst.Config, func(string) cty.Value { return cty.NilVal }))
		}
		render(c.Judge().Diags)
	}
}

// TestMutations is FuzzLoad on configurations that are almost right: some of
// their tokens are removed, repeated or exchanged.
func TestMutations(t *testing.T) {
	var sources []hclsyntax.Tokens
	paths, _ := filepath.Glob("testdata/diagnostics/*.txtar")
	for _, path := range paths {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range archive.Files {
			if tokens, diags := hclsyntax.LexConfig(file.Data, "", hcl.InitialPos); !diags.HasErrors() && file.Name != "want" {
				sources = append(sources, tokens)
			}
		}
	}
	good := `
variable "n" { default = 2 }
locals { m = { a = image.i, b = image.i } }
image "i" {}
config "c" {
  for_each = local.m
  files    = { for k in keys(local.m) : k => "${k}-${var.n}" if k != "x" }
}
config "k" {
  count = var.n
  files = { a = templatestring("$${x}", { x = count.index }), b = try(config.c["a"].version, "n") == "n" ? "${1 + count.index}" : null }
}
pod "p" {
  count  = var.n
  labels = { a = config.k[count.index].version, b = join(",", values(config.c)[*].version) }
  dynamic "container" {
    for_each = config.k
    labels   = ["c${container.key}"]
    content {
      image = local.m["a"]
      args  = [for v in config.k[*].files : v["a"]]
      mount "/x" { config = container.value }
      dynamic "port" {
        for_each = { http = 80 }
        labels   = [port.key]
        content { container = port.value }
      }
    }
  }
  placement { apart = [pod.p] }
}
check "c" {
  data "program" "p" {
    command    = ["x", config.k[0].version]
    depends_on = [pod.p]
  }
  assert {
    condition     = data.program.p.result["a"] == "b" || data.program.p.command[0] == "y"
    error_message = "It is ${data.program.p.result["a"]}."
  }
}
output "o" {
  value     = { for p in pod.p : p.labels.a => p.container[*].image... }
  sensitive = true
}
`
	evaluateAll(t, mustLoad(t, good), versions)
	tokens, _ := hclsyntax.LexConfig([]byte(good), "", hcl.InitialPos)
	sources = append(sources, tokens, tokens, tokens, tokens)
	rapid.Check(t, func(rt *rapid.T) {
		tokens := slices.Clone(rapid.SampledFrom(sources).Draw(rt, "source"))
		for range rapid.IntRange(0, 4).Draw(rt, "mutations") {
			i := rapid.IntRange(0, len(tokens)-1).Draw(rt, "at")
			j := rapid.IntRange(0, len(tokens)-1).Draw(rt, "from")
			switch rapid.IntRange(0, 3).Draw(rt, "kind") {
			case 0:
				tokens = slices.Delete(tokens, i, min(i+1, len(tokens)))
			case 1:
				tokens = slices.Insert(tokens, i, tokens[j])
			case 2:
				tokens[i].Bytes = tokens[j].Bytes
			case 3:
				tokens[i], tokens[j] = tokens[j], tokens[i]
			}
			if len(tokens) == 0 {
				return
			}
		}
		var src bytes.Buffer
		for _, token := range tokens {
			src.Write(token.Bytes)
			src.WriteByte(' ')
		}
		evaluateAnything(rt, src.Bytes())
	})
}

// FuzzVariables: a variables file of any bytes is read or refused, and what is read
// has the types that are declared.
func FuzzVariables(f *testing.F) {
	for _, s := range []string{"", "a = 1\n", "a = \"x\"\nb = [1, 2]\nc = { x = null }\n", "a = [[[[", "b = [for x in [1] : x]\n", "a = local.x\n", "c = { x = \"${1}\" }\n", "\x00", "a = 1\na = 2\n"} {
		f.Add([]byte(s))
	}
	config, diags := Load(".", Options{Files: map[string][]byte{"main.stowage.hcl": []byte(`
variable "a" { default = "x" }
variable "b" {
  type    = list(number)
  default = []
}
variable "c" {
  type    = object({ x = optional(string, "y") })
  default = {}
}
`)}})
	if diags.HasErrors() {
		f.Fatal(diags)
	}
	path := filepath.Join(f.TempDir(), "values.hcl")
	f.Fuzz(func(t *testing.T, src []byte) {
		if err := os.WriteFile(path, src, 0o600); err != nil {
			t.Fatal(err)
		}
		values, diags := config.ReadVariables(VariableSources{Flags: []VariableFlag{{File: path}}})
		if diags.HasErrors() {
			return
		}
		e, diags := NewEvaluator(config, Inputs{Variables: values})
		if diags.HasErrors() {
			return
		}
		if v := e.Variables()["b"]; !v.Type().Equals(cty.List(cty.Number)) {
			t.Errorf("%q: %#v", src, v)
		}
	})
}
