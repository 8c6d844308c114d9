package run

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"

	"github.com/stowage-iac/stowage/planner"
	"github.com/stowage-iac/stowage/state"
)

// TestWhole: an apply is complete when all of its steps are done, interrupted or not.
func TestWhole(t *testing.T) {
	done := []string{"create pod.web"}
	failed := hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "No"}}
	for name, tc := range map[string]struct {
		result planner.Result
		diags  hcl.Diagnostics
		want   bool
	}{
		"all done":                  {planner.Result{Done: done}, nil, true},
		"nothing to do":             {planner.Result{}, nil, true},
		"interrupted, but all done": {planner.Result{Done: done, Cancelled: true}, nil, true},
		"interrupted before a step": {planner.Result{Cancelled: true, NotDone: done}, nil, false},
		"a step failed":             {planner.Result{Failed: done}, nil, false},
		"the state is not written":  {planner.Result{Done: done}, failed, false},
	} {
		if got := whole(tc.result, tc.diags); got != tc.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestAdvice: what is wrong with the state is told with what to do about it.
func TestAdvice(t *testing.T) {
	for _, tc := range []struct {
		err     error
		summary string
		want    string
	}{
		{state.ErrDamaged, "The state is damaged", "Copy the newest earlier version back"},
		{state.ErrNewer, "The state was written by a newer version", "Install that version"},
		{fmt.Errorf("open x: %w", fs.ErrPermission), "Cannot read the state", "only its owner may read it"},
	} {
		d := Diagnose("Cannot read the state", tc.err)[0]
		if d.Summary != tc.summary || !strings.Contains(d.Detail, tc.want) {
			t.Errorf("%s: %s", d.Summary, d.Detail)
		}
	}
}
