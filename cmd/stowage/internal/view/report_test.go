package view

import (
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/planner"
	"github.com/stowage-iac/stowage/providers"
	"github.com/stowage-iac/stowage/providers/registry"
)

// TestReportOfARecordingPlan: what changed outside is what the plan is about, and
// no drift that it undoes.
func TestReportOfARecordingPlan(t *testing.T) {
	outside := []providers.Cause{{Path: "a", Why: "changed outside of Stowage"}}
	r := View{}.Report(&planner.Plan{Options: planner.Options{RefreshOnly: true}, Changes: []*planner.Change{
		{Address: "x.web", Kind: "x", Action: planner.NoOp, Before: object("1"), After: object("2"), Drift: outside},
		{Address: "x.gone", Kind: "x", Action: planner.NoOp, Before: object("1"), After: cty.NullVal(object("1").Type()), Drift: outside},
	}})
	if r.Headline != "Plan: 2 changes to record." || len(r.Drift) != 0 || len(r.Changes) != 2 {
		t.Fatalf("%+v", r)
	}
	for i, want := range []string{"will be recorded as it is now", "is gone, and will be forgotten"} {
		if r.Changes[i].Words != want || len(r.Changes[i].Diff()) < 3 {
			t.Errorf("%+v: %v", r.Changes[i], r.Changes[i].Diff())
		}
	}
}

// TestLines: the lines of a diff have all the text of the plan, and its symbols apart.
// TestReportNamesTheContext: where contexts are declared, whatever their names.
func TestReportNamesTheContext(t *testing.T) {
	for want, p := range map[string]*planner.Plan{
		"": {}, "default": {Context: "default"}, "prod (protected)": {Context: "prod", Protected: true},
	} {
		if got := (View{}).Report(p).Context; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestLines(t *testing.T) {
	squeeze := func(s string) string { return strings.Join(strings.Fields(s), " ") }
	for _, s := range stories(t) {
		c := s.change(t)
		v := View{Schemas: registry.Schemas()}
		pr := &printer{view: v}
		pr.diff(c)
		got := ""
		for _, l := range v.item(0, c).Diff() {
			got += " " + l.Symbol + " " + l.Text
		}
		if want := squeeze(string(pr.b)); squeeze(got) != want {
			t.Errorf("%s:\n%s\nwant\n%s", s.path, squeeze(got), want)
		}
	}
}
