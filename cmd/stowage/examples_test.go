package main_test

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/view"
	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/planner"
	"github.com/stowage-iac/stowage/providers"
	"github.com/stowage-iac/stowage/providers/registry"
	"github.com/stowage-iac/stowage/state"
	"github.com/stowage-iac/stowage/test/schema"
)

var updatePlans = flag.Bool("update-plans", false, "write every example's plan.txt and plan.json anew")

// volatile is what differs between machines in an example's plan: digests and
// sizes of images that hold the machine's own busybox.
var volatile = []struct {
	pattern *regexp.Regexp
	with    string
}{
	{regexp.MustCompile(`sha256:[0-9a-f]{12,64}`), "sha256:…"},
	{regexp.MustCompile(`(\+ size\s+= )[0-9]+`), "${1}…"},
	{regexp.MustCompile(`[0-9.]+ [kMG]B`), "… MB"},
}

// volatileJSON is the same in its JSON. What stands instead is still a plan to the schema.
var volatileJSON = []struct {
	pattern *regexp.Regexp
	with    string
}{
	{regexp.MustCompile(`sha256:[0-9a-f]{12,64}`), "sha256:…"},
	{regexp.MustCompile(`("(?:size|bytes|total_bytes)": )[0-9]+`), "${1}0"},
}

// TestExamples plans every directory of examples for hosts of 2 CPUs and 4 GiB
// that are still bare, and compares with the committed plan.txt and plan.json.
func TestExamples(t *testing.T) {
	dirs, err := filepath.Glob("../../examples/*/main.stowage.hcl")
	if err != nil || len(dirs) < 2 {
		t.Fatalf("examples: %v, %v", dirs, err)
	}
	documented := schema.Load(t, "plan")
	for _, file := range dirs {
		dir := filepath.Dir(file)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			plan := planExample(t, dir)
			v := view.View{Width: 100, Schemas: registry.Schemas()}
			var text, document bytes.Buffer
			if err := errors.Join(v.Plan(&text, plan), v.PlanJSON(&document, plan)); err != nil {
				t.Fatal(err)
			}
			got, gotJSON := text.String(), document.String()
			for _, v := range volatile {
				got = v.pattern.ReplaceAllString(got, v.with)
			}
			for _, v := range volatileJSON {
				gotJSON = v.pattern.ReplaceAllString(gotJSON, v.with)
			}
			committed(t, filepath.Join(dir, "plan.txt"), got)
			committed(t, filepath.Join(dir, "plan.json"), gotJSON)
			if err := documented.Check([]byte(gotJSON)); err != nil {
				t.Error(err)
			}
		})
	}
}

// committed compares a plan with the file beside its example, or writes it anew.
func committed(t *testing.T, golden, got string) {
	t.Helper()
	if *updatePlans {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s differs (make examples writes it anew):\n%s", golden, d)
	}
}

func planExample(t *testing.T, dir string) *planner.Plan {
	t.Helper()
	config, diags := lang.Load(dir, lang.Options{Schemas: registry.Schemas(), Later: registry.Later()})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	if d := config.Validate(); d.HasErrors() {
		t.Fatal(d)
	}
	vars, diags := config.ReadVariables(lang.VariableSources{})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	world := &providers.World{Hosts: map[string]*providers.HostWorld{}}
	for _, name := range []string{"here", `m["a"]`, `m["b"]`, `m["c"]`} {
		world.Hosts[name] = &providers.HostWorld{Facts: api.NodeFacts{
			Hostname: name, OS: "debian", OSVersion: "12", OSName: "Debian GNU/Linux 12 (bookworm)", Arch: "amd64",
			Kernel: "6.1.0", CPUs: 2, Memory: 4 << 30, DiskFree: 20 << 30, CgroupVersion: 2, Init: "systemd", PackageTool: "apt",
		}}
	}
	plan, diags := planner.Make(t.Context(), planner.Input{
		Config: config, Inputs: lang.Inputs{Variables: vars}, Kinds: registry.Kinds(), World: world,
		State:   &state.State{Lineage: "example", HashKey: []byte("example"), Instances: map[string]*state.Instance{}},
		BaseDir: dir, Version: "example", Now: time.Unix(0, 0).UTC(),
	})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return plan
}
