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

// draw makes a random configuration: configs that refer to configs before them (by
// value, by instance, by block, by depends_on), secrets, pods, some of them many.
func draw(t *rapid.T, label string) []string {
	blocks := []string{"node \"m\" {\n  address = \"10.0.0.1\"\n  role = \"manager\"\n  schedulable = true\n}\n"}
	if rapid.Bool().Draw(t, label+"worker") {
		blocks = append(blocks, "node \"w\" { address = \"10.0.0.2\" }\n")
	}
	var names []string
	for i := range rapid.IntRange(1, 7).Draw(t, label+"configs") {
		if rapid.IntRange(0, 4).Draw(t, label+"skip") == 0 {
			continue
		}
		name := fmt.Sprintf("c%d", i)
		refs := []string{fmt.Sprintf("%q", rapid.SampledFrom([]string{"x", "y"}).Draw(t, label+"text"))}
		for range rapid.IntRange(0, 2).Draw(t, label+"refs") {
			if len(names) == 0 {
				break
			}
			ref := rapid.SampledFrom(names).Draw(t, label+"ref")
			many := strings.HasSuffix(ref, "*")
			ref = "config." + strings.TrimSuffix(ref, "*")
			switch {
			case many && rapid.Bool().Draw(t, label+"one"):
				refs = append(refs, ref+"[0].text")
			case many:
				refs = append(refs, "join(\"\", "+ref+"[*].text)")
			case rapid.Bool().Draw(t, label+"serial"):
				refs = append(refs, "tostring("+ref+".serial)")
			default:
				refs = append(refs, ref+".version")
			}
		}
		var b strings.Builder
		fmt.Fprintf(&b, "config %q {\n", name)
		if n := rapid.IntRange(0, 3).Draw(t, label+"count"); n > 0 {
			fmt.Fprintf(&b, "  count = %d\n", n)
			names = append(names, name+"*")
		} else {
			names = append(names, name)
		}
		fmt.Fprintf(&b, "  text = join(\"-\", [%s])\n", strings.Join(refs, ", "))
		if rapid.Bool().Draw(t, label+"frozen") {
			fmt.Fprintf(&b, "  frozen = %q\n", rapid.SampledFrom([]string{"1", "2"}).Draw(t, label+"freeze"))
		}
		blocks = append(blocks, b.String()+"}\n")
	}
	if rapid.Bool().Draw(t, label+"secret") {
		blocks = append(blocks, "secret \"s\" {}\n")
	}
	secret := len(blocks) > 0 && strings.HasPrefix(blocks[len(blocks)-1], "secret")
	for i := range rapid.IntRange(0, 3).Draw(t, label+"pods") {
		var b strings.Builder
		fmt.Fprintf(&b, "pod \"p%d\" {\n  replicas = %d\n", i, rapid.IntRange(0, 3).Draw(t, label+"replicas"))
		if len(names) > 0 && !strings.HasSuffix(names[0], "*") {
			fmt.Fprintf(&b, "  config = config.%s\n", names[0])
		}
		if secret && rapid.Bool().Draw(t, label+"uses") {
			b.WriteString("  container \"main\" {\n    env = { S = secret.s.value }\n  }\n")
		}
		blocks = append(blocks, b.String()+"}\n")
	}
	return blocks
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
	left  int  // calls before the end
	after bool // the last record still gets to the disk
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
	return d.die(func() error { return d.Journal.Done(address, i) })
}

func (d *deadly) Fail(address string) error {
	return d.die(func() error { return d.Journal.Fail(address) })
}

func (d *deadly) SetOutputs(o map[string]*state.Output) error {
	return d.die(func() error { return d.Journal.SetOutputs(o) })
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
// first placed.
func unplaced(w *world) string {
	var lines []string
	for line := range strings.Lines(w.dump()) {
		if strings.HasPrefix(line, "bound ") {
			continue
		}
		if i := strings.Index(line, `,"placement"`); i >= 0 {
			line = line[:i] + "\n"
		}
		lines = append(lines, line)
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}
