package main_test

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/cli"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/run"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/view"
	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/planner"
	"github.com/stowage-iac/stowage/providers"
	"github.com/stowage-iac/stowage/providers/registry"
	"github.com/stowage-iac/stowage/state"
	stateregistry "github.com/stowage-iac/stowage/state/registry"
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
// that are still bare, and compares with the committed plan.txt and plan.json; with
// contexts, those of each: plan.NAME.txt and plan.NAME.json.
func TestExamples(t *testing.T) {
	dirs, err := filepath.Glob("../../examples/*/main.stowage.hcl")
	if err != nil || len(dirs) < 2 {
		t.Fatalf("examples: %v, %v", dirs, err)
	}
	documented := schema.Load(t, "plan")
	for _, file := range dirs {
		dir := filepath.Dir(file)
		for _, context := range contextsOf(t, dir) {
			t.Run(filepath.Join(filepath.Base(dir), context), func(t *testing.T) {
				compareExample(t, documented, dir, context)
			})
		}
	}
}

// contextsOf are the contexts that an example declares; "" alone where it declares none.
func contextsOf(t *testing.T, dir string) []string {
	t.Helper()
	config, diags := lang.Load(dir, lang.Options{Schemas: registry.Schemas(), Backends: stateregistry.Schemas(), Later: registry.Later()})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	if len(config.Contexts) == 0 {
		return []string{""}
	}
	var names []string
	for _, c := range config.Contexts {
		names = append(names, c.Name)
	}
	return names
}

func compareExample(t *testing.T, documented *schema.Schema, dir, context string) {
	t.Helper()
	plan := planExample(t, dir, context)
	name := "plan"
	if context != "" {
		name += "." + context
	}
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
	committed(t, filepath.Join(dir, name+".txt"), got)
	committed(t, filepath.Join(dir, name+".json"), gotJSON)
	if err := documented.Check([]byte(gotJSON)); err != nil {
		t.Error(err)
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

func planExample(t *testing.T, dir, context string) *planner.Plan {
	t.Helper()
	config, diags := lang.Load(dir, lang.Options{
		Schemas: registry.Schemas(), Backends: stateregistry.Schemas(), Later: registry.Later(),
		Choose: func([]string) (string, string) { return context, "-context" },
	})
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
	t.Setenv("CI_COMMIT", "4f2a1c9") // that examples/data reads
	outside := run.New(cli.Process()).Outside(config)
	plan, diags := planner.Make(t.Context(), planner.Input{
		Data: planner.NewDataReader(planner.DataOptions{Outside: outside}).Read, Outside: outside,
		Config: config, Inputs: lang.Inputs{Variables: vars}, Kinds: registry.Kinds(), World: world,
		State:   &state.State{Lineage: "example", HashKey: []byte("example"), Instances: map[string]*state.Instance{}},
		Context: context, Protected: config.Selected != nil && config.Selected.Protected,
		BaseDir: dir, Version: "example", Now: time.Unix(0, 0).UTC(),
	})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return plan
}

// TestExampleTests runs the tests that come with examples.
func TestExampleTests(t *testing.T) {
	paths, err := filepath.Glob("../../examples/*/*.test.hcl")
	if err != nil || len(paths) == 0 {
		t.Fatalf("examples with tests: %v, %v", paths, err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(filepath.Dir(path)), func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), self)
			cmd.Args = []string{"stowage", "-chdir=" + filepath.Dir(path), "test", "-filter=" + filepath.Base(path)}
			cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
