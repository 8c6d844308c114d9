package view

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/planner"
	"github.com/stowage-iac/stowage/providers"
	"github.com/stowage-iac/stowage/scheduler"
)

// golden compares text with testdata/NAME, or writes it with -update.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

var (
	str       = cty.StringVal
	sensitive = func(s string) cty.Value { return cty.StringVal(s).WithMarks(lang.Sensitive) }
	object    = func(s string) cty.Value { return cty.ObjectVal(map[string]cty.Value{"a": cty.StringVal(s)}) }
)

const gi = int64(1) << 30

// wholePlan has something in every section.
func wholePlan() *planner.Plan {
	return &planner.Plan{
		StowageVersion: "0.1.0", Lineage: "l", Serial: 4, Context: "prod",
		Created: time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC),
		Interrupted: &planner.Interrupted{
			Started: time.Date(2026, 11, 20, 17, 30, 0, 0, time.UTC), By: "ann@laptop",
			Done: []string{"config.site", "secret.db"}, Underway: []string{"pod.web"},
		},
		Changes: []*planner.Change{
			{Address: "pod.cache", Kind: "x", Action: planner.NoOp, Before: object("1"), After: object("1"),
				Healed: []string{"replica 0 restarted: out of memory"}},
			{Address: "pod.web", Kind: "x", Action: planner.Update, Before: object("1"), After: object("2")},
		},
		Pods: []planner.PodPlacement{
			{Address: "pod.cache", Replicas: []scheduler.Decision{
				{Pod: "cache", Slot: 0, Node: "a", Kept: true}, {Pod: "cache", Slot: 1, Node: "a", Kept: true}, {Pod: "cache", Slot: 2, Node: "b", Kept: true},
			}},
			{Address: "pod.web", Replicas: []scheduler.Decision{
				{Pod: "web", Slot: 0, Node: "a", Kept: true, FreeMilliCPU: 3750, FreeMemory: 7 * gi},
				{Pod: "web", Slot: 1, Node: "b", Score: 87, RunnerUp: "a", RunnerUpScore: 74, FreeMilliCPU: 3500, FreeMemory: 7*gi + gi/2},
				{Pod: "web", Slot: 2, Node: "gpu-1", Score: 100, FreeMilliCPU: 250, FreeMemory: gi / 2},
			}, Moved: []int{1}, Previous: []string{"a", "a", "", "", "", "b"}, Unplaced: []scheduler.Unplaced{{Pod: "web", Slot: 3, Reasons: []scheduler.Reason{
				{Node: "a", Why: "has 120m CPU free of the 250m it asks for"}, {Node: "b", Why: "has the taint gpu"},
			}}}},
		},
		Nodes: []planner.NodeUse{
			{Name: "a", MilliCPU: 4000, Memory: 8 * gi, FreeCPUBefore: 4000, FreeCPUAfter: 3750, FreeMemoryBefore: 8 * gi, FreeMemoryAfter: 7 * gi, PodsBefore: 2, PodsAfter: 3},
			{Name: "gpu-1", MilliCPU: 500, Memory: gi, FreeCPUBefore: 500, FreeCPUAfter: 500, FreeMemoryBefore: gi, FreeMemoryAfter: gi},
		},
		Transfers: []planner.Transfer{
			{Image: "image.web", Node: "a", Bytes: 2_100_000, Total: 2_100_000},
			{Image: "docker.io/library/nginx:1.27", Node: "gpu-1", Bytes: 0, Total: 68_123_456},
			{Image: "image.tools", Node: "a", Unknown: true},
		},
		Outputs: []planner.OutputChange{
			{Name: "password", Action: planner.Update, Before: str("planted"), After: sensitive("planted too"), Sensitive: true},
			{Name: "same", Action: planner.NoOp, Before: str("x"), After: str("x")},
			{Name: "url", Action: planner.Create, Before: cty.NilVal, After: str("http://10.0.0.1")},
			{Name: "zones", Action: planner.Delete, Before: cty.ListVal([]cty.Value{str("a")}), After: cty.NullVal(cty.List(cty.String))},
		},
	}
}

// TestWholePlan shows every section of a plan, in text and as JSON.
func TestWholePlan(t *testing.T) {
	golden(t, "whole.txt", render(t, View{}, wholePlan()))
	golden(t, "whole.json", renderJSON(t, View{}, wholePlan()))
}

// TestPlanIsDeterministic renders the same plan again and again.
// TestRecordingPlan: a plan that only records shows what changed outside as
// changes of the record; what the cluster healed is none.
func TestRecordingPlan(t *testing.T) {
	outside := func(path, why string) []providers.Cause { return []providers.Cause{{Path: path, Why: why}} }
	p := &planner.Plan{
		StowageVersion: "0.1.0", Lineage: "l", Serial: 4, Created: wholePlan().Created,
		Options: planner.Options{RefreshOnly: true, Excludes: []string{"pod.api"}},
		Changes: []*planner.Change{
			{Address: "pod.cache", Kind: "x", Action: planner.NoOp, Before: object("1"), After: object("1"), Refreshed: true, Healed: []string{"slot 0 was moved from a to b"}},
			{Address: "pod.web", Kind: "x", Action: planner.NoOp, Before: object("1"), After: object("2"), Refreshed: true, Drift: outside("a", "changed outside of Stowage")},
			{Address: "x.gone", Kind: "x", Action: planner.NoOp, Before: object("1"), After: cty.NullVal(object("1").Type()), Refreshed: true, Drift: outside("", "deleted outside of Stowage")},
		},
	}
	var text, doc strings.Builder
	if err := (View{}).Plan(&text, p); err != nil {
		t.Fatal(err)
	}
	if err := (View{}).PlanJSON(&doc, p); err != nil {
		t.Fatal(err)
	}
	golden(t, "recording.txt", text.String())
	golden(t, "recording.json", doc.String())
	p.Changes = p.Changes[:1]
	text.Reset()
	if err := (View{}).Plan(&text, p); err != nil || !p.Empty() || !strings.Contains(text.String(), "No changes.") {
		t.Errorf("healing alone, %v:\n%s", err, text.String())
	}
}

func TestPlanIsDeterministic(t *testing.T) {
	want, wantJSON := render(t, View{}, wholePlan()), renderJSON(t, View{}, wholePlan())
	for range 20 {
		if got := render(t, View{}, wholePlan()); got != want {
			t.Fatalf("another text:\n%s", cmp.Diff(want, got))
		}
		if got := renderJSON(t, View{}, wholePlan()); got != wantJSON {
			t.Fatalf("another JSON:\n%s", cmp.Diff(wantJSON, got))
		}
	}
}

// TestSummary is the one line at the end, or the one instead of everything.
func TestSummary(t *testing.T) {
	output := planner.OutputChange{Name: "a", Action: planner.Create, Before: cty.NilVal, After: str("x")}
	change := func(a planner.Action) *planner.Change {
		return &planner.Change{Address: "x.y", Kind: "x", Action: a, Before: object("1"), After: object("2")}
	}
	for name, tc := range map[string]struct {
		plan *planner.Plan
		want string
	}{
		"nothing":             {&planner.Plan{}, "No changes. Your infrastructure matches the configuration."},
		"nothing to destroy":  {&planner.Plan{Destroy: true}, "No changes. There is nothing to destroy."},
		"a replacement is 2":  {&planner.Plan{Changes: []*planner.Change{change(planner.Replace), change(planner.Update)}}, "Plan: 1 to add, 1 to change, 1 to destroy."},
		"only outputs":        {&planner.Plan{Outputs: []planner.OutputChange{output}}, "Plan: 0 to add, 0 to change, 0 to destroy. You can apply this plan to save these new output values to the state, without changing any resource."},
		"only a transfer":     {&planner.Plan{Transfers: []planner.Transfer{{Image: "i", Node: "a"}}}, "Plan: 0 to add, 0 to change, 0 to destroy. You can apply this plan to send these images to their hosts, without changing any resource."},
		"transfer and output": {&planner.Plan{Transfers: []planner.Transfer{{Image: "i", Node: "a"}}, Outputs: []planner.OutputChange{output}}, "Plan: 0 to add, 0 to change, 0 to destroy. You can apply this plan to send these images to their hosts, without changing any resource."},
	} {
		t.Run(name, func(t *testing.T) {
			if got := lastLine(render(t, View{}, tc.plan)); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}

func lastLine(s string) string {
	ls := lines(s)
	return ls[len(ls)-1]
}

// TestQuantities are written as people write them in a configuration.
func TestQuantities(t *testing.T) {
	for _, tc := range []struct{ got, want string }{
		{cpu(0), "0"}, {cpu(250), "250m"}, {cpu(1000), "1"}, {cpu(1500), "1.5"}, {cpu(1250), "1.25"}, {cpu(-250), "-250m"},
		{memory(0), "0"}, {memory(512 << 20), "512Mi"}, {memory(7*gi + gi/2), "7.5Gi"}, {memory(-gi), "-1Gi"}, {memory(4*gi - 32<<20), "3.97Gi"}, {memory(100 << 20), "100Mi"}, {memory(1000), "1000"},
		{bytesIn(0), "0 B"}, {bytesIn(999), "999 B"}, {bytesIn(2_100_000), "2.1 MB"}, {bytesIn(999_960), "1.0 MB"}, {bytesIn(200e9), "200.0 GB"},
		{elapsed(999 * time.Millisecond), "0s"}, {elapsed(12*time.Second + time.Millisecond), "12s"}, {elapsed(185 * time.Second), "3m5s"},
	} {
		if tc.got != tc.want {
			t.Errorf("got %q, want %q", tc.got, tc.want)
		}
	}
}

// TestSavedPlan names the command that comes next, quoted where a shell needs it.
func TestSavedPlan(t *testing.T) {
	for path, want := range map[string]string{"plan.stowage": "stowage apply plan.stowage", "my plan": "stowage apply 'my plan'"} {
		var b bytesBuffer
		if err := (View{}).Saved(&b, path, false); err != nil {
			t.Fatal(err)
		}
		if got := lastLine(b.String()); got != "    "+want {
			t.Errorf("%q: %q", path, got)
		}
	}
	var b bytesBuffer
	if err := (View{}).Saved(&b, "empty.plan", true); err != nil || b.String() != "\nSaved the plan to: empty.plan\n" {
		t.Errorf("a plan without actions: %v %q", err, b.String())
	}
}

// TestNodesOf counts the replicas of each node only where there are several nodes.
func TestNodesOf(t *testing.T) {
	on := func(nodes ...string) (out []scheduler.Decision) {
		for i, n := range nodes {
			out = append(out, scheduler.Decision{Slot: i, Node: n})
		}
		return out
	}
	for _, tc := range []struct {
		replicas []scheduler.Decision
		want     string
	}{{on("a"), "a"}, {on("a", "a"), "a"}, {on("b", "a", "b"), "a, b (2)"}} {
		if got := strings.Join(nodesOf(tc.replicas), ", "); got != tc.want {
			t.Errorf("%q, want %q", got, tc.want)
		}
	}
}
