package pod

import (
	"regexp"
	"testing"

	"github.com/zclconf/go-cty/cty"
	"pgregory.net/rapid"

	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/providers"
)

// TestFresh: a configuration that nobody else has leads to the same plan.
func TestFresh(t *testing.T) {
	secret := cty.StringVal("hunter2").WithMarks(lang.Sensitive)
	for name, make := range map[string]func() cty.Value{
		"one container": func() cty.Value { return podOf(nil, container("a", set{})) },
		"two and an init container": func() cty.Value {
			init := object(&block.Blocks["init"].Block, "name", "i", set{"image": cty.StringVal("nginx")})
			return podOf(set{"init": cty.ListVal([]cty.Value{init})}, container("a", set{}), container("b", set{"image": cty.UnknownVal(cty.String)}))
		},
		"secret image": func() cty.Value {
			return podOf(nil, container("a", set{"image": cty.StringVal(web).WithMarks(lang.Sensitive)}))
		},
		"secret": func() cty.Value {
			return podOf(nil, container("a", set{"env": cty.MapVal(map[string]cty.Value{"A": secret})}))
		},
		"marked":           func() cty.Value { return podOf(nil, container("a", set{})).WithMarks(lang.Sensitive) },
		"marked container": func() cty.Value { return podOf(nil, container("a", set{}).WithMarks(lang.Sensitive)) },
		"unknown containers": func() cty.Value {
			return providers.With(podOf(nil, container("a", set{})), map[string]cty.Value{"container": cty.UnknownVal(cty.List(container("a", set{}).Type()))})
		},
	} {
		t.Run(name, func(t *testing.T) {
			req := providers.PlanRequest{Identity: providers.Identify("pod.web"), Prior: cty.NullVal(cty.DynamicPseudoType), Config: make()}
			want := Kind{}.Plan(req)
			if !req.Config.RawEquals(make()) {
				t.Fatal("the configuration was changed")
			}
			req.Fresh = true
			if got := (Kind{}).Plan(req); !got.Planned.RawEquals(want.Planned) || len(got.Diags) != len(want.Diags) {
				t.Errorf("planned %#v instead of %#v", got.Planned, want.Planned)
			}
		})
	}
}

// TestUnchanged: the prior value itself is planned where nothing changes, and only there.
func TestUnchanged(t *testing.T) {
	cfg := func() cty.Value { return podOf(nil, container("a", set{})) }
	applied := valueOf(plan(t, cty.NullVal(cty.DynamicPseudoType), cfg()), "abc", []string{"n1"}, nil)
	same := func(cfg, prior cty.Value) bool {
		list, diags := resolved(providers.PlanRequest{Config: cfg, Prior: prior}, "container")
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		return unchanged(providers.PlanRequest{Config: cfg, Prior: prior}, []containers{list, {name: "init"}})
	}
	if !same(cfg(), applied) {
		t.Error("nothing has changed")
	}
	initial := cty.NullVal(cfg().Type().AttributeType("init"))
	for name, changed := range map[string]cty.Value{
		"replicas":  podOf(set{"replicas": cty.NumberIntVal(2)}, container("a", set{})),
		"container": podOf(nil, container("a", set{"user": cty.StringVal("1")})),
		"image":     podOf(nil, container("a", set{"image": cty.StringVal("x" + web)})),
		"another":   podOf(nil, container("a", set{}), container("b", set{})),
		"null":      podOf(set{"init": initial}, container("a", set{})),
		"marked":    cfg().WithMarks(lang.Sensitive),
	} {
		if same(changed, applied) {
			t.Errorf("%s: nothing has changed", name)
		}
	}
}

// TestPatterns: names are what these expressions say.
func TestPatterns(t *testing.T) {
	for expr, f := range map[string]func(string) bool{
		`^[A-Za-z_][A-Za-z0-9_.-]*$`:                                 envName,
		`^([0-9]+|[a-z_][a-z0-9_-]*)(:([0-9]+|[a-z_][a-z0-9_-]*))?$`: func(s string) bool { return validUser(cty.StringVal(s)) == nil },
		`^(CAP_)?[A-Z_]+$`:                                           capability,
	} {
		pattern := regexp.MustCompile(expr)
		rapid.Check(t, func(t *rapid.T) {
			s := rapid.OneOf(rapid.StringMatching(expr), rapid.StringMatching(`[a-z0-9:_A-Z.é-]{0,5}`), rapid.String()).Draw(t, "s")
			if s = cty.NormalizeString(s); f(s) != pattern.MatchString(s) {
				t.Fatalf("%q: %t", s, f(s))
			}
		})
	}
}
