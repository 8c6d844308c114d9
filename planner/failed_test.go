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
)

// A failed step stops exactly what depends on it, of any graph: of a first apply, of
// one that updates, replaces in either order and deletes, and of a destroy. The next
// apply ends in the same world as if nothing had failed.
func TestFailedStepStopsItsDependants(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		first, modules := drawWhole(r, "first", 0)
		second := altered(r, first)
		if rapid.IntRange(0, 2).Draw(r, "another") == 0 {
			second, _ = drawWhole(r, "second", 0)
		}
		second = lifecycles(r, second)
		l, undisturbed := drawLab(r), drawLab(r)
		both := func(do func(l *lab)) {
			for _, l := range []*lab{l, undisturbed} {
				do(l)
			}
		}
		both(func(l *lab) {
			l.world.facts["color"] = "red"
			l.writeWhole(first, modules)
		})
		switch rapid.SampledFrom([]string{"create", "update", "update", "update", "destroy"}).Draw(r, "what") {
		case "update":
			both(func(l *lab) { l.apply(); l.writeWhole(second, modules) })
		case "destroy":
			both(func(l *lab) { l.apply(); l.destroy = true })
		}
		for _, c := range l.plan().Changes {
			if (c.Action == planner.NoOp || c.Action == planner.Update) && c.Kind != "node" && rapid.IntRange(0, 4).Draw(r, "replace") == 0 {
				both(func(l *lab) { l.options.Replace = append(l.options.Replace, c.Address) })
			}
		}
		p, diags := l.tryPlan()
		if strings.Contains(text(diags), "error: Cycle in the plan") {
			return // what is to be made first uses what has to go first
		}
		if diags.HasErrors() {
			r.Fatal(text(diags))
		}
		e := l.edges(p)
		candidates := slices.DeleteFunc(slices.Clone(e.steps), func(s string) bool { return !e.fails(s) })
		if len(candidates) == 0 {
			return
		}
		failing := rapid.SampledFrom(candidates).Draw(r, "failing")
		l.world.fail[failing] = errors.New("no")
		parallelism := rapid.SampledFrom([]int{1, 8}).Draw(r, "parallelism")
		l.during = func(in *planner.ApplyInput) { in.Parallelism, in.Attempts = parallelism, 1 }
		result, diags := l.tryApply(context.Background())
		if !diags.HasErrors() {
			r.Fatal("it did not fail")
		}
		if fmt.Sprint(steps(result.Failed)) != fmt.Sprint([]string{failing}) {
			r.Fatalf("failed: %v instead of %s", result.Failed, failing)
		}
		sure, perhaps := e.behind(failing)
		done := steps(result.Done)
		for _, s := range e.steps {
			if was := slices.Contains(done, s); was && sure[s] || !was && !perhaps[s] {
				r.Fatalf("%s failed; %s depends on it: %v, and was done: %v\n%s\n%s", failing, s, perhaps[s], was, p, text(diags))
			}
		}
		delete(l.world.fail, failing)
		undisturbed.apply()
		both(func(l *lab) {
			l.options.Replace = nil
			l.settled()
		})
		if got, want := l.unowned(), undisturbed.unowned(); got != want {
			r.Fatalf("the world is\n%s\ninstead of\n%s\nafter %s failed in\n%s", got, want, failing, p)
		}
	})
}

// unowned is the world without the owner of its objects, how often each of them was
// made, and what is recorded.
func (l *lab) unowned() string {
	s := l.state().State
	return fmt.Sprint(strings.ReplaceAll(unplaced(l.world), s.Lineage, ""), l.world.lives, sortedKeys(s.Instances))
}

// altered is a configuration with other values: of variables, of what forces a
// replacement, and of replicas; perhaps without the worker.
func altered(r *rapid.T, blocks []string) []string {
	var out []string
	for _, b := range blocks {
		if strings.HasPrefix(b, "node \"w\"") && rapid.Bool().Draw(r, "leaves") {
			continue
		}
		for _, values := range [][2]string{
			{"default = \"1\"", "default = \"2\""}, {"default = \"h\"", "default = \"i\""}, {"default = true", "default = false"},
			{"frozen = \"1\"", "frozen = \"2\""}, {"replicas = 1", "replicas = 3"}, {"count = 1", "count = 2"},
		} {
			if strings.Contains(b, values[0]) && rapid.Bool().Draw(r, "alter") {
				b = strings.Replace(b, values[0], values[1], 1)
			}
		}
		out = append(out, b)
	}
	return out
}

// lifecycles draws how the configs and pods of a configuration are replaced, and by what.
func lifecycles(r *rapid.T, blocks []string) []string {
	var out, before []string
	for _, b := range blocks {
		name, isConfig := strings.CutPrefix(b, "config \"c")
		name, _, _ = strings.Cut(name, "\"")
		if isConfig || strings.HasPrefix(b, "pod ") || strings.HasPrefix(b, "config ") {
			var lines string
			if rapid.Bool().Draw(r, "first") {
				lines = "    create_before_destroy = true\n"
			}
			if len(before) > 0 && rapid.IntRange(0, 3).Draw(r, "triggered") == 0 {
				lines += "    replace_triggered_by = [config.c" + rapid.SampledFrom(before).Draw(r, "by") + "]\n"
			}
			if lines != "" {
				b = strings.TrimSuffix(b, "}\n") + "  lifecycle {\n" + lines + "  }\n}\n"
			}
		}
		if isConfig {
			before = append(before, name)
		}
		out = append(out, b)
	}
	return out
}

// steps are titles of steps as the world names what is done.
func steps(titles []string) (out []string) {
	for _, title := range titles {
		verb, address, _ := strings.Cut(title, " ")
		if verb != "delete" {
			verb = "put"
		}
		out = append(out, verb+" "+address)
	}
	slices.Sort(out)
	return out
}

// edges is the order that a plan owes, from its changes alone: what each step has to
// wait for, surely, or unless that closes a circle.
type edges struct {
	changes    map[string]*planner.Change
	steps      []string
	hard, soft map[string][]string // step → those that wait for it
}

// edges reads them off the changes and what is recorded:
//   - what is made waits for what its configuration refers to, also through what does
//     not change;
//   - what is replaced goes before it comes, or comes before it goes;
//   - what goes waits for what used it to go, and to be updated where that ends the use;
//   - all that is in the cluster waits for its manager, and the last manager for all;
//   - replicas wait for the nodes they go to, and nodes go after the replicas on them.
func (l *lab) edges(p *planner.Plan) *edges {
	e := &edges{changes: map[string]*planner.Change{}, hard: map[string][]string{}, soft: map[string][]string{}}
	recorded := l.state().State.Instances
	moved := map[string]string{}
	for _, c := range p.Changes {
		e.changes[c.Address] = c
		if c.MovedFrom != "" {
			moved[c.MovedFrom] = c.Address
		}
		if c.Action != planner.NoOp && c.Action != planner.Delete {
			e.steps = append(e.steps, "put "+c.Address)
		}
		if e.goes(c) {
			e.steps = append(e.steps, "delete "+c.Address)
		}
	}
	for _, c := range p.Changes {
		put, remove := "put "+c.Address, "delete "+c.Address
		if c.Action == planner.Replace && c.CreateFirst {
			e.wait(e.hard, remove, put)
		} else if c.Action == planner.Replace {
			e.wait(e.hard, put, remove)
		}
		for _, of := range p.Changes {
			if c != of && c.Action != planner.Delete && of.Action != planner.Delete && covered(c.Deps, of.Address) {
				e.wait(e.hard, put, "put "+of.Address)
			}
		}
		used := slices.Clone(c.Deps)
		if rec := recorded[c.Address]; rec != nil {
			used = slices.Clone(rec.Deps)
		} else if rec := recorded[c.MovedFrom]; rec != nil {
			used = slices.Clone(rec.Deps)
		}
		for i, d := range used {
			if now, ok := moved[d]; ok {
				used[i] = now
			}
		}
		for _, of := range p.Changes {
			switch {
			case c == of || !e.goes(of) || !covered(used, of.Address):
			case e.goes(c):
				e.wait(e.hard, "delete "+of.Address, remove)
			case c.Action == planner.Update && (of.Action == planner.Delete || of.CreateFirst):
				e.wait(e.soft, "delete "+of.Address, put)
			}
		}
		if c.Kind == "node" {
			e.node(p, c)
		}
	}
	return e
}

// node adds what waits for a node.
func (e *edges) node(p *planner.Plan, n *planner.Change) {
	for _, c := range p.Changes {
		if c == n {
			continue
		}
		if n.Address == "node.m" && n.Action == planner.Delete && e.goes(c) {
			e.wait(e.hard, "delete "+n.Address, "delete "+c.Address)
		}
		if n.Address == "node.m" && n.Action == planner.Create && c.Action != planner.Read {
			e.wait(e.hard, "put "+c.Address, "put "+n.Address)
		}
		if c.Kind != "pod" || c.Action == planner.NoOp {
			continue
		}
		if n.Action == planner.Create && slices.Contains(c.Placement, n.Object) {
			e.wait(e.hard, "put "+c.Address, "put "+n.Address)
		}
		if n.Action == planner.Delete && c.Action == planner.Delete && slices.Contains(c.Placement, n.Object) {
			e.wait(e.hard, "delete "+n.Address, "delete "+c.Address)
		}
	}
	for _, pod := range p.Pods {
		if c := e.changes[pod.Address]; n.Action == planner.Delete && c.Action != planner.NoOp && slices.Contains(pod.Previous, n.Object) {
			e.wait(e.hard, "delete "+n.Address, "put "+c.Address)
		}
	}
}

func (e *edges) goes(c *planner.Change) bool {
	return c.Action == planner.Delete || c.Action == planner.Replace
}

func (e *edges) wait(of map[string][]string, waiting, step string) {
	of[step] = append(of[step], waiting)
}

// fails reports whether the world can fail a step: what takes the place of another
// object leaves nothing to delete, and what is read is no object.
func (e *edges) fails(step string) bool {
	verb, address, _ := strings.Cut(step, " ")
	c := e.changes[address]
	return c.Action != planner.Read && !(verb == "delete" && c.CreateFirst && c.Old == "")
}

// behind are the steps that wait for one, directly or not, with that one: surely, and
// if no circle is in the way. Without circles the two are the same.
func (e *edges) behind(step string) (sure, perhaps map[string]bool) {
	reach := func(from string, edges ...map[string][]string) map[string]bool {
		seen := map[string]bool{}
		var visit func(string)
		visit = func(s string) {
			if !seen[s] {
				seen[s] = true
				for _, m := range edges {
					for _, next := range m[s] {
						visit(next)
					}
				}
			}
		}
		visit(from)
		return seen
	}
	sure, perhaps = reach(step, e.hard), reach(step, e.hard, e.soft)
	for _, s := range e.steps {
		for _, next := range e.soft[s] {
			if reach(next, e.hard, e.soft)[s] {
				return sure, perhaps
			}
		}
	}
	return perhaps, perhaps
}

// covered reports whether one of deps is an address, or that of its block or module.
func covered(deps []string, address string) bool {
	return slices.ContainsFunc(lang.Covers(address), func(name string) bool { return slices.Contains(deps, name) })
}

// What loses its count while its user goes: the instances that are left over wait for the
// user of the whole block, though the one that stays has the block's address now.
func TestUserOfABlockThatLosesItsCount(t *testing.T) {
	const node = "node \"m\" { address = \"10.0.0.1\" }\n"
	l := newLab(t, "m").write(node + "config \"c\" {\n  count = 2\n  text  = \"x\"\n}\nconfig \"user\" { text = join(\"\", config.c[*].version) }\n")
	l.apply()
	l.write(node + "config \"c\" { text = \"x\" }\n")
	l.world.fail["delete config.user"] = errors.New("no")
	l.during = func(in *planner.ApplyInput) { in.Attempts = 1 }
	if result, _ := l.tryApply(t.Context()); len(result.Done) != 0 {
		t.Errorf("its user could not be deleted; done: %v", result.Done)
	}
	delete(l.world.fail, "delete config.user")
	l.settled()
}

// A pod whose configuration waits for a secret, which turns out to be what it was, while
// a replica moves: where it is now is no mistake.
func TestAPodThatOnlyMovesAfterAll(t *testing.T) {
	const config = `
node "m" {
  address     = "10.0.0.1"
  role        = "manager"
  schedulable = true
}
secret "s" {}
pod "p" {
  replicas = 2
  container "main" {
    env = { S = secret.s.value }
  }
}
`
	l := newLab(t, "m", "w").write(config + "node \"w\" { address = \"10.0.0.2\" }\n")
	l.apply()
	if nodes := l.world.bindings["p"]; nodes[0] == nodes[1] {
		t.Fatalf("its replicas are on %v", nodes)
	}
	l.options.Replace = []string{"secret.s"}
	l.write(config).settled()
	if nodes := l.world.bindings["p"]; nodes[0] != "m" || nodes[1] != "m" {
		t.Errorf("its replicas are on %v", nodes)
	}
}
