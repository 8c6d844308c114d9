package providers_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/providers"
)

// TestObjectNames: names of objects lead back to their addresses, so that no two
// addresses of one kind share a name.
func TestObjectNames(t *testing.T) {
	for address, want := range map[string]string{
		"pod.web":                         "web",
		`pod.web["a.b"]`:                  `web["a.b"]`,
		`pod.web["module.x.y"]`:           `web["module.x.y"]`,
		"pod.module":                      "module",
		"module.app.pod.web":              "module.app.web",
		`module.app["a.b"].pod.web[0]`:    `module.app["a.b"].web[0]`,
		`module.a[0].module.b.pod.module`: `module.a[0].module.b.module`,
		`module.a["]"].pod.module["\"."]`: `module.a["]"].module["\"."]`,
	} {
		name := providers.ObjectName(address)
		if name != want {
			t.Errorf("%s is named %s, want %s", address, name, want)
		}
		if got := providers.AddressOf("pod", name); got != address {
			t.Errorf("%s is the name of %s, want %s", name, got, address)
		}
	}
}

// What is to be imported and is not there is answered with what is.
func TestNoObject(t *testing.T) {
	world := &providers.World{Cluster: &api.ClusterView{}}
	req := providers.ImportRequest{Identity: providers.Identity{Address: "pod.web", Object: "wbe"}, World: world}
	for n, want := range []string{`the cluster has no pod "wbe"; it has none.`, `it has "p0".`, `it has "p0", "p1".`} {
		world.Cluster.Objects = nil
		for i := range n {
			world.Cluster.Objects = append(world.Cluster.Objects, api.Object{Kind: api.KindPod, Name: fmt.Sprint("p", i)}, api.Object{Kind: api.KindConfig, Name: "c"})
		}
		if d := providers.NoObject(req, api.KindPod, "").Diags; !strings.HasSuffix(d[0].Detail, want) {
			t.Errorf("%s; want %s", d[0].Detail, want)
		}
	}
	for i := range 20 {
		world.Cluster.Objects = append(world.Cluster.Objects, api.Object{Kind: api.KindPod, Name: fmt.Sprint("q", i)})
	}
	if d := providers.NoObject(req, api.KindPod, "").Diags; !strings.HasSuffix(d[0].Detail, "and 14 more.") {
		t.Error(d[0].Detail)
	}
}
