package pod

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/lang/schema"
	"github.com/stowage-iac/stowage/providers"
	"github.com/stowage-iac/stowage/providers/config"
)

const web = "stowage.local/web@sha256:1111111111111111111111111111111111111111111111111111111111111111"

type set map[string]cty.Value

// object makes a value of a block with everything else at its default.
func object(b *schema.Block, label string, name string, s set) cty.Value {
	m := map[string]cty.Value{}
	for n, a := range b.Attributes {
		m[n] = cty.NullVal(a.Type)
		if a.Default != cty.NilVal {
			m[n] = a.Default
		}
	}
	for n, nb := range b.Blocks {
		ty := b.ImpliedType().AttributeType(n)
		m[n] = cty.NullVal(ty)
		if nb.Nesting == schema.List {
			m[n] = cty.ListValEmpty(ty.ElementType())
		}
	}
	if label != "" {
		m[label] = cty.StringVal(name)
	}
	for n, v := range s {
		m[n] = v
	}
	return cty.ObjectVal(m)
}

func container(name string, s set) cty.Value {
	nb := block.Blocks["container"]
	if s["image"] == cty.NilVal {
		s["image"] = cty.StringVal(web)
	}
	return object(&nb.Block, "name", name, s)
}

func nested(name string, path ...string) *schema.NestedBlock {
	nb := block.Blocks[name]
	for _, p := range path {
		nb = nb.Blocks[p]
	}
	return nb
}

func mount(path string, s set) cty.Value {
	return object(&nested("container", "mount").Block, "path", path, s)
}

func port(name string, inside, host int64) cty.Value {
	return object(&nested("container", "port").Block, "name", name, set{
		"container": cty.NumberIntVal(inside), "host": cty.NumberIntVal(host),
	})
}

func podOf(s set, containers ...cty.Value) cty.Value {
	if s == nil {
		s = set{}
	}
	s["container"] = cty.ListVal(containers)
	return object(block, "", "", s)
}

func plan(t *testing.T, prior, cfg cty.Value) cty.Value {
	t.Helper()
	r := Kind{}.Plan(providers.PlanRequest{Identity: providers.Identify("pod.web"), Prior: prior, Config: cfg})
	if r.Diags.HasErrors() {
		t.Fatal(r.Diags)
	}
	return r.Planned
}

func TestCompile(t *testing.T) {
	secret := cty.StringVal("hunter2").WithMarks(lang.Sensitive)
	value := plan(t, cty.NullVal(cty.DynamicPseudoType), podOf(nil, container("httpd", set{
		"env": cty.MapVal(map[string]cty.Value{"MODE": cty.StringVal("prod"), "PASSWORD": secret}),
		"resources": object(&nested("container", "resources").Block, "", "", set{
			"cpu": cty.StringVal("250m"), "memory": cty.StringVal("64Mi"),
			"limits": object(&nested("container", "resources", "limits").Block, "", "", set{"pids": cty.NumberIntVal(50)}),
		}),
		"port": cty.ListVal([]cty.Value{port("http", 80, 8080)}),
		"mount": cty.ListVal([]cty.Value{
			mount("/site", set{"config": ref("config.site", "v1")}),
			mount("/etc/app", set{"config": ref("config.private", "v1")}),
			mount("/run/db", set{"secret": ref("secret.db", "v1"), "mode": cty.StringVal("0440")}),
			mount("/data", set{"host": cty.StringVal("/srv/data")}),
		}),
		"cap_add": cty.ListVal([]cty.Value{cty.StringVal("NET_ADMIN")}),
	})))
	find := instances(map[string]cty.Value{
		"config.site":    configOf("site-version", cty.StringVal("public")),
		"config.private": configOf("private-version", secret),
		"secret.db":      cty.ObjectVal(map[string]cty.Value{"value": secret, "version": cty.StringVal("v")}),
	})
	c, err := compile(value, []byte("key"), find, config.Files)
	if err != nil {
		t.Fatal(err)
	}
	want := api.Container{
		Name: "httpd", Image: web,
		Env: []api.EnvVar{
			{Name: "MODE", Value: "prod"},
			{Name: "PASSWORD", Sealed: "container/0/env/PASSWORD"},
		},
		Ports:     []api.Port{{Name: "http", Container: 80, Host: 8080, Protocol: "tcp"}},
		Resources: api.Resources{MilliCPU: 250, Memory: 64 << 20, LimitPids: 50},
		Mounts: []api.Mount{
			{Path: "/site", Config: "site", Version: "site-version"},
			{Path: "/etc/app", Sealed: map[string]string{"f": "container/0/mount/1/f"}},
			{Path: "/run/db", Mode: 0o440, Sealed: map[string]string{"": "container/0/mount/2"}},
			{Path: "/data", HostPath: "/srv/data"},
		},
		CapAdd: []string{"CAP_NET_ADMIN"},
	}
	if d := cmp.Diff(want, c.template.Containers[0]); d != "" {
		t.Error(d)
	}
	wantBundle := api.SealedBundle{
		"container/0/env/PASSWORD": []byte("hunter2"), "container/0/mount/1/f": []byte("hunter2"), "container/0/mount/2": []byte("hunter2"),
	}
	if d := cmp.Diff(wantBundle, c.bundle); d != "" {
		t.Error(d)
	}
	if c.template.SealedVersion == "" {
		t.Error("a changed secret would be no new revision")
	}
	other, err := compile(value, []byte("other key"), find, config.Files)
	if err != nil || other.template.SealedVersion == c.template.SealedVersion {
		t.Error("the sealed version does not depend on the key")
	}
}

// instances are other resources, by address.
type instances map[string]cty.Value

func (i instances) Instance(address string) (cty.Value, bool) {
	v, ok := i[address]
	return v, ok
}

func (instances) Object(address string) string { return providers.ObjectName(address) }

func ref(address, version string) cty.Value {
	return cty.ObjectVal(map[string]cty.Value{"address": cty.StringVal(address), "version": cty.StringVal(version)})
}

func configOf(version string, content cty.Value) cty.Value {
	return cty.ObjectVal(map[string]cty.Value{
		"files": cty.MapVal(map[string]cty.Value{"f": content}), "version": cty.StringVal(version),
	})
}

func TestPlanKeepsWhatIsKnownWhileNothingChanges(t *testing.T) {
	first := plan(t, cty.NullVal(cty.DynamicPseudoType), podOf(nil, container("a", set{})))
	for _, name := range computed {
		if first.GetAttr(name).IsKnown() {
			t.Errorf("%s is known before apply", name)
		}
	}
	applied := valueOf(first, "abc", []string{"n1"}, []api.ReplicaStatus{{IP: "10.210.0.2"}})
	again := plan(t, applied, podOf(nil, container("a", set{})))
	if !again.RawEquals(applied) {
		t.Errorf("a second plan differs: %#v", again)
	}
	changed := plan(t, applied, podOf(set{"replicas": cty.NumberIntVal(2)}, container("a", set{})))
	if changed.GetAttr("addresses").IsKnown() || changed.GetAttr("revision").IsKnown() {
		t.Error("a change keeps what only apply can know")
	}
	strange := providers.With(applied, map[string]cty.Value{"revision": cty.NullVal(cty.String)})
	if p := plan(t, strange, podOf(nil, container("a", set{}))); p.GetAttr("revision").IsKnown() {
		t.Error("a pod that runs something else than recorded is not put right")
	}
}

func TestResolve(t *testing.T) {
	const pinnedRef = "docker.io/library/nginx@sha256:2222222222222222222222222222222222222222222222222222222222222222"
	cfg := podOf(nil, container("a", set{"image": cty.StringVal("docker.io/library/nginx:1.27")}))
	r := Kind{}.Plan(providers.PlanRequest{Identity: providers.Identify("pod.web"), Prior: cty.NullVal(cty.DynamicPseudoType), Config: cfg,
		Resolve: func(ref string) (string, error) { return pinnedRef, nil }})
	first := providers.Objects(r.Planned, "container")[0]
	if got := providers.Str(first, "ref"); got != pinnedRef {
		t.Errorf("ref is %q", got)
	}
	cargo, known, _ := Kind{}.Cargo(providers.Identify("pod.web"), r.Planned)
	if !known || len(cargo.Images) != 1 || cargo.Images[0] != pinnedRef {
		t.Errorf("cargo %+v, known %t", cargo, known)
	}
	offline := Kind{}.Plan(providers.PlanRequest{Identity: providers.Identify("pod.web"), Prior: r.Planned, Config: cfg})
	if got := providers.Str(providers.Objects(offline.Planned, "container")[0], "ref"); got != pinnedRef {
		t.Errorf("without a registry to ask the ref becomes %q", got)
	}
}

func TestCargo(t *testing.T) {
	res := func(cpu, memory string) cty.Value {
		return object(&nested("container", "resources").Block, "", "", set{"cpu": cty.StringVal(cpu), "memory": cty.StringVal(memory)})
	}
	value := plan(t, cty.NullVal(cty.DynamicPseudoType), podOf(set{
		"replicas": cty.NumberIntVal(3),
		"init":     cty.ListVal([]cty.Value{object(&block.Blocks["init"].Block, "name", "i", set{"image": cty.StringVal(web), "resources": res("1", "1Mi")})}),
	}, container("a", set{"resources": res("100m", "64Mi"), "port": cty.ListVal([]cty.Value{port("http", 80, 8080), port("x", 81, 0)})}),
		container("b", set{"resources": res("50m", "1Gi")})))
	cargo, known, diags := Kind{}.Cargo(providers.Identify(`pod.web["a"]`), value)
	if diags.HasErrors() || !known {
		t.Fatal(known, diags)
	}
	r := cargo.Request
	if r.Pod != `web["a"]` || r.MilliCPU != 1000 || r.Memory != 64<<20+1<<30 || cargo.Replicas != 3 || !cmp.Equal(r.HostPorts, []string{"8080/tcp"}) || len(cargo.Images) != 1 {
		t.Errorf("cargo %+v", cargo)
	}
	unknown := providers.With(value, map[string]cty.Value{"replicas": cty.UnknownVal(cty.Number)})
	if _, known, _ := (Kind{}).Cargo(providers.Identify("pod.web"), unknown); known {
		t.Error("an unknown number of replicas is placed")
	}
}

func TestCheck(t *testing.T) {
	secret := cty.StringVal("hunter2").WithMarks(lang.Sensitive)
	for name, tc := range map[string]struct {
		pod  cty.Value
		want string
	}{
		"container name":      {podOf(nil, container("Web!", set{})), "Container name not valid"},
		"secret in arguments": {podOf(nil, container("a", set{"args": cty.ListVal([]cty.Value{secret})})), "Secret on a command line"},
		"host port twice": {podOf(nil, container("a", set{"port": cty.ListVal([]cty.Value{port("x", 80, 80)})}),
			container("b", set{"port": cty.ListVal([]cty.Value{port("y", 81, 80)})})), "Host port used twice"},
		"mount of nothing": {podOf(nil, container("a", set{"mount": cty.ListVal([]cty.Value{mount("/x", set{})})})), "Mount without a source"},
		"mount of two things": {podOf(nil, container("a", set{"mount": cty.ListVal([]cty.Value{
			mount("/x", set{"host": cty.StringVal("/y"), "secret": ref("secret.s", "")})})})), "Mount with several sources"},
		"relative mount": {podOf(nil, container("a", set{"mount": cty.ListVal([]cty.Value{mount("x", set{"host": cty.StringVal("/y")})})})), "Mount path not valid"},
		"replicas on all": {podOf(set{"replicas": cty.NumberIntVal(2),
			"placement": object(&block.Blocks["placement"].Block, "", "", set{"on": cty.StringVal("all")})}, container("a", set{})), "Replicas not used"},
	} {
		t.Run(name, func(t *testing.T) {
			r := Kind{}.Plan(providers.PlanRequest{Identity: providers.Identify("pod.web"), Prior: cty.NullVal(cty.DynamicPseudoType), Config: tc.pod})
			if !r.Diags.HasErrors() {
				t.Fatal("no error")
			}
			if d := r.Diags[0]; d.Summary != tc.want || !strings.Contains(d.Detail, "pod.web") || strings.Contains(d.Detail, "hunter2") {
				t.Errorf("%s: %s", d.Summary, d.Detail)
			}
		})
	}
}
