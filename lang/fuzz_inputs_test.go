package lang

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// consoleNames are those that tests add to a scope.
var consoleNames = map[string]cty.Value{
	"run": cty.ObjectVal(map[string]cty.Value{"one": cty.ObjectVal(map[string]cty.Value{"out": cty.StringVal("x")})}),
}

// typed is a configuration with a variable of every kind of type.
const typed = `
variable "text" { type = string }
variable "number" {
  type = number
  validation {
    condition     = var.number > 0 && var.number < 10
    error_message = "number is ${var.number}"
  }
}
variable "bool" { type = bool }
variable "any" {}
variable "list" { type = list(string) }
variable "set" { type = set(number) }
variable "map" { type = map(list(bool)) }
variable "tuple" { type = tuple([string, number]) }
variable "object" {
  type     = object({ a = string, b = optional(number, 3), c = optional(map(string)) })
  nullable = false
  default  = { a = "a" }
}
variable "secret" {
  type      = list(number)
  sensitive = true
}
locals { all = jsonencode([var.list, var.object, var.any]) }
config "c" { files = { a = var.text, b = tostring(var.number), c = local.all } }
output "o" {
  value     = [var.list, var.set, var.map, var.tuple, var.object, var.secret]
  sensitive = true
}
`

// FuzzVariablesFile reads anything as a file of variables, and evaluates with it.
func FuzzVariablesFile(f *testing.F) {
	for _, seed := range []string{
		"text = \"a\"\nnumber = 3\nbool = true\nany = [1]\nlist = [\"a\"]\nset = [1, 1]\nmap = { a = [true] }\ntuple = [\"a\", 1]\nobject = { a = 1 }\nsecret = [1]\n",
		"txt = 1", "text {}", "text = var.x", "number = 99", "list = null", "object = { b = \"x\" }", "secret = [\"x\"]", "any = upper(\"a\")", "any = <<EOT\nx\nEOT\n", "any = 1e999999999",
	} {
		f.Add([]byte(seed))
	}
	c, diags := Load("", Options{Schemas: testSchemas(), Files: map[string][]byte{"main.stowage.hcl": []byte(typed)}})
	if diags.HasErrors() {
		f.Fatal(diags)
	}
	path := filepath.Join(f.TempDir(), "x.vars.hcl")
	f.Fuzz(func(t *testing.T, src []byte) {
		if bytes.Contains(src, []byte("e9")) {
			return // large numbers are slow to write out
		}
		if err := os.WriteFile(path, src, 0o600); err != nil {
			t.Fatal(err)
		}
		evaluateInputs(t, c, VariableFlag{File: path})
	})
}

// FuzzVariablesText reads anything as -var NAME=VALUE.
func FuzzVariablesText(f *testing.F) {
	for _, seed := range []string{
		"text=a", "number=3", "number=x", "list=[\"a\"]", "map={a=[true]}", "object={a=\"x\",b=null}", "tuple=[1]", "secret=[\"x\"]", "=", "", "txt=1", "list=upper(1)", "list=var.x", "list=[", "any=\x00",
	} {
		f.Add(seed)
	}
	c, diags := Load("", Options{Schemas: testSchemas(), Files: map[string][]byte{"main.stowage.hcl": []byte(typed)}})
	if diags.HasErrors() {
		f.Fatal(diags)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if bytes.Contains([]byte(text), []byte("e9")) {
			return
		}
		evaluateInputs(t, c, VariableFlag{Assign: text})
	})
}

func evaluateInputs(t *testing.T, c *Config, flag VariableFlag) {
	inputs, diags := c.ReadVariables(VariableSources{Flags: []VariableFlag{flag}})
	explained(t, diags)
	for name, v := range c.Variables {
		if _, ok := inputs[name]; !ok && v.Default == cty.NilVal {
			inputs[name] = Input{Value: cty.NullVal(cty.DynamicPseudoType), Source: "fuzz"}
		}
	}
	e, diags := NewEvaluator(c, Inputs{Variables: inputs})
	explained(t, diags)
	if diags.HasErrors() {
		return
	}
	for b := range e.Blocks() {
		keys, diags := e.Expand(b)
		explained(t, diags)
		for _, key := range keys {
			_, diags := e.Decode(b, key)
			explained(t, diags)
		}
	}
	_, _, diags = e.Output("o")
	explained(t, diags)
}

// explained demands that diagnostics say what and why.
func explained(t *testing.T, diags hcl.Diagnostics) {
	t.Helper()
	for _, d := range diags {
		if d.Summary == "" || d.Detail == "" {
			t.Errorf("%+v", d)
		}
	}
}

// FuzzConsole evaluates anything as an expression of a console.
func FuzzConsole(f *testing.F) {
	for _, seed := range []string{
		"1 + 1", "config.c.files[\"a\"]", "type(var.list)", "[for k, v in var.map : k]", "run.x.y", "run.one.out", "upper(", "\"${", "<<EOT\nx\nEOT\n", "{ a = 1 }.a", "config.c[*].files", "try(var.nope, 1)",
		"count.index", "each.key", "self", "path.module", "context.name", "local.all", "type(type(1))", "templatestring(\"$${x}\", { x = 1 })", "run", "!run", "-var.text", "var.list[count.index]",
	} {
		f.Add([]byte(seed))
	}
	c, diags := Load("", Options{Schemas: testSchemas(), Files: map[string][]byte{"main.stowage.hcl": []byte(`
variable "list" { default = ["a"] }
variable "map" { default = { a = 1 } }
variable "text" {
  default   = "pl4nted"
  sensitive = true
}
locals { all = [var.list, var.map] }
config "c" { files = { a = "x" } }
config "many" {
  count = 2
  files = {}
}
config "each" {
  for_each = var.map
  files    = {}
}
`)}})
	if diags.HasErrors() {
		f.Fatal(diags)
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		if bytes.Contains(src, []byte("file")) || bytes.Contains(src, []byte("range")) || bytes.Contains(src, []byte("e9")) {
			return // reads what is there, or is slow by intent
		}
		e, diags := NewEvaluator(c, Inputs{})
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		for b := range e.Blocks() {
			e.Expand(b)
		}
		s := e.Scope().WithTypes()
		s.Names = consoleNames
		_, diags = s.Eval(src, "<console>")
		for _, d := range diags {
			if d.Summary == "" || d.Detail == "" || d.Subject == nil || d.Subject.Start.Line < 1 {
				t.Errorf("%+v", d)
			}
		}
		var out bytes.Buffer
		if err := hcl.NewDiagnosticTextWriter(&out, nil, 0, false).WriteDiagnostics(diags); err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(bytes.ToLower(out.Bytes()), []byte("pl4nted")) && !bytes.Contains(src, []byte("nonsensitive")) && !bytes.Contains(bytes.ToLower(src), []byte("pl4nted")) {
			t.Error(out.String())
		}
	})
}
