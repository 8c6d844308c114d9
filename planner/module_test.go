package planner_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// inModule moves blocks into a module, but for the nodes: files of a configuration
// that calls it as the call says.
func inModule(blocks []string, call string) map[string][]byte {
	root, module := []string{call}, []string{}
	for _, b := range blocks {
		if strings.HasPrefix(b, "node ") {
			root = append(root, b)
		} else {
			module = append(module, b)
		}
	}
	module = append(module, "variable \"x\" { default = null }\n")
	return map[string][]byte{
		"main.stowage.hcl":   []byte(strings.Join(root, "\n")),
		"m/main.stowage.hcl": []byte(strings.Join(module, "\n")),
	}
}

const callOnce = "module \"m\" {\n  source = \"./m\"\n}\n"

// What is moved into a module is planned as before, at other addresses.
func TestModuleIsTheSamePlan(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		first, second := draw(r, "first"), draw(r, "second")
		run := func(files func(blocks []string) map[string][]byte) []string {
			l := drawLab(r)
			l.files = files(first)
			l.apply()
			l.files = files(second)
			var lines []string
			p := l.plan()
			for _, c := range p.Changes {
				deps := slices.Clone(c.Deps)
				for i := range deps {
					deps[i] = strings.TrimPrefix(deps[i], "module.m.")
				}
				slices.Sort(deps)
				lines = append(lines, strings.ReplaceAll(fmt.Sprint(strings.TrimPrefix(c.Address, "module.m."), c.Action, c.Reason, c.Causes, c.Placement, deps), "module.m.", ""))
			}
			slices.Sort(lines)
			return lines
		}
		plain := run(func(blocks []string) map[string][]byte {
			return map[string][]byte{"main.stowage.hcl": []byte(strings.Join(blocks, "\n"))}
		})
		moved := run(func(blocks []string) map[string][]byte { return inModule(blocks, callOnce) })
		if !slices.Equal(plain, moved) {
			r.Fatalf("plain:\n%s\nin a module:\n%s", strings.Join(plain, "\n"), strings.Join(moved, "\n"))
		}
	})
}

// After an apply there is nothing left to do, however modules come, go and change
// their keys; and a destroy leaves nothing.
func TestModulesSettle(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		l := drawLab(r)
		for step := range rapid.IntRange(1, 3).Draw(r, "steps") {
			label := fmt.Sprint(step)
			repeat := rapid.SampledFrom([]string{
				"", "count = 2", "count = 0", `for_each = { a = 1, "b.[" = 2 }`, `for_each = toset(["b.["])`,
			}).Draw(r, label+"repeat")
			more := rapid.SampledFrom([]string{
				"", "config \"after\" {\n  text = \"x\"\n  depends_on = [module.m]\n}\n",
				"module \"n\" {\n  source     = \"./m\"\n  depends_on = [module.m]\n}\n",
			}).Draw(r, label+"more")
			l.files = inModule(draw(r, label), fmt.Sprintf("module \"m\" {\n  source = \"./m\"\n  %s\n}\n%s", repeat, more))
			l.settled()
		}
		l.destroy = true
		l.apply()
		if d := l.world.dump(); d != "" {
			r.Fatalf("left behind:\n%s", d)
		}
	})
}

// modules are n instances in k instances of a module.
func modules(n, k int) map[string][]byte {
	return map[string][]byte{
		"main.stowage.hcl": fmt.Appendf(nil, "%s\nmodule \"m\" {\n  source = \"./m\"\n  for_each = { for i in range(%d) : \"k${i}\" => i }\n  text = \"t${each.value}\"\n  each = %d\n}\n", benchNodes, k, n/k/2),
		"m/main.stowage.hcl": []byte(`
variable "text" { type = string }
variable "each" { type = number }
config "c" {
  count = var.each
  text  = "${var.text} ${count.index}"
}
pod "p" {
  count  = var.each
  config = config.c[count.index]
  container "main" {
    image = "img@sha256:00"
    env   = { INDEX = "${count.index}", MODE = "prod" }
    port "http" { container = 80 }
  }
}
`),
	}
}

// BenchmarkPlanModules is BenchmarkPlan's pairs within instances of modules.
func BenchmarkPlanModules(b *testing.B) {
	for _, k := range []int{100, 1000} {
		const n = 10_000
		l := newLab(b, "n[\"a\"]", "n[\"b\"]", "n[\"c\"]", "n[\"d\"]")
		for name := range l.world.hosts {
			f := l.world.hosts[name]
			f.CPUs = 1 << 10
			l.world.hosts[name] = f
		}
		l.files = modules(n, k)
		cfg := l.load()
		b.Run(fmt.Sprintf("%d/first", k), func(b *testing.B) { benchPlan(b, l, cfg, n) })
		l.apply()
		b.Run(fmt.Sprintf("%d/again", k), func(b *testing.B) { benchPlan(b, l, cfg, n) })
	}
}

// A saved plan carries the files of modules, and is applied from them alone.
func TestSavedPlanOfModules(t *testing.T) {
	l := newLab(t, "m")
	l.files = inModule([]string{"node \"m\" { address = \"10.0.0.1\" }\n", "config \"a\" { text = \"a\" }\n", "config \"b\" { text = \"${config.a.version} ${var.x}\" }\n"},
		"module \"m\" {\n  source = \"./m\"\n  for_each = { a = 1 }\n  x = each.value\n}\n")
	saved := l.save()
	l.files = nil
	l.applySaved(saved)
	var got []string
	for address := range l.state().State.Instances {
		got = append(got, address)
	}
	slices.Sort(got)
	if want := []string{`module.m["a"].config.a`, `module.m["a"].config.b`, "node.m"}; !slices.Equal(got, want) {
		t.Errorf("%v were applied, want %v", got, want)
	}
}
