package planner_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/planner"
	"github.com/stowage-iac/stowage/providers"
	"github.com/stowage-iac/stowage/providers/config"
	"github.com/stowage-iac/stowage/providers/node"
	"github.com/stowage-iac/stowage/providers/pod"
	"github.com/stowage-iac/stowage/providers/registry"
	"github.com/stowage-iac/stowage/state"
	"github.com/stowage-iac/stowage/state/statetest"
)

// The product's own kinds with an Apply that answers at once: what apply would
// find out is made up.
type (
	instantNode   struct{ node.Kind }
	instantPod    struct{ pod.Kind }
	instantConfig struct{ config.Kind }
)

func (instantNode) Apply(_ context.Context, r providers.ApplyRequest) providers.ApplyResponse {
	return instantly(r)
}

func (instantPod) Apply(_ context.Context, r providers.ApplyRequest) providers.ApplyResponse {
	return instantly(r)
}

func (instantConfig) Apply(_ context.Context, r providers.ApplyRequest) providers.ApplyResponse {
	return instantly(r)
}

func instantly(r providers.ApplyRequest) providers.ApplyResponse {
	v, err := cty.Transform(r.Planned, func(p cty.Path, v cty.Value) (cty.Value, error) {
		if v.IsKnown() {
			return v, nil
		}
		if len(p) == 1 && p[0].(cty.GetAttrStep).Name == "role" {
			return cty.StringVal(api.RoleManager), nil
		}
		return some(v.Type()), nil
	})
	if err != nil {
		return providers.ApplyResponse{Diags: providers.Errorf("Not made up", err.Error())}
	}
	return providers.ApplyResponse{Value: v}
}

func some(ty cty.Type) cty.Value {
	switch {
	case ty == cty.String:
		return cty.StringVal("made-up")
	case ty == cty.Number:
		return cty.NumberIntVal(1024)
	case ty == cty.Bool:
		return cty.True
	case ty.IsListType():
		return cty.ListVal([]cty.Value{some(ty.ElementType())})
	case ty.IsObjectType():
		m := map[string]cty.Value{}
		for name, aty := range ty.AttributeTypes() {
			m[name] = some(aty)
		}
		return cty.ObjectVal(m)
	}
	return cty.NullVal(ty)
}

const realImage = "example.com/app@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// realPairs are n/2 pods that each mount a config of their own, on one node.
func realPairs(n int) string {
	return fmt.Sprintf(`
node "m" { address = "10.0.0.1" }
config "c" {
  count = %d
  files = { "app.conf" = "index = ${count.index}" }
}
pod "p" {
  count = %d
  container "main" {
    image = %q
    args  = ["-index", "${count.index}"]
    env   = { MODE = "prod" }
    resources {
      cpu    = "10m"
      memory = "1Mi"
    }
    mount "/etc/app" { config = config.c[count.index] }
  }
}
`, n/2, n/2, realImage)
}

// BenchmarkRealKinds plans the product's own kinds: pairs of 10,000 instances, for
// the first time and without changes.
func BenchmarkRealKinds(b *testing.B) {
	const n = 10_000
	files := map[string][]byte{"main.stowage.hcl": []byte(realPairs(n))}
	cfg, diags := lang.Load(".", lang.Options{Schemas: registry.Schemas(), Files: files})
	if diags.HasErrors() {
		b.Fatal(text(diags))
	}
	kinds := registry.Kinds()
	kinds["node"], kinds["pod"], kinds["config"] = instantNode{}, instantPod{}, instantConfig{}
	world := &providers.World{Hosts: map[string]*providers.HostWorld{"m": {
		Facts: api.NodeFacts{Hostname: "m", Arch: "amd64", CPUs: 1024, Memory: 64 << 30},
		// The image is there, so that nothing asks a registry.
		Local: &api.LocalView{Node: api.NodeStatus{Images: []string{realImage}}},
	}}}
	store := state.NewStore(&statetest.Memory{}, state.Options{})
	ctx := context.Background()
	loaded, err := store.Load(ctx)
	if err != nil {
		b.Fatal(err)
	}
	in := planner.Input{Config: cfg, State: loaded.State, Kinds: kinds, World: world, Now: time.Unix(0, 0)}
	measure := func(b *testing.B, want int) *planner.Plan {
		b.ReportAllocs()
		var p *planner.Plan
		for b.Loop() {
			if p, diags = planner.Make(ctx, in); diags.HasErrors() {
				b.Fatal(text(diags))
			}
			if c := p.Count(); c.Add+c.Change != want {
				b.Fatalf("%d changes, %d are expected", c.Add+c.Change, want)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n/1000, "µs/instance")
		return p
	}
	b.Run("first", func(b *testing.B) { measure(b, n+1) })
	locked, err := store.Lock(ctx, "apply", 0)
	if err != nil {
		b.Fatal(err)
	}
	defer locked.Unlock()
	journal, err := locked.Begin(ctx, loaded, state.Operation{Name: "apply"})
	if err != nil {
		b.Fatal(err)
	}
	p, diags := planner.Make(ctx, in)
	if diags.HasErrors() {
		b.Fatal(text(diags))
	}
	if _, diags := planner.Apply(ctx, p, planner.ApplyInput{Config: cfg, State: loaded.State, Kinds: kinds, Journal: journal}); diags.HasErrors() {
		b.Fatal(text(diags))
	}
	if loaded, err = store.Load(ctx); err != nil {
		b.Fatal(err)
	}
	world.Hosts["m"].Local.Node.Ready = true
	in.State = loaded.State
	b.Run("again", func(b *testing.B) { measure(b, 0) })
}
