package planner_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/planner"
)

// outcomes are the checks of an apply, a line each.
func outcomes(list []planner.Checked) string {
	var b strings.Builder
	for _, c := range list {
		fmt.Fprintf(&b, "%s %s: %s\n", c.Address, c.Status, strings.Join(c.Problems, " "))
	}
	return b.String()
}

const probed = `
node "m" { address = "10.0.0.1" }
config "site" { text = "x" }
config "broken" { text = "b" }
check "page" {
  data "fact" "page" { name = "page" }
  assert {
    condition     = data.fact.page.value == "up"
    error_message = "The page is ${data.fact.page.value}."
  }
}
check "site" {
  data "fact" "site" { name = "serial-${config.site.serial}" }
  assert {
    condition     = data.fact.site.value == "fine"
    error_message = "Not shown."
  }
}
check "gone" {
  data "fact" "gone" { name = "gone" }
  assert {
    condition     = data.fact.gone.value == "x"
    error_message = "Not shown."
  }
}
check "broken" {
  data "fact" "broken" {
    name       = "page"
    depends_on = [config.broken]
  }
  assert {
    condition     = data.fact.broken.value == "up"
    error_message = "Not shown."
  }
}
`

// The data of checks is read in the plan and again after the apply, when the world has
// changed. What fails is that check's warning; what it depends on and was not done keeps
// it from being read. A saved plan knows nothing of it.
func TestCheckDataIsReadAfterTheApply(t *testing.T) {
	l := newLab(t, "m").write(probed)
	l.world.facts["page"], l.world.facts["serial-1"] = "down", "fine"
	l.world.fail["config.broken"] = errors.New("no room")
	l.during = func(*planner.ApplyInput) {
		if want := []string{"data.fact.gone", "data.fact.page"}; !slices.Equal(slices.Sorted(slices.Values(l.world.reads)), want) {
			t.Errorf("the plan has read %v", l.world.reads)
		}
		if d := cmp.Diff("check.broken unknown: \ncheck.gone fail: data.fact.gone: nobody knows \"gone\".\ncheck.page fail: The page is down.\ncheck.site unknown: \n", outcomes(l.last.Checks)); d != "" {
			t.Error(d)
		}
		l.world.facts["page"], l.world.reads = "up", nil
	}
	r, diags := l.tryApply(t.Context())
	if got := text(diags); strings.Count(got, "error: ") != 1 || !strings.Contains(got, "error: Not applied: config.broken: no room.") ||
		!strings.Contains(got, `warning: Unknown fact: data.fact.gone: nobody knows "gone". (check.gone)`) {
		t.Error(got)
	}
	if d := cmp.Diff("check.broken unknown: \ncheck.gone fail: data.fact.gone: nobody knows \"gone\".\ncheck.page pass: \ncheck.site pass: \n", outcomes(r.Checks)); d != "" {
		t.Error(d)
	}
	if want := []string{"data.fact.gone", "data.fact.page", "data.fact.site"}; !slices.Equal(slices.Sorted(slices.Values(l.world.reads)), want) {
		t.Errorf("the apply has read %v", l.world.reads)
	}
	if s := l.state().State; len(s.Instances) != 2 {
		t.Errorf("the state has %d instances", len(s.Instances))
	}

	delete(l.world.fail, "config.broken")
	l.during = nil
	l.world.facts["page"] = "down for maintenance"
	saved := l.save()
	if s := l.open(saved); len(s.Plan.Data) > 0 || len(s.Plan.Checks) != 4 {
		t.Errorf("the saved plan has the data %v and the checks %v", s.Plan.Data, s.Plan.Checks)
	}
	l.world.reads = nil
	l.applySaved(saved)
	if len(l.world.reads) != 4 {
		t.Errorf("the apply of the saved plan has read %v", l.world.reads)
	}
	// A plan in which nothing is to be done reads, too; a destroy does not.
	l.world.reads = nil
	if p := l.plan(); !p.Empty() || len(l.world.reads) != 4 {
		t.Errorf("read %v\n%s", l.world.reads, p)
	}
	l.world.reads, l.destroy = nil, true
	l.apply()
	if len(l.world.reads) > 0 {
		t.Errorf("the destroy has read %v", l.world.reads)
	}
}

// An apply that is interrupted reads nothing more for its checks, and one that is
// interrupted while it does ends.
func TestCheckDataOfAnInterruptedApply(t *testing.T) {
	for _, reading := range []bool{false, true} {
		l := newLab(t, "m").write(`
node "m" { address = "10.0.0.1" }
check "page" {
  data "fact" "page" { name = "page" }
  assert {
    condition     = data.fact.page.value == "up"
    error_message = "Not shown."
  }
}
`)
		ctx, cancel := context.WithCancel(t.Context())
		l.during = func(*planner.ApplyInput) {
			l.world.reads = nil
			if !reading {
				cancel()
			}
			l.world.reading = func(ctx context.Context) {
				cancel()
				<-ctx.Done()
			}
		}
		r, diags := l.tryApply(ctx)
		want := "check.page unknown: \n"
		if reading {
			want = "check.page fail: data.fact.page: nobody knows \"page\". data.fact.page was not read: the run was interrupted.\n"
		}
		if d := cmp.Diff(want, outcomes(r.Checks)); d != "" || diags.HasErrors() {
			t.Errorf("reading %v: %s\n%s", reading, d, text(diags))
		}
		if !reading && len(l.world.reads) > 0 {
			t.Errorf("read %v", l.world.reads)
		}
		cancel()
	}
}

// A probe that hangs does not keep a plan waiting for as long as data that is needed.
func TestCheckDataHasLittleTime(t *testing.T) {
	for _, tc := range []struct {
		config string
		want   time.Duration
	}{
		{`check "c" {
  data "fact" "f" { name = "f" }
  assert {
    condition     = data.fact.f.value == "x"
    error_message = "Not shown."
  }
}`, 30 * time.Second},
		{`check "c" {
  data "fact" "f" {
    name = "f"
    timeouts { read = "2m" }
  }
  assert {
    condition     = data.fact.f.value == "x"
    error_message = "Not shown."
  }
}`, 2 * time.Minute},
		{`data "fact" "f" { name = "f" }`, 5 * time.Minute},
	} {
		l := newLab(t).write(tc.config)
		l.world.facts["f"] = "x"
		var left time.Duration
		l.world.reading = func(ctx context.Context) {
			end, _ := ctx.Deadline()
			left = time.Until(end)
		}
		l.plan()
		if left > tc.want || left < tc.want-20*time.Second {
			t.Errorf("%s\nhas %s left instead of %s", tc.config, left, tc.want)
		}
	}
}

// The data of a check may be read with an ephemeral value, since it is kept nowhere;
// what is read is ephemeral then.
func TestCheckDataWithAnEphemeralValue(t *testing.T) {
	const value = "Planted-4711-ephemeral"
	l := newLab(t).write(`
variable "token" {
  type      = string
  ephemeral = true
}
check "page" {
  data "fact" "page" { name = var.token }
  assert {
    condition     = data.fact.page.value == "up"
    error_message = "It is ${data.fact.page.value}."
  }
}
check "unknown" {
  data "fact" "unknown" { name = "${var.token}?" }
  assert {
    condition     = data.fact.unknown.name == "up"
    error_message = "It is ${data.fact.unknown.name}."
  }
}
`)
	l.world.facts[value] = "down-" + value
	l.before = func(in *planner.Input) {
		in.Inputs = lang.Inputs{Variables: map[string]lang.Input{"token": {Value: cty.StringVal(value), Source: "-var"}}}
	}
	p, diags := l.tryPlan()
	got := text(diags) + outcomes(p.Checks)
	if diags.HasErrors() || strings.Count(got, "derived from var.token, which is ephemeral") != 4 {
		t.Error(got)
	}
	// Sources are told that nothing of it may be quoted; the one of this test does not care.
	if got = strings.ReplaceAll(got, fmt.Sprintf("nobody knows %q", value+"?"), ""); strings.Contains(got, value) {
		t.Error(got)
	}
}
