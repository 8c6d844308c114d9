package planner_test

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// drawWhole is draw with what whole configurations have besides: modules (some of them
// many, some waiting for a block, some for each other), data (known, waiting, within
// modules, judged by conditions), checks, and moved blocks. Blocks have another name in
// every other step, with or without a moved block that says so.
func drawWhole(t *rapid.T, label string, step int) (blocks []string, modules map[string][]byte) {
	d := &drawer{t: t, label: label, blocks: draw(t, label)}
	for _, b := range d.blocks { // what can be referred to
		if name, ok := strings.CutPrefix(b, "config \""); ok && !strings.Contains(b, "count =") && !strings.Contains(b, "for_each =") {
			name, _, _ = strings.Cut(name, "\"")
			d.single = append(d.single, name)
			d.texts = append(d.texts, "config."+name+".text")
		}
	}
	d.texts = append(d.texts, "var.v", "var.hidden")
	for i := range rapid.IntRange(0, 2).Draw(t, label+"facts") {
		d.fact(i)
	}
	for i := range rapid.IntRange(0, 2).Draw(t, label+"renamed") {
		d.renamed(i, step)
	}
	for i := range rapid.IntRange(0, 3).Draw(t, label+"modules") {
		d.module(i, step)
	}
	if d.maybe("check") {
		d.add("check \"c\" {\n  assert {\n    condition = length(%s) > %d\n    error_message = \"It is ${%s}.\"\n  }\n}\n",
			d.text("checked"), rapid.IntRange(0, 3).Draw(t, label+"length"), d.text("told"))
	}
	if d.maybe("check reads") {
		after := ""
		if len(d.single) > 0 && d.maybe("check waits") {
			after = fmt.Sprintf("    depends_on = [config.%s]\n", d.one("check for", d.single...))
		}
		d.add("check \"d\" {\n  data \"fact\" \"checked\" {\n    name = %s\n%s  }\n  assert {\n    condition = data.fact.checked.value == \"red\"\n    error_message = \"It is ${data.fact.checked.value}.\"\n  }\n}\n",
			d.one("fact checked", `"color"`, d.text("name of fact")), after)
	}
	return d.blocks, map[string][]byte{"inner/main.stowage.hcl": []byte(inner), "outer/main.stowage.hcl": []byte(outer)}
}

const inner = `
variable "in" { type = string }
variable "wait" { default = false }

data "fact" "known" { name = "color" }

data "fact" "late" {
  name = config.first.serial == 0 ? "" : "color"
  lifecycle {
    postcondition {
      condition     = self.value != ""
      error_message = "It is empty."
    }
  }
}

config "first" { text = var.in }

config "second" {
  count = var.wait ? 2 : 1
  text  = var.wait ? data.fact.late.value : data.fact.known.value
}

check "inner" {
  data "fact" "inner" { name = config.first.serial < 2 ? "color" : "nobody" }
  assert {
    condition     = data.fact.inner.value == "red"
    error_message = "It is ${data.fact.inner.value}."
  }
  assert {
    condition     = config.first.serial < 2
    error_message = "${var.in} was changed."
  }
}

output "text" { value = "${config.first.text}/${config.second[0].version}" }
`

const outer = `
variable "in" { type = string }

module "one" {
  source = "../inner"
  in     = var.in
}

module "each" {
  source     = "../inner"
  for_each   = { a = true, b = false }
  in         = "${each.key}-${module.one.text}"
  wait       = each.value
  depends_on = [module.one]
}

output "text" { value = join(",", [for m in module.each : m.text]) }
`

// fact draws a data block.
func (d *drawer) fact(i int) {
	name, after := fmt.Sprintf("f%d", i), ""
	if len(d.single) > 0 && d.maybe("fact waits") {
		after = fmt.Sprintf("  depends_on = [config.%s]\n", d.one("for", d.single...))
	}
	if d.maybe("facts") {
		d.add("data \"fact\" %q {\n  count = 2\n  name = \"color\"\n%s}\n", name, after)
		d.texts = append(d.texts, "data.fact."+name+"[1].value", "join(\"\", data.fact."+name+"[*].value)")
		return
	}
	d.add("data \"fact\" %q {\n  name = \"color\"\n%s  lifecycle {\n    precondition {\n      condition = length(%s) >= 0\n      error_message = \"Never.\"\n    }\n  }\n}\n",
		name, after, d.text("judged"))
	d.texts = append(d.texts, "data.fact."+name+".value")
}

// renamed draws a config whose name is another one in every other step.
func (d *drawer) renamed(i, step int) {
	now, was := fmt.Sprintf("r%d_%d", i, step%2), fmt.Sprintf("r%d_%d", i, (step+1)%2)
	if d.maybe("moved") {
		d.add("moved {\n  from = config.%s\n  to   = config.%s\n}\n", was, now)
	}
	repeat := d.one("renamed how", "", "  count = 2\n", "  for_each = toset([\"a\", \"b\"])\n", "  count = 1\n")
	d.add("config %q {\n%s  text = %s\n}\n", now, repeat, d.text("renamed"))
	if repeat == "" {
		d.single = append(d.single, now)
		d.texts = append(d.texts, "config."+now+".version")
	}
}

// module draws a module block.
func (d *drawer) module(i, step int) {
	now, was := fmt.Sprintf("m%d_%d", i, step%2), fmt.Sprintf("m%d_%d", i, (step+1)%2)
	if d.maybe("module moved") {
		d.add("moved {\n  from = module.%s\n  to   = module.%s\n}\n", was, now)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "module %q {\n  source = \"./%s\"\n  in = nonsensitive(sensitive(%s))\n", now, d.one("source", "inner", "outer"), d.text("in"))
	address := "module." + now
	switch d.one("many modules", "one", "count", "each") {
	case "count":
		b.WriteString("  count = 2\n")
		d.texts = append(d.texts, address+"[1].text")
	case "each":
		b.WriteString("  for_each = { x = 1 }\n")
		d.texts = append(d.texts, "join(\"\", [for m in "+address+" : m.text])")
	default:
		d.texts = append(d.texts, address+".text")
	}
	if len(d.single) > 0 && d.maybe("module waits") {
		fmt.Fprintf(&b, "  depends_on = [config.%s]\n", d.one("module for", d.single...))
	}
	d.add("%s}\n", b.String())
	if d.maybe("waits for module") {
		d.add("data \"fact\" \"after_%s\" {\n  name = \"color\"\n  depends_on = [%s]\n}\n", now, address)
		d.texts = append(d.texts, "data.fact.after_"+now+".value")
	}
}

// writeWhole makes a configuration that of the lab.
func (l *lab) writeWhole(blocks []string, modules map[string][]byte) {
	l.write(strings.Join(blocks, "\n"))
	for name, src := range modules {
		l.files[name] = src
	}
}

// After an apply there is nothing left to do, from any whole configuration to any
// other, whatever the sources say by then.
func TestPlanAfterApplyOfAWholeConfigurationIsEmpty(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		l := drawLab(r)
		for step := range rapid.IntRange(1, 3).Draw(r, "steps") {
			l.world.facts["color"] = rapid.SampledFrom([]string{"red", "blue"}).Draw(r, fmt.Sprint("color", step))
			l.writeWhole(drawWhole(r, fmt.Sprint(step), step))
			l.settled()
		}
	})
}
