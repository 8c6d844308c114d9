// Package viewtest has plans to render: one in which everything happens, one of
// any size, and one that wants to break out of wherever it is put.
package viewtest

import (
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/cmd/stowage/internal/view"
	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/planner"
	"github.com/stowage-iac/stowage/providers"
	"github.com/stowage-iac/stowage/providers/registry"
	"github.com/stowage-iac/stowage/scheduler"
)

// Secret is in the rich and in the hostile plan where no format may show it.
const Secret = "pl4nted"

const before = `
node "a" { address = "10.0.0.11" }
node "b" { address = "10.0.0.12" }
node "c" { address = "10.0.0.13" }
secret "db" { value = "pl4nted-before" }
config "site" {
  files = { "index.html" = "<h1>Welcome</h1>\n<p>to the harbour</p>\n<p>of stowage</p>\n", "robots.txt" = "Disallow: /\n" }
}
image "web" {
  from       = "scratch"
  copy "./site" { to = "/site" }
  entrypoint = ["/bin/httpd", "-f"]
}
pod "web" {
  replicas = 3
  container "httpd" {
    image = "docker.io/library/httpd:2.4"
    args  = ["-f", "-p", "80"]
    env   = { MODE = "blue", TOKEN = "pl4nted" }
    port "http" { container = 80 }
    resources {
      cpu    = "250m"
      memory = "128Mi"
    }
  }
}
pod "cache" {
  container "redis" { image = "docker.io/library/redis:7" }
}
pod "old" {
  replicas = 2
  container "app" { image = "docker.io/library/app:1" }
}
`

const after = `
node "a" { address = "10.0.0.11" }
node "b" { address = "10.0.0.12" }
node "d" {
  address = "10.0.0.14"
  labels  = { zone = "north" }
}
secret "db" { value = "pl4nted-after" }
config "site" {
  files = { "index.html" = "<h1>Ahoy</h1>\n<p>to the harbour</p>\n<p>of stowage</p>\n", "robots.txt" = "Disallow: /\n" }
}
image "web" {
  from       = "scratch"
  copy "./site" { to = "/srv/site" }
  entrypoint = ["/bin/httpd", "-f", "-v"]
}
pod "web" {
  replicas = 5
  container "httpd" {
    image = "docker.io/library/httpd:2.4.62"
    args  = ["-f", "-p", "8080"]
    env   = { MODE = "green", TOKEN = "pl4nted-2" }
    port "http" { container = 80 }
    resources {
      cpu    = "250m"
      memory = "128Mi"
    }
  }
}
pod "cache" {
  container "redis" { image = "docker.io/library/redis:7" }
}
pod "api" {
  replicas = 2
  container "api" {
    image = "ghcr.io/example/api:1.4.0"
    env   = { DATABASE = "postgres://db" }
  }
}
`

const gi = int64(1) << 30

// View renders with the schemas of all kinds.
func View() view.View { return view.View{Schemas: registry.Schemas()} }

// Rich is a plan in which everything happens that can.
func Rich() *planner.Plan {
	was, will := decode(before), decode(after)
	change := func(a planner.Action, address string, deps ...string) *planner.Change {
		kind, _, _ := strings.Cut(address, ".")
		c := &planner.Change{Address: address, Kind: kind, Action: a, Before: was[address], After: will[address], Deps: deps}
		null := cty.NullVal(registry.Schemas()[kind].ImpliedType())
		if c.Before == cty.NilVal {
			c.Before = null
		}
		if c.After == cty.NilVal {
			c.After = null
		}
		return c
	}
	cause := func(c *planner.Change, path, why string) *planner.Change {
		c.Causes = append(c.Causes, providers.Cause{Path: path, Why: why})
		return c
	}
	unknown := func(c *planner.Change, names ...string) *planner.Change {
		m := c.After.AsValueMap()
		for _, n := range names {
			m[n] = cty.UnknownVal(m[n].Type())
		}
		c.After = cty.ObjectVal(m)
		return c
	}
	p := &planner.Plan{
		StowageVersion: "0.1.0", Context: "prod", Lineage: "2b1e", Serial: 7,
		Created: time.Date(2026, 11, 21, 8, 30, 0, 0, time.UTC),
		Interrupted: &planner.Interrupted{
			Operation: "apply", Started: time.Date(2026, 11, 20, 17, 30, 0, 0, time.UTC), By: "ann@laptop",
			Done: []string{"config.site"}, Underway: []string{"pod.web"},
		},
		Warnings: hcl.Diagnostics{{Severity: hcl.DiagWarning, Summary: "No copy elsewhere", Detail: "pod.cache has one replica: it is away while its node is."}},
		Checks: []planner.Checked{
			{Kind: "resource", Address: "pod.web", Status: lang.Unknown}, {Kind: "check", Address: "check.disk", Status: lang.Pass},
			{Kind: "check", Address: "check.page", Status: lang.Unknown}, {Kind: "check", Address: "check.spread", Status: lang.Fail, Problems: []string{"All replicas are on a."}},
		},
	}
	web := unknown(cause(cause(change(planner.Update, "pod.web", "config.site", "image.web", "secret.db"), "container.httpd.image", ""), "replicas", ""), "addresses", "nodes", "revision")
	web.Causes = append(web.Causes, providers.Cause{Path: "placement", Why: "slot 2 moves from c to d: the node is deleted"})
	cache := change(planner.NoOp, "pod.cache")
	cache.Healed = []string{"replica 0 restarted: out of memory", "slot 0 was moved from b to a"}
	site := cause(change(planner.Update, "config.site"), `files["index.html"]`, "")
	site.Drift = []providers.Cause{{Path: "files", Why: ""}}
	gone := func(address string) *planner.Change {
		c := change(planner.Delete, address)
		c.Reason = "it is not in the configuration"
		return c
	}
	old := gone("pod.old")
	old.Placement = []string{"b", "c"}
	p.Changes = []*planner.Change{
		0:  site,
		1:  cause(change(planner.Replace, "image.web"), "copy", "the image is built anew"),
		2:  change(planner.NoOp, "node.a"),
		3:  change(planner.NoOp, "node.b"),
		4:  gone("node.c"),
		5:  unknown(change(planner.Create, "node.d"), "facts", "ready", "version"),
		6:  unknown(change(planner.Create, "pod.api", "image.web"), "addresses", "nodes", "revision"),
		7:  cache,
		8:  old,
		9:  web,
		10: cause(change(planner.Update, "secret.db"), "value", ""),
	}
	p.Transfers = []planner.Transfer{
		{Image: "image.web", Node: "a", Bytes: 2_100_000, Total: 22_700_000, Pods: []string{"pod.web"}},
		{Image: "image.web", Node: "d", Bytes: 22_700_000, Total: 22_700_000, Pods: []string{"pod.web"}},
		{Image: "pod.api", Node: "d", Unknown: true, Pods: []string{"pod.api"}},
	}
	p.Pods = []planner.PodPlacement{
		{Address: "pod.api", Replicas: []scheduler.Decision{
			{Pod: "api", Slot: 0, Node: "b", Score: 91, RunnerUp: "d", RunnerUpScore: 88, FreeMilliCPU: 3250, FreeMemory: 7 * gi},
			{Pod: "api", Slot: 1, Node: "d", Score: 97, RunnerUp: "b", RunnerUpScore: 62, FreeMilliCPU: 3000, FreeMemory: 7 * gi},
		}},
		{Address: "pod.cache", Previous: []string{"a"}, Replicas: []scheduler.Decision{{Pod: "cache", Slot: 0, Node: "a", Kept: true}}},
		{Address: "pod.web", Previous: []string{"a", "b", "c"}, Moved: []int{2}, Replicas: []scheduler.Decision{
			{Pod: "web", Slot: 0, Node: "a", Kept: true, FreeMilliCPU: 3250, FreeMemory: 7 * gi},
			{Pod: "web", Slot: 1, Node: "b", Kept: true, FreeMilliCPU: 3000, FreeMemory: 7 * gi},
			{Pod: "web", Slot: 2, Node: "d", Score: 99, RunnerUp: "a", RunnerUpScore: 64, FreeMilliCPU: 3500, FreeMemory: 7 * gi},
			{Pod: "web", Slot: 3, Node: "d", Score: 95, RunnerUp: "b", RunnerUpScore: 60, FreeMilliCPU: 3250, FreeMemory: 7 * gi},
			{Pod: "web", Slot: 4, Node: "a", Score: 64, RunnerUp: "b", RunnerUpScore: 60, FreeMilliCPU: 1500, FreeMemory: 3 * gi},
		}},
	}
	p.Nodes = []planner.NodeUse{
		{Name: "a", MilliCPU: 4000, Memory: 8 * gi, FreeCPUBefore: 3250, FreeCPUAfter: 1500, FreeMemoryBefore: 7 * gi, FreeMemoryAfter: 3 * gi, PodsBefore: 2, PodsAfter: 3},
		{Name: "b", MilliCPU: 4000, Memory: 8 * gi, FreeCPUBefore: 3500, FreeCPUAfter: 3000, FreeMemoryBefore: 7 * gi, FreeMemoryAfter: 7 * gi, PodsBefore: 2, PodsAfter: 2},
		{Name: "c", MilliCPU: 4000, Memory: 8 * gi, FreeCPUBefore: 3500, FreeCPUAfter: 4000, FreeMemoryBefore: 7 * gi, FreeMemoryAfter: 8 * gi, PodsBefore: 2, PodsAfter: 0},
		{Name: "d", MilliCPU: 4000, Memory: 8 * gi, FreeCPUBefore: 4000, FreeCPUAfter: 3000, FreeMemoryBefore: 8 * gi, FreeMemoryAfter: 7 * gi, PodsBefore: 0, PodsAfter: 3},
	}
	p.Outputs = []planner.OutputChange{
		{Name: "password", Action: planner.Update, Before: cty.StringVal(Secret), After: cty.StringVal(Secret + "-2"), Sensitive: true},
		{Name: "url", Action: planner.Create, Before: cty.NilVal, After: cty.StringVal("http://10.0.0.11/")},
	}
	p.Steps = []planner.Step{
		0:  {Kind: planner.StepApply, Index: 5},
		1:  {Kind: planner.StepApply, Index: 0},
		2:  {Kind: planner.StepApply, Index: 10},
		3:  {Kind: planner.StepApply, Index: 1},
		4:  {Kind: planner.StepJoin, Index: 2, Name: "node.a"},
		5:  {Kind: planner.StepPush, Index: 0, Needs: []int{3, 4}},
		6:  {Kind: planner.StepPush, Index: 1, Needs: []int{0, 3}},
		7:  {Kind: planner.StepPush, Index: 2, Needs: []int{0}},
		8:  {Kind: planner.StepApply, Index: 9, Needs: []int{0, 1, 2, 3, 5, 6}},
		9:  {Kind: planner.StepApply, Index: 6, Needs: []int{3, 7}},
		10: {Kind: planner.StepDelete, Index: 8},
		11: {Kind: planner.StepDelete, Index: 1, Needs: []int{8, 9}},
		12: {Kind: planner.StepDelete, Index: 4, Needs: []int{8, 10}},
	}
	return p
}

// decode evaluates a configuration; what only an apply knows is null.
func decode(config string) map[string]cty.Value {
	cfg, diags := lang.Load(".", lang.Options{Schemas: registry.Schemas(), Files: map[string][]byte{"main.stowage.hcl": []byte(config)}})
	must(diags)
	ev, diags := lang.NewEvaluator(cfg, lang.Inputs{})
	must(diags)
	out := map[string]cty.Value{}
	for b := range ev.Blocks() {
		keys, diags := ev.Expand(b)
		must(diags)
		for _, key := range keys {
			inst, diags := ev.Decode(b, key)
			must(diags)
			ev.Set(inst.Address, inst.Config)
			out[inst.Address] = markEnv(inst.Config)
		}
	}
	return out
}

// markEnv marks the planted value in a pod's environment, as a secret's value is.
func markEnv(v cty.Value) cty.Value {
	out, err := cty.Transform(v, func(_ cty.Path, v cty.Value) (cty.Value, error) {
		if !v.IsMarked() && v.IsKnown() && !v.IsNull() && v.Type() == cty.String && strings.Contains(v.AsString(), Secret) {
			return v.WithMarks(lang.Sensitive), nil
		}
		return v, nil
	})
	if err != nil {
		panic(err)
	}
	return out
}

func must(diags hcl.Diagnostics) {
	if diags.HasErrors() {
		panic(diags)
	}
}

// Big creates n configs in blocks of a hundred instances, and a pod with a
// hundred replicas for every hundred of them, on as many nodes.
func Big(n int) *planner.Plan {
	will := decode(after)
	null := func(kind string) cty.Value { return cty.NullVal(registry.Schemas()[kind].ImpliedType()) }
	p := &planner.Plan{StowageVersion: "0.1.0", Lineage: "big", Created: time.Date(2026, 11, 21, 8, 30, 0, 0, time.UTC)}
	for i := 0; i < n; i += 100 {
		first := len(p.Steps)
		for j := range min(100, n-i) {
			p.Changes = append(p.Changes, &planner.Change{
				Address: fmt.Sprintf("config.site%d[%d]", i/100, j), Kind: "config", Action: planner.Create, Before: null("config"), After: will["config.site"]})
			p.Steps = append(p.Steps, planner.Step{Kind: planner.StepApply, Index: len(p.Changes) - 1})
		}
		join := planner.Step{Kind: planner.StepJoin, Index: -1, Name: fmt.Sprintf("config.site%d", i/100)}
		for s := first; s < len(p.Steps); s++ {
			join.Needs = append(join.Needs, s)
		}
		p.Steps = append(p.Steps, join)
		address, node := fmt.Sprintf("pod.web%d", i/100), fmt.Sprintf("n%d", i/100)
		p.Changes = append(p.Changes, &planner.Change{Address: address, Kind: "pod", Action: planner.Update, Before: will["pod.api"], After: will["pod.web"],
			Causes: []providers.Cause{{Path: "container.httpd.image"}}})
		p.Steps = append(p.Steps, planner.Step{Kind: planner.StepApply, Index: len(p.Changes) - 1, Needs: []int{len(p.Steps) - 1}})
		pod := planner.PodPlacement{Address: address}
		for slot := range 100 {
			pod.Replicas = append(pod.Replicas, scheduler.Decision{Pod: address, Slot: slot, Node: node, Score: 50})
		}
		p.Pods = append(p.Pods, pod)
		p.Nodes = append(p.Nodes, planner.NodeUse{Name: node, MilliCPU: 64000, Memory: 256 * gi, FreeCPUBefore: 64000, FreeCPUAfter: 39000,
			FreeMemoryBefore: 256 * gi, FreeMemoryAfter: 243 * gi, PodsAfter: 100})
	}
	return p
}

// Hostile is a plan in which every text that others write is text: addresses,
// nodes, values, causes, what a host says.
func Hostile(text string) *planner.Plan {
	value := func(v string) cty.Value {
		return cty.ObjectVal(map[string]cty.Value{
			"text": cty.StringVal(v), "lines": cty.StringVal("a\n" + v + "\nb\n"),
			"list": cty.ListVal([]cty.Value{cty.StringVal(v)}),
			"map":  cty.MapVal(map[string]cty.Value{v: cty.StringVal(v)}), "secret": cty.StringVal(Secret).WithMarks(lang.Sensitive),
		})
	}
	causes := []providers.Cause{{Path: text, Why: text}}
	address := `pod.web["` + text + `"]`
	return &planner.Plan{
		StowageVersion: text, Context: text, Lineage: text, Options: planner.Options{Targets: []string{text}},
		Interrupted: &planner.Interrupted{Operation: text, By: text, Done: []string{text}, Underway: []string{text}},
		Checks:      []planner.Checked{{Kind: "check", Address: address, Status: lang.Fail, Problems: []string{text}}},
		Warnings:    hcl.Diagnostics{{Severity: hcl.DiagWarning, Summary: text, Detail: text, Subject: &hcl.Range{Filename: text, Start: hcl.InitialPos, End: hcl.InitialPos}}},
		Changes: []*planner.Change{
			{Address: address, Kind: "x", Action: planner.Update, Before: value("x"), After: value(text), Reason: text, Causes: causes, Drift: causes, Healed: []string{text}},
			{Address: "pod." + text, Kind: "x", Action: planner.Delete, Before: value(text), After: cty.NullVal(value("").Type()), Placement: []string{text}},
		},
		Pods: []planner.PodPlacement{{Address: address, Previous: []string{text, "b"}, Moved: []int{0},
			Replicas: []scheduler.Decision{{Slot: 0, Node: "b", RunnerUp: text}, {Slot: 1, Node: text, Kept: true}},
			Unplaced: []scheduler.Unplaced{{Slot: 2, Reasons: []scheduler.Reason{{Node: text, Why: text}}}}}},
		Nodes:     []planner.NodeUse{{Name: text, MilliCPU: 1, Memory: 1}, {Name: "b"}},
		Transfers: []planner.Transfer{{Image: text, Node: text, Pods: []string{address}}},
		Outputs:   []planner.OutputChange{{Name: text, Action: planner.Create, Before: cty.NilVal, After: cty.StringVal(text)}},
		Steps: []planner.Step{
			{Kind: planner.StepPush, Index: 0}, {Kind: planner.StepApply, Index: 0, Needs: []int{0}},
			{Kind: planner.StepJoin, Index: -1, Name: text, Needs: []int{1}}, {Kind: planner.StepDelete, Index: 1, Needs: []int{2}},
		},
	}
}
