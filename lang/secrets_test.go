package lang

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
)

// TestErrorsHideSecrets evaluates expressions that fail because of a sensitive
// value, and looks for it in what is shown.
func TestErrorsHideSecrets(t *testing.T) {
	const planted = "pl4nted"
	for _, expr := range []string{
		`parseint(var.s, 10)`,
		`base64decode(var.s)`,
		`jsondecode(var.s)`,
		`var.s + 1`,
		`var.s.x`,
		`var.s[0]`,
		`{ a = 1 }[var.s]`,
		`[1][var.s]`,
		`tonumber(upper(var.s))`,
		`regex("x+", var.s)`,
		`local.map[upper(var.s)]`,
		`local.derived.nope`,
		`parseint(local.derived, 10)`,
		`[for v in split(",", var.s) : parseint(v, 10)]`,
		`[for v in split(",", var.s) : v.x]`,
		`{ for v in split(",", "${var.s},${var.s}") : v => 1 }`,
		`{ for v in split(",", "${var.s},${var.s}") : upper(v) => 1 }`,
		`[for v in [var.s] : tonumber(v)]`,
		`split(",", var.s)[*].x`,
		`try(parseint(var.s, 10))`,
		`templatestring("$${parseint(x, 10)}", { x = var.s })`,
		`config.many[var.s].version`,
		`config.each[var.s].version`,
		`config.each[upper(var.s)].version`,
		`config.each[sensitive("` + planted + `")].version`,
		`parseint(sensitive("pl4" == "x" ? "" : "pl4${"nted"}"), 10)`,
		`var.s ? 1 : 2`,
		`formatdate(var.s, var.s)`,
		`cidrhost(var.s, 1)`,
		`parseint(secret.s.value, 10)`,
		`parseint(secret.many[0].value, 10)`,
		`lookup({}, var.s)`,
		`one([var.s, var.s])`,
		`sum([var.s])`,
		`file(var.s)`,
		`timeadd(var.s, "1h")`,
		`uuidv5(var.s, "x")`,
		`range(var.s)`,
		`yamldecode("${var.s}: [")`,
	} {
		t.Run(expr, func(t *testing.T) {
			c, diags := loadText(t, `
variable "s" {
  default   = "`+planted+`"
  sensitive = true
}
locals {
  derived = "${var.s}!"
  map     = { a = 1 }
}
config "many" {
  count = 1
  files = {}
}
config "each" {
  for_each = { a = 1 }
  files    = {}
}
secret "s" { value = "x`+planted+`" }
secret "many" {
  count = 1
  value = "y`+planted+`"
}
node "n" {
  labels = { a = `+expr+` }
}
node "count" {
  count  = 2
  labels = { a = `+expr+`, b = count.index }
}
output "o" { value = `+expr+` }
`)
			if diags.HasErrors() {
				t.Fatal(diags)
			}
			diags = c.Validate()
			e, more := NewEvaluator(c, Inputs{})
			diags = append(diags, more...)
			for b := range e.Blocks() {
				keys, more := e.Expand(b)
				diags = append(diags, more...)
				for _, key := range keys {
					inst, more := e.Decode(b, key)
					diags = append(diags, more...)
					e.Set(inst.Address, inst.Config)
				}
			}
			_, _, more = e.Output("o")
			diags = append(diags, more...)
			if !diags.HasErrors() {
				t.Fatal("no error")
			}
			// Without the files there are no source lines, which may show literals.
			var out bytes.Buffer
			if err := hcl.NewDiagnosticTextWriter(&out, nil, 0, false).WriteDiagnostics(diags); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(strings.ToLower(out.String()), planted) {
				t.Error(out.String())
			}
		})
	}
}

// TestNoFunctionRevealsASecret calls every function with sensitive arguments of
// several types, mostly wrong ones: the error does not show them, and a result is
// sensitive as well.
func TestNoFunctionRevealsASecret(t *testing.T) {
	const planted = "pl4nted"
	var outputs strings.Builder
	n := 0
	for _, name := range keysOf(Functions()) {
		f := Functions()[name]
		arity := len(f.Params())
		if f.VarParam() != nil {
			arity += 2
		}
		if arity == 0 || name == "nonsensitive" || name == "issensitive" || name == "can" {
			continue
		}
		for _, arg := range []string{"var.s", "[var.s]", "{ a = var.s }", `"${var.s}:["`, "[[var.s], var.s]"} {
			if name == "keys" && arg == "{ a = var.s }" {
				continue // the keys of sensitive values are not
			}
			args := strings.TrimSuffix(strings.Repeat(arg+", ", arity), ", ")
			fmt.Fprintf(&outputs, "output \"o%d\" {\n  value     = %s(%s)\n}\n", n, name, args)
			n++
		}
	}
	c, diags := loadText(t, `
variable "s" {
  default   = "`+planted+`"
  sensitive = true
}
`+outputs.String())
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	e, diags := NewEvaluator(c, Inputs{})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	failed := 0
	for _, o := range c.Outputs {
		_, _, diags := e.Output(o.Name)
		if !diags.HasErrors() {
			t.Errorf("%s: neither an error nor sensitive", o.value.Range().SliceBytes(c.Files["main.stowage.hcl"].Bytes))
			continue
		}
		var out bytes.Buffer
		if err := hcl.NewDiagnosticTextWriter(&out, nil, 0, false).WriteDiagnostics(diags); err != nil {
			t.Fatal(err)
		}
		if diags[0].Summary != "Output of a sensitive value" {
			failed++
		}
		if strings.Contains(strings.ToLower(out.String()), planted) {
			t.Error(out.String())
		}
	}
	if failed < n/3 {
		t.Errorf("only %d of %d calls fail", failed, n)
	}
}
