package node_test

import (
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/lang/schema"
	"github.com/stowage-iac/stowage/providers"
	"github.com/stowage-iac/stowage/providers/node"
)

// config makes a node's configuration from the arguments that are set.
func config(set map[string]cty.Value) cty.Value {
	b := (node.Kind{}).Schema()
	m := map[string]cty.Value{}
	for name, ty := range b.ImpliedType().AttributeTypes() {
		m[name] = cty.NullVal(ty)
		if a := b.Attributes[name]; a != nil && a.Default != cty.NilVal {
			m[name] = a.Default
		}
		if nb := b.Blocks[name]; nb != nil && nb.Nesting == schema.List {
			m[name] = cty.ListValEmpty(ty.ElementType())
		}
	}
	for name, v := range set {
		m[name] = v
	}
	return cty.ObjectVal(m)
}

func applied(version string) cty.Value {
	return config(map[string]cty.Value{
		"address": cty.StringVal("10.0.0.1"), "role": cty.StringVal(api.RoleManager),
		"ready": cty.True, "version": cty.StringVal(version),
	})
}

func TestPlanKeepsRoleAndFacts(t *testing.T) {
	k := node.Kind{}
	cfg := config(map[string]cty.Value{"address": cty.StringVal("10.0.0.1")})
	first := k.Plan(providers.PlanRequest{Identity: providers.Identify("node.a"), Prior: cty.NullVal(cty.DynamicPseudoType), Config: cfg})
	if first.Diags.HasErrors() || first.Planned.GetAttr("role").IsKnown() || first.Planned.GetAttr("facts").IsKnown() {
		t.Fatalf("%#v %v", first.Planned, first.Diags)
	}
	again := k.Plan(providers.PlanRequest{Identity: providers.Identify("node.a"), Prior: applied(api.StowageVersion), Config: cfg})
	if providers.Str(again.Planned, "role") != api.RoleManager || !providers.Bool(again.Planned, "ready") {
		t.Errorf("%#v", again.Planned)
	}
}

// An agent of another version is a change that the plan shows.
func TestAnotherVersionOfTheAgent(t *testing.T) {
	k := node.Kind{}
	world := &providers.World{Hosts: map[string]*providers.HostWorld{"a": {Local: &api.LocalView{Node: api.NodeStatus{Ready: true, Version: "0.0.1"}}}}}
	read := k.Read(providers.ReadRequest{Identity: providers.Identify("node.a"), Prior: applied(api.StowageVersion), World: world})
	if got := providers.Str(read.Value, "version"); got != "0.0.1" {
		t.Fatalf("read version %q", got)
	}
	plan := k.Plan(providers.PlanRequest{Identity: providers.Identify("node.a"), Prior: read.Value, Config: config(map[string]cty.Value{"address": cty.StringVal("10.0.0.1")})})
	if got := providers.Str(plan.Planned, "version"); got != api.StowageVersion {
		t.Errorf("planned version %q", got)
	}
}

// What keeps a host from being imported is told apart: no node, another one, one that is down.
func TestImportNotThere(t *testing.T) {
	for want, host := range map[string]*providers.HostWorld{
		"it is no node":             {},
		`is the node "b"`:           {Local: &api.LocalView{Config: api.NodeConfig{Name: "b"}}},
		"systemctl start stowaged":  {Node: &api.NodeConfig{Name: "a", Cluster: "c"}, Facts: api.NodeFacts{Init: "systemd"}},
		"stowaged supervise":        {Node: &api.NodeConfig{Name: "a", Cluster: "c"}, Facts: api.NodeFacts{Init: "none"}},
		"stowaged does not answer ": {Node: &api.NodeConfig{Name: "a", Cluster: "c"}},
	} {
		r := node.Kind{}.Import(providers.ImportRequest{
			Identity: providers.Identify("node.a"), Planned: config(nil),
			World: &providers.World{Hosts: map[string]*providers.HostWorld{"a": host}},
		})
		if !r.Diags.HasErrors() || !strings.Contains(r.Diags.Error(), want) {
			t.Errorf("%v, want %q", r.Diags, want)
		}
	}
}

func TestMachine(t *testing.T) {
	k := node.Kind{}
	v := config(map[string]cty.Value{"address": cty.StringVal("10.0.0.1"), "labels": cty.MapVal(map[string]cty.Value{"zone": cty.StringVal("a")})})
	m, known, diags := k.Machine(providers.Identify(`node.m["a"]`), v)
	if !known || diags.HasErrors() || m.Spec.Name != `m["a"]` || m.SSH.Address != "10.0.0.1" || m.Spec.Labels["zone"] != "a" || m.SchedulableSet {
		t.Errorf("%+v, known %t, %v", m, known, diags)
	}
	v = providers.With(v, map[string]cty.Value{"address": cty.UnknownVal(cty.String)})
	if _, known, _ := k.Machine(providers.Identify("node.m"), v); known {
		t.Error("a node with an unknown address can be refreshed")
	}
	if r := k.Plan(providers.PlanRequest{Identity: providers.Identify("node.x"), Prior: cty.NullVal(cty.DynamicPseudoType), Config: config(nil)}); !r.Diags.HasErrors() {
		t.Error("a node without an address is planned")
	}
}
