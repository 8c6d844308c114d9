package planner_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/planner"
	"github.com/stowage-iac/stowage/state"
)

// draw makes a random configuration: variables, local values and configs that refer
// to what is before them (by value, by instance, by block, by depends_on, behind
// conditions and for expressions), some of them many, some of sensitive values;
// secrets, pods with dynamic blocks, outputs.
func draw(t *rapid.T, label string) []string {
	d := &drawer{t: t, label: label}
	d.add("node \"m\" {\n  address = \"10.0.0.1\"\n  role = \"manager\"\n  schedulable = true\n}\n")
	if d.maybe("worker") {
		d.add("node \"w\" { address = \"10.0.0.2\" }\n")
	}
	d.add("variable \"v\" { default = %q }\n", d.one("v", "1", "2"))
	d.add("variable \"on\" { default = %v }\n", d.maybe("on"))
	d.add("variable \"hidden\" {\n  default = %q\n  sensitive = true\n}\n", d.one("hidden", "h", "i"))
	d.texts = []string{"var.v", "var.hidden"}
	for i := range rapid.IntRange(1, 7).Draw(t, label+"configs") {
		if rapid.IntRange(0, 4).Draw(t, label+"skip") == 0 {
			continue
		}
		d.config(i)
	}
	if d.maybe("secret") {
		d.add("secret \"s\" {}\n")
		d.secret = true
	}
	for i := range rapid.IntRange(0, 3).Draw(t, label+"pods") {
		d.pod(i)
	}
	if d.maybe("output") {
		d.add("output \"o\" {\n  value = [%s]\n  sensitive = true\n}\n", d.text("output"))
	}
	return d.blocks
}

// drawer draws one configuration.
type drawer struct {
	t      *rapid.T
	label  string
	blocks []string
	texts  []string // expressions for a text
	single []string // configs that are one instance
	secret bool
}

func (d *drawer) add(format string, args ...any) {
	d.blocks = append(d.blocks, fmt.Sprintf(format, args...))
}
func (d *drawer) maybe(what string) bool { return rapid.Bool().Draw(d.t, d.label+what) }
func (d *drawer) one(what string, of ...string) string {
	return rapid.SampledFrom(of).Draw(d.t, d.label+what)
}

// text draws an expression for a text.
func (d *drawer) text(what string) string {
	x := d.one(what, d.texts...)
	switch rapid.IntRange(0, 6).Draw(d.t, d.label+what+" how") {
	case 0:
		return "(var.on ? " + x + " : \"off\")"
	case 1:
		return "join(\"\", [for x in [" + x + ", \"e\"] : upper(x) if x != \"e\"])"
	case 2:
		return "\"<${" + x + "}>\""
	case 3:
		return "try(" + x + ", \"none\")"
	}
	return x
}

// config draws a config, perhaps with a local value that goes into it.
func (d *drawer) config(i int) {
	name := fmt.Sprintf("c%d", i)
	refs := []string{fmt.Sprintf("%q", d.one("text", "x", "y"))}
	for range rapid.IntRange(0, 2).Draw(d.t, d.label+"refs") {
		refs = append(refs, d.text("ref"))
	}
	text := fmt.Sprintf("join(\"-\", [%s])", strings.Join(refs, ", "))
	if d.maybe("local") {
		d.add("locals {\n  l%d = %s\n}\n", i, text)
		text = fmt.Sprintf("local.l%d", i)
		d.texts = append(d.texts, text)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "config %q {\n", name)
	address := "config." + name
	switch rapid.IntRange(0, 4).Draw(d.t, d.label+"many") {
	case 0:
		n := rapid.IntRange(1, 3).Draw(d.t, d.label+"count")
		fmt.Fprintf(&b, "  count = %d\n  labels = { n = count.index }\n", n)
		d.texts = append(d.texts, address+"[0].text", "join(\"\", "+address+"[*].text)", fmt.Sprintf("%s[%d].version", address, n-1))
	case 1:
		fmt.Fprintf(&b, "  for_each = { a = \"1\", %s = var.v }\n  labels = { key = each.key, value = each.value }\n", d.one("key", "b", "c"))
		d.texts = append(d.texts, address+"[\"a\"].version", "join(\"\", [for k, c in "+address+" : k])", "join(\"\", values("+address+")[*].text)")
	case 2:
		fmt.Fprintf(&b, "  count = var.on ? 1 : 0\n")
		d.texts = append(d.texts, "join(\"\", "+address+"[*].version)", "(length("+address+") > 0 ? \"some\" : \"none\")")
	default:
		d.single = append(d.single, name)
		d.texts = append(d.texts, address+".version", "tostring("+address+".serial)")
	}
	fmt.Fprintf(&b, "  text = %s\n", text)
	if d.maybe("frozen") {
		fmt.Fprintf(&b, "  frozen = %q\n", d.one("freeze", "1", "2"))
	}
	if len(d.single) > 1 && d.maybe("depends") {
		if other := d.one("on what", d.single...); other != name {
			fmt.Fprintf(&b, "  depends_on = [config.%s]\n", other)
		}
	}
	d.add("%s}\n", b.String())
}

func (d *drawer) pod(i int) {
	var b strings.Builder
	fmt.Fprintf(&b, "pod \"p%d\" {\n  replicas = %d\n", i, rapid.IntRange(0, 3).Draw(d.t, d.label+"replicas"))
	if len(d.single) > 0 && d.maybe("uses config") {
		fmt.Fprintf(&b, "  config = config.%s\n", d.one("which", d.single...))
	}
	if d.secret && d.maybe("uses") {
		b.WriteString("  container \"main\" {\n    env = { S = secret.s.value }\n  }\n")
	}
	if d.maybe("dynamic") {
		fmt.Fprintf(&b, "  dynamic \"container\" {\n    for_each = var.on ? { x = %s, y = \"2\" } : {}\n    labels   = [container.key]\n    content {\n      image = container.key\n      env   = { V = container.value }\n    }\n  }\n",
			d.one("plain", "var.v", "\"3\""))
	}
	d.add("%s}\n", b.String())
}

func drawLab(t *rapid.T) *lab { return newLab(t, "m", "w") }

// After an apply there is nothing left to do, from any configuration to any other.
func TestPlanAfterApplyIsEmpty(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		l := drawLab(r)
		for step := range rapid.IntRange(1, 3).Draw(r, "steps") {
			l.write(strings.Join(draw(r, fmt.Sprint(step)), "\n"))
			l.settled()
		}
	})
}

// The order of blocks and files, the parallelism of an earlier apply, and how often
// it is asked do not change a byte of the plan.
func TestPlanIsDeterministic(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		first, second := draw(r, "first"), draw(r, "second")
		shuffled := rapid.Permutation(second).Draw(r, "order")
		run := func(parallelism int, files map[string][]byte) string {
			l := newLab(r, "m", "w").write(strings.Join(first, "\n"))
			l.during = func(in *planner.ApplyInput) { in.Parallelism = parallelism }
			l.apply()
			l.files = files
			return l.plan().String()
		}
		one := map[string][]byte{"main.stowage.hcl": []byte(strings.Join(second, "\n"))}
		many := map[string][]byte{}
		for i, b := range shuffled {
			many[fmt.Sprintf("%d.stowage.hcl", i)] = []byte(b)
		}
		if a, b := run(1, one), run(16, many); a != b {
			r.Fatalf("two plans of the same:\n%s\n%s", a, b)
		}
	})
}

// A destroy undoes the creations in an order in which nothing goes before what used it.
func TestDestroyReversesCreate(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		l := drawLab(r).write(strings.Join(draw(r, ""), "\n"))
		create := l.plan()
		deps := map[string][]string{}
		for _, c := range create.Changes {
			deps[c.Address] = c.Deps
		}
		l.apply()
		l.world.log = nil
		l.destroy = true
		l.apply()
		at := map[string]int{}
		for i, entry := range l.world.log {
			at[strings.TrimPrefix(entry, "delete ")] = i
		}
		if len(at) != len(deps) {
			r.Fatalf("%d were created and %v done", len(deps), l.world.log)
		}
		for user, list := range deps {
			for _, dep := range list {
				for other := range deps {
					if (other == dep || lang.BlockOf(other) == dep) && at[other] < at[user] {
						r.Fatalf("%s was deleted before %s, which used it: %v", other, user, l.world.log)
					}
				}
			}
		}
		if at["node.m"] != len(at)-1 {
			r.Fatalf("the manager was not the last to go: %v", l.world.log)
		}
		if d := l.world.dump(); d != "" {
			r.Fatalf("left behind:\n%s", d)
		}
	})
}

// deadly is a journal whose process dies at one of its calls: before or after the
// record is on disk. Nothing is done to the world from then on.
type deadly struct {
	*state.Journal
	world *world
	left  int    // calls before the end
	at    string // or: the address whose result is the end
	after bool   // the last record still gets to the disk
}

func (d *deadly) die(write func() error) error {
	d.world.mu.Lock()
	d.left--
	left := d.left
	if left <= 0 {
		d.world.frozen = errDead
	}
	d.world.mu.Unlock()
	if left < 0 || left == 0 && !d.after {
		return errDead
	}
	return write()
}

func (d *deadly) Begin(address, action string) error {
	return d.die(func() error { return d.Journal.Begin(address, action) })
}

func (d *deadly) Done(address string, i *state.Instance) error {
	d.world.mu.Lock()
	if d.at == address {
		d.left = 1
	}
	d.world.mu.Unlock()
	return d.die(func() error { return d.Journal.Done(address, i) })
}

func (d *deadly) Fail(address string) error {
	return d.die(func() error { return d.Journal.Fail(address) })
}

func (d *deadly) SetOutputs(o map[string]*state.Output) error {
	return d.die(func() error { return d.Journal.SetOutputs(o) })
}

func (d *deadly) Move(from string, to *state.Instance) error {
	return d.die(func() error { return d.Journal.Move(from, to) })
}

func (d *deadly) SetClusterID(id string) error {
	return d.die(func() error { return d.Journal.SetClusterID(id) })
}

func (d *deadly) Close(ctx context.Context) (*state.State, error) {
	if d.left <= 0 {
		return nil, errors.Join(errDead, d.Journal.Leave())
	}
	return d.Journal.Close(ctx)
}

// Killed at any record of an apply, the next apply ends in the same world, even
// with another configuration: nothing is lost and nothing is left behind.
func TestKilledAtAnyStep(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		first, second, third := draw(r, "first"), draw(r, "second"), draw(r, "third")
		if rapid.Bool().Draw(r, "same") {
			third = second
		}
		l := drawLab(r)
		if rapid.Bool().Draw(r, "before") {
			l.write(strings.Join(first, "\n")).apply()
		}
		l.write(strings.Join(second, "\n"))
		parallelism := rapid.SampledFrom([]int{1, 4}).Draw(r, "parallelism")
		left, after := rapid.IntRange(1, 30).Draw(r, "killed at"), rapid.Bool().Draw(r, "after")
		l.during = func(in *planner.ApplyInput) {
			in.Parallelism = parallelism
			in.Journal = &deadly{Journal: in.Journal.(*state.Journal), world: l.world, left: left, after: after}
		}
		_, diags := l.tryApply(context.Background())
		died := l.world.frozen != nil
		if died != diags.HasErrors() {
			r.Fatalf("died: %v, but %s", died, text(diags))
		}
		l.world.frozen, l.during = nil, nil
		if died && l.state().Interrupted == nil {
			r.Fatal("nobody is told of the interrupted apply")
		}
		l.write(strings.Join(third, "\n")).settled()
		if l.state().Interrupted != nil {
			r.Fatal("the interrupted apply is told of again")
		}
		fresh := drawLab(r).write(strings.Join(third, "\n"))
		fresh.apply()
		want := strings.ReplaceAll(unplaced(fresh.world), fresh.state().State.Lineage, "")
		if got := unplaced(l.world); got != want {
			r.Fatalf("the world is\n%s\ninstead of\n%s", got, want)
		}
		l.destroy = true
		l.apply()
		if d := l.world.dump(); d != "" {
			r.Fatalf("left behind:\n%s", d)
		}
	})
}

// unplaced is the world without the nodes of replicas, which stay where they were
// first placed, and with one name for what was renamed.
func unplaced(w *world) string {
	var lines []string
	for line := range strings.Lines(w.dump()) {
		if strings.HasPrefix(line, "bound ") {
			continue
		}
		if i := strings.Index(line, `,"placement"`); i >= 0 {
			line = line[:i] + "\n"
		}
		// A block that got or lost its count keeps its object, and the object its name.
		lines = append(lines, strings.Replace(line, "[0] ", " ", 1))
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}
