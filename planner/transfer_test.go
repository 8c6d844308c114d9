package planner_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/image"
	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/planner"
	"github.com/stowage-iac/stowage/providers"
	imagekind "github.com/stowage-iac/stowage/providers/image"
	"github.com/stowage-iac/stowage/providers/registry"
	"github.com/stowage-iac/stowage/state"
	"github.com/stowage-iac/stowage/state/statetest"
)

// instantImage builds for real and records nothing in a cluster.
type instantImage struct{ imagekind.Kind }

func (k instantImage) Apply(_ context.Context, r providers.ApplyRequest) providers.ApplyResponse {
	if r.Planned.IsNull() {
		return providers.ApplyResponse{Value: r.Planned}
	}
	resp := k.Plan(providers.PlanRequest{Identity: r.Identity, Prior: r.Prior, Config: r.Planned, BaseDir: r.BaseDir})
	return providers.ApplyResponse{Value: resp.Planned, Diags: resp.Diags}
}

// dock is a place with hosts that may have images already.
type dock struct {
	t       *testing.T
	kinds   map[string]providers.Kind
	world   *providers.World
	dir     string
	missing map[string]int64 // by node: answer of Missing; absent: everything
	store   *state.Store

	mu  sync.Mutex
	log []string
}

func newDock(t *testing.T) *dock {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	d := &dock{t: t, kinds: registry.Kinds(), dir: t.TempDir(), missing: map[string]int64{},
		store: state.NewStore(&statetest.Memory{}, state.Options{})}
	d.kinds["node"], d.kinds["pod"], d.kinds["config"], d.kinds["image"] = instantNode{}, loggedPod{d: d}, instantConfig{}, instantImage{}
	d.world = bareHosts(4, "a", "b")
	if err := os.WriteFile(filepath.Join(d.dir, "file"), []byte(strings.Repeat("content ", 1000)), 0o644); err != nil {
		t.Fatal(err)
	}
	return d
}

func bareHosts(cpus int, names ...string) *providers.World {
	w := &providers.World{Hosts: map[string]*providers.HostWorld{}}
	for _, n := range names {
		w.Hosts[n] = &providers.HostWorld{Facts: api.NodeFacts{Hostname: n, Arch: "amd64", CPUs: cpus, Memory: 64 << 30}}
	}
	return w
}

type loggedPod struct {
	instantPod
	d *dock
}

func (p loggedPod) Apply(ctx context.Context, r providers.ApplyRequest) providers.ApplyResponse {
	p.d.note("apply " + r.Address)
	return p.instantPod.Apply(ctx, r)
}

func (d *dock) note(s string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.log = append(d.log, s)
}

// Missing answers as a host would.
func (d *dock) Missing(_ context.Context, node, platform string, images []*image.Image) ([]int64, error) {
	out := make([]int64, len(images))
	for i := range images {
		n, ok := d.missing[node]
		if !ok {
			return nil, errors.New("no answer was prepared for " + node)
		}
		out[i] = n
	}
	return out, nil
}

func (d *dock) run(config string) (*planner.Plan, []string) {
	d.t.Helper()
	ctx := d.t.Context()
	cfg, diags := lang.Load(d.dir, lang.Options{Schemas: registry.Schemas(), Files: map[string][]byte{"main.stowage.hcl": []byte(config)}})
	if diags.HasErrors() {
		d.t.Fatal(text(diags))
	}
	locked, err := d.store.Lock(ctx, "apply", 0)
	if err != nil {
		d.t.Fatal(err)
	}
	defer locked.Unlock()
	loaded, err := locked.Load(ctx)
	if err != nil {
		d.t.Fatal(err)
	}
	p, diags := planner.Make(ctx, planner.Input{Config: cfg, State: loaded.State, Kinds: d.kinds, World: d.world, Images: d})
	if diags.HasErrors() {
		d.t.Fatal(text(diags))
	}
	journal, err := locked.Begin(ctx, loaded, state.Operation{Name: "apply"})
	if err != nil {
		d.t.Fatal(err)
	}
	d.log = nil
	_, diags = planner.Apply(ctx, p, planner.ApplyInput{Config: cfg, State: loaded.State, Kinds: d.kinds, Journal: journal,
		Push: func(_ context.Context, node string, img *image.Image, o image.PushOptions) error {
			d.note(fmt.Sprintf("push %s to %s (%s)", img.Ref[:strings.Index(img.Ref, "@")], node, o.Platform))
			return nil
		}})
	if diags.HasErrors() {
		d.t.Fatal(text(diags))
	}
	return p, d.log
}

const docked = `
node "a" {
  address     = "10.0.0.1"
  role        = "manager"
  schedulable = true
}
node "b" {
  address = "10.0.0.2"
  role    = "worker"
}
image "web" {
  copy "file" { to = "/file" }
  command = ["/file"]
}
pod "one" {
  replicas = 2
  placement { one_per = "node" }
  container "main" { image = image.web }
}
pod "two" {
  container "main" { image = image.web }
}
`

// Each node gets each image once, what it lacks of it only, after the image is
// known and before the first pod that needs it.
func TestTransfers(t *testing.T) {
	d := newDock(t)
	p, log := d.run(docked)
	if len(p.Transfers) != 2 || p.Transfers[0].Node != "a" || p.Transfers[1].Node != "b" || p.Transfers[0].Image != "image.web" {
		t.Fatalf("%+v", p.Transfers)
	}
	for _, tr := range p.Transfers {
		if tr.Total <= 0 || tr.Bytes != tr.Total {
			t.Errorf("a bare host lacks %d of %d bytes", tr.Bytes, tr.Total)
		}
	}
	built := slices.IndexFunc(p.Steps, func(s planner.Step) bool {
		return s.Kind == planner.StepApply && p.Changes[s.Index].Address == "image.web"
	})
	for _, s := range p.Steps {
		if s.Kind == planner.StepPush && !slices.Contains(s.Needs, built) {
			t.Errorf("what is sent to %s does not wait for image.web, step %d: %v", p.Transfers[s.Index].Node, built, s.Needs)
		}
	}
	one := slices.Index(log, "apply pod.one")
	for _, push := range []string{"push stowage.local/web to a (linux/amd64)", "push stowage.local/web to b (linux/amd64)"} {
		if i := slices.Index(log, push); i < 0 || i > one {
			t.Errorf("%s is not before pod.one: %v", push, log)
		}
	}
	if len(log) != 4 {
		t.Errorf("%v: two pods, and one image to two nodes", log)
	}

	for _, h := range d.world.Hosts {
		h.Local = &api.LocalView{Node: api.NodeStatus{Ready: true, Images: []string{refOf(t, d)}}}
	}
	t.Run("nothing changes", func(t *testing.T) {
		if p, log := d.run(docked); !p.Empty() || len(log) > 0 {
			t.Errorf("%s%v", p, log)
		}
	})
	t.Run("one node has the new one, the other a part of it", func(t *testing.T) {
		if err := os.WriteFile(filepath.Join(d.dir, "file"), []byte("other content"), 0o644); err != nil {
			t.Fatal(err)
		}
		ref := refOf(t, d)
		d.world.Hosts["a"].Local = &api.LocalView{Node: api.NodeStatus{Ready: true, Images: []string{ref}}}
		d.world.Hosts["b"].Local = &api.LocalView{Node: api.NodeStatus{Ready: true}}
		d.world.Hosts["b"].Facts.Containerd = "1.6.20"
		d.missing["b"] = 123
		p, log := d.run(docked)
		if len(p.Transfers) != 1 || p.Transfers[0].Node != "b" || p.Transfers[0].Bytes != 123 || p.Transfers[0].Total <= 123 {
			t.Errorf("%+v", p.Transfers)
		}
		// pod.two may run on a alone and then waits for nothing.
		if i := slices.Index(log, "push stowage.local/web to b (linux/amd64)"); i < 0 || i > slices.Index(log, "apply pod.one") {
			t.Errorf("the push is not before pod.one: %v", log)
		}
	})
}

// refOf is the name of the image as it is now.
func refOf(t *testing.T, d *dock) string {
	t.Helper()
	img, err := image.Build(t.Context(), image.Spec{Name: "web", BaseDir: d.dir, From: "scratch", Copies: []image.Copy{{Source: "file", To: "/file"}}, Command: []string{"/file"}})
	if err != nil {
		t.Fatal(err)
	}
	return img.Ref
}

// An image that only apply can build is sent as soon as it is known.
func TestTransferOfWhatIsNotKnownYet(t *testing.T) {
	d := newDock(t)
	p, log := d.run(`
node "a" {
  address     = "10.0.0.1"
}
image "web" {
  copy "file" { to = "/file" }
  labels = { host = node.a.facts.hostname }
}
pod "one" {
  container "main" { image = image.web }
}
`)
	if len(p.Transfers) != 1 || !p.Transfers[0].Unknown || p.Transfers[0].Image != "pod.one" || p.Transfers[0].Node != "a" {
		t.Fatalf("%+v", p.Transfers)
	}
	if d := cmp.Diff([]string{"push stowage.local/web to a (linux/amd64)", "apply pod.one"}, log); d != "" {
		t.Error(d)
	}
}
