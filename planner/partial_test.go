package planner_test

import (
	"context"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/stowage-iac/stowage/planner"
)

// A partial plan is the whole plan less what it is not about: what it does to an
// address is what the whole plan does, it does nothing else, and afterwards the
// whole of it leads to where it would have led at once.
func TestPartialPlanIsPartOfTheWhole(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		l := drawLab(r)
		if rapid.Bool().Draw(r, "before") {
			l.write(strings.Join(draw(r, "first"), "\n")).apply()
		}
		l.write(strings.Join(draw(r, "second"), "\n"))
		l.destroy = rapid.Bool().Draw(r, "destroy")
		whole := l.plan()
		if len(whole.Changes) == 0 {
			return
		}
		actions := map[string]planner.Action{}
		for _, c := range whole.Changes {
			actions[c.Address] = c.Action
		}
		given := rapid.SampledFrom(whole.Changes).Draw(r, "change").Address
		if rapid.Bool().Draw(r, "block") {
			given, _, _ = strings.Cut(given, "[")
		}
		target := rapid.Bool().Draw(r, "target")
		if target {
			l.options.Targets = []string{given}
		} else {
			l.options.Excludes = []string{given}
		}
		part, diags := l.tryPlan()
		if diags.HasErrors() {
			return // a story tells which there are: nodes with replicas on them, no node yet
		}
		before := l.state().State.Instances
		for _, c := range part.Changes {
			covered := c.Address == given || strings.HasPrefix(c.Address, given+"[")
			if target && covered && actions[c.Address] != c.Action {
				r.Fatalf("%s: %s in the whole and %s in the part that it is the target of", c.Address, actions[c.Address], c.Action)
			}
			if !target && covered && c.Action != planner.NoOp {
				r.Fatalf("%s was excluded: %s", c.Address, c.Action)
			}
			if c.Action != planner.NoOp && actions[c.Address] != c.Action && !strings.HasPrefix(c.Address, "pod.") {
				r.Fatalf("%s: %s in the whole and %s in the part", c.Address, actions[c.Address], c.Action)
			}
		}
		result, diags := l.tryApply(context.Background())
		if diags.HasErrors() {
			r.Fatalf("the part of %s cannot be applied: %s\n%s", given, text(diags), part)
		}
		touched := map[string]bool{}
		for _, c := range part.Changes {
			touched[c.Address] = c.Action != planner.NoOp
			if c.MovedFrom != "" { // a new address is no change
				before[c.Address] = before[c.MovedFrom]
			}
		}
		for address, rec := range l.state().State.Instances {
			if was := before[address]; !touched[address] && (was == nil || string(was.Value) != string(rec.Value)) {
				r.Fatalf("%s is not part of the plan and was recorded anew by %v", address, result.Done)
			}
		}
		l.options = planner.Options{}
		l.settled()
		if l.destroy && l.world.dump() != "" {
			r.Fatalf("left behind:\n%s", l.world.dump())
		}
	})
}
