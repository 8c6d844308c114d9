package planner_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/planner"
	"github.com/stowage-iac/stowage/state"
)

const judged = `
node "m" { address = "10.0.0.1" }
config "base" { text = "x" }
config "before" {
  text = "b"
  lifecycle {
    precondition {
      condition     = config.base.serial == 2
      error_message = "Base has the serial ${config.base.serial}."
    }
  }
}
config "after" {
  text = "a"
  lifecycle {
    postcondition {
      condition     = self.serial == 2
      error_message = "It has the serial ${self.serial}."
    }
  }
}
config "needs_before" { text = config.before.text }
config "needs_after" { text = config.after.text }
config "free" { text = "f" }
check "c" {
  assert {
    condition     = config.free.serial == 2
    error_message = "Free has ${config.free.serial}."
  }
}
`

// What a plan cannot judge is judged when it is applied: a precondition keeps its
// instance from being made, a postcondition what depends on it. Checks only warn.
func TestConditionsAreJudgedWhenApplied(t *testing.T) {
	l := newLab(t, "m").write(judged)
	r, diags := l.tryApply(t.Context())
	for _, want := range []string{
		"error: Precondition failed: Base has the serial 1. (precondition of config.before)",
		"error: Postcondition failed: It has the serial 1. (postcondition of config.after)",
		"warning: Check failed: Free has 1. (check.c)",
	} {
		if !strings.Contains(text(diags), want) {
			t.Errorf("%s\nlacks %s", text(diags), want)
		}
	}
	if d := cmp.Diff([]string{"create config.after", "create config.before"}, r.Failed); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"create config.needs_after", "create config.needs_before"}, r.NotDone); d != "" {
		t.Error(d)
	}
	want := []planner.Checked{{Kind: "check", Address: "check.c", Status: lang.Fail, Problems: []string{"Free has 1."}}}
	if d := cmp.Diff(want, r.Checks); d != "" {
		t.Error(d)
	}
	s := l.state().State
	if s.Instances["config.before"] != nil || s.Instances["config.after"] == nil || s.Instances["config.free"] == nil {
		t.Error("what was made is not recorded, or what was not is")
	}
}

// A validation that refers to what only an apply knows is judged at its end, of a saved
// plan, too, and never for a destroy.
func TestValidationsAreJudgedWhenApplied(t *testing.T) {
	const config = `
node "m" { address = "10.0.0.1" }
variable "serial" {
  default = 2
  validation {
    condition     = config.made.serial == var.serial
    error_message = "It is the life ${config.made.serial}, not ${var.serial}."
  }
}
config "made" { text = "x" }
`
	const want = `error: Invalid value for a variable: It is the life 1, not 2. (variable "serial")`
	l := newLab(t, "m").write(config)
	r, diags := l.tryApply(t.Context())
	if !strings.Contains(text(diags), want) || r.Added != 2 || len(r.Failed) > 0 {
		t.Errorf("%+v: %s", r, text(diags))
	}
	if _, diags := l.tryPlan(); !strings.Contains(text(diags), want) {
		t.Errorf("the next plan says %s", text(diags))
	}
	l.destroy = true
	l.apply()
	l = newLab(t, "m").write(strings.Replace(config, "= 2", "= 1", 1))
	l.applySaved(l.save())
	l.settled()
}

// The conditions of what does not change are judged, too, when they depend on a change.
func TestConditionsOfWhatDoesNotChange(t *testing.T) {
	const config = `
node "m" { address = "10.0.0.1" }
config "base" {
  text   = "x"
  frozen = "FROZEN"
}
config "still" {
  text = "s"
  lifecycle {
    precondition {
      condition     = config.base.serial == 0
      error_message = "Base has the serial ${config.base.serial}."
    }
  }
}
`
	l := newLab(t, "m").write(strings.NewReplacer("== 0", "== 1", "FROZEN", "1").Replace(config))
	l.settled()
	l.write(strings.Replace(config, "FROZEN", "2", 1))
	_, diags := l.tryApply(t.Context())
	if !strings.Contains(text(diags), "error: Precondition failed: Base has the serial 1. (precondition of config.still)") {
		t.Error(text(diags))
	}
}

// madeFirst has a pod whose replacement comes before it goes, when the text changes.
const madeFirst = `
node "m" { address = "10.0.0.1" }
config "c" { text = "%s" }
pod "p" {
  container "main" { image = "img" }
  lifecycle {
    create_before_destroy = true
    replace_triggered_by  = [config.c]
  }
}
`

// A replacement of which the deletion failed is made by the next apply, though what
// asked for it was done by then.
func TestAReplacementIsNotForgottenWithItsDeletion(t *testing.T) {
	goesFirst := strings.Replace(madeFirst, "create_before_destroy = true", "", 1)
	l := newLab(t, "m").write(fmt.Sprintf(goesFirst, "1"))
	l.settled()
	l.write(fmt.Sprintf(goesFirst, "2"))
	l.world.fail["delete pod.p"] = errors.New("it is held")
	if _, diags := l.tryApply(t.Context()); !strings.Contains(text(diags), "it is held") {
		t.Fatal(text(diags))
	}
	delete(l.world.fail, "delete pod.p")
	l.settled()
	if n := l.world.lives["pod.p"]; n != 2 {
		t.Errorf("it was made %d times", n)
	}
}

// A replacement that was to be made first and failed leaves the old object, which the
// next apply replaces.
func TestAFailedReplacementIsMadeAgain(t *testing.T) {
	l := newLab(t, "m").write(fmt.Sprintf(madeFirst, "1"))
	l.settled()
	l.write(fmt.Sprintf(madeFirst, "2"))
	l.world.fail["pod.p"] = errors.New("no room")
	if _, diags := l.tryApply(t.Context()); !strings.Contains(text(diags), "no room") {
		t.Fatal(text(diags))
	}
	if l.world.objects["pod.p"].Name != "p" {
		t.Fatal("the old object is gone")
	}
	delete(l.world.fail, "pod.p")
	p := l.plan()
	for _, c := range p.Changes {
		if c.Address == "pod.p" && (c.Action != planner.Replace || !c.CreateFirst || c.Reason != "its replacement did not finish") {
			t.Errorf("%s, created first %v, because %s", c.Action, c.CreateFirst, c.Reason)
		}
	}
	l.settled()
	if _, ok := l.world.objects["pod.p~1"]; !ok || len(l.world.objects) != 3 {
		t.Errorf("the world is\n%s", l.world.dump())
	}
}

// Killed anywhere in a replacement that is made first, also between making the new
// object and recording it, the next apply ends as this one would have: the new object
// is there, the old one is gone, and was never changed.
func TestCreateBeforeDestroyKilledAtAnyRecord(t *testing.T) {
	for killed := 1; ; killed++ {
		for _, after := range []bool{false, true} {
			l := newLab(t, "m").write(fmt.Sprintf(madeFirst, "1"))
			l.settled()
			old := l.world.objects["pod.p"]
			l.write(fmt.Sprintf(madeFirst, "2"))
			l.during = func(in *planner.ApplyInput) {
				in.Journal = &deadly{Journal: in.Journal.(*state.Journal), world: l.world, left: killed, after: after}
			}
			_, diags := l.tryApply(t.Context())
			if l.world.frozen == nil {
				if killed < 6 || diags.HasErrors() {
					t.Fatalf("a replacement has %d records: %s", killed-1, text(diags))
				}
				return
			}
			l.world.frozen, l.during = nil, nil
			if o, there := l.world.objects["pod.p"]; there && string(o.Spec) != string(old.Spec) {
				t.Errorf("record %d: the old object was changed", killed)
			}
			if p := l.plan(); !slices.ContainsFunc(p.Changes, func(c *planner.Change) bool {
				return c.Address == "pod.p" && c.Object == "p~1" && (c.Action == planner.Replace && c.CreateFirst || c.Action != planner.Replace && len(c.Causes) == 0)
			}) {
				t.Errorf("record %d: the next plan is\n%s", killed, p)
			}
			l.settled()
			if _, there := l.world.objects["pod.p"]; there || l.world.objects["pod.p~1"].Name == "" {
				t.Errorf("record %d: the world is\n%s", killed, l.world.dump())
			}
		}
	}
}
