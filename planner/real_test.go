package planner_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/planner"
	"github.com/stowage-iac/stowage/providers"
	"github.com/stowage-iac/stowage/providers/registry"
	"github.com/stowage-iac/stowage/state"
)

// hosts are bare hosts as refresh finds them.
func bareHosts(cpus int, names ...string) *providers.World {
	w := &providers.World{Hosts: map[string]*providers.HostWorld{}}
	for _, n := range names {
		w.Hosts[n] = &providers.HostWorld{Facts: api.NodeFacts{Hostname: n, Arch: "amd64", CPUs: cpus, Memory: 64 << 30}}
	}
	return w
}

// BenchmarkRealKinds plans pairs of the product's own kinds for the first time.
func BenchmarkRealKinds(b *testing.B) {
	for _, n := range []int{10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			files := map[string][]byte{"main.stowage.hcl": []byte(fmt.Sprintf(`
node "m" { address = "10.0.0.1" }
config "c" {
  count = %d
  files = { "app.conf" = "index = ${count.index}" }
}
pod "p" {
  count = %d
  container "main" {
    image = "example.com/app@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    args  = ["-index", "${count.index}"]
    env   = { MODE = "prod" }
    resources {
      cpu    = "10m"
      memory = "1Mi"
    }
    mount "/etc/app" { config = config.c[count.index] }
  }
}
`, n/2, n/2))}
			cfg, diags := lang.Load(".", lang.Options{Schemas: registry.Schemas(), Files: files})
			if diags.HasErrors() {
				b.Fatal(text(diags))
			}
			s := state.New()
			world := bareHosts(1<<10, "m")
			// The image is there, so that nothing asks a registry.
			world.Hosts["m"].Local = &api.LocalView{Node: api.NodeStatus{Images: []string{"example.com/app@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}}}
			b.ReportAllocs()
			for b.Loop() {
				p, diags := planner.Make(context.Background(), planner.Input{Config: cfg, State: s, Kinds: registry.Kinds(), World: world, Now: time.Unix(0, 0)})
				if diags.HasErrors() {
					b.Fatal(text(diags))
				}
				if add, _, _ := p.Count(); add != n+1 {
					b.Fatal(add)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n)/1000, "µs/instance")
		})
	}
}
