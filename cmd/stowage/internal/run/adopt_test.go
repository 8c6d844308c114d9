package run

import (
	"slices"
	"testing"

	"github.com/stowage-iac/stowage/planner"
)

// An import is about one address by itself: only what the user narrows is told of.
func TestImportNarrows(t *testing.T) {
	for _, c := range []struct {
		given    planner.Options
		targets  []string
		narrowed bool
	}{
		{planner.Options{}, []string{"pod.web"}, true},
		{planner.Options{Targets: []string{"node.a"}}, []string{"node.a", "pod.web"}, false},
		{planner.Options{Excludes: []string{"node.a"}}, []string{"pod.web"}, false},
	} {
		o := &Options{Plan: c.given}
		o.Import("pod.web", "web")
		if !slices.Equal(o.Plan.Targets, c.targets) || o.Plan.Narrowed != c.narrowed {
			t.Errorf("%+v: %+v", c.given, o.Plan)
		}
	}
}
