package lang

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
	"pgregory.net/rapid"
)

// world is an evaluated configuration.
type world struct {
	e         *Evaluator
	order     []string
	instances map[string]*Instance
}

// evaluateAll does what a plan does; computed attributes become what known says.
func evaluateAll(t testing.TB, c *Config, known func(address, attr string) cty.Value) *world {
	t.Helper()
	vars, diags := c.ReadVariables(VariableSources{})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	e, diags := NewEvaluator(c, Inputs{Variables: vars})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	w := &world{e: e, instances: map[string]*Instance{}}
	for b := range e.Blocks() {
		w.order = append(w.order, b.Address())
		keys, diags := e.Expand(b)
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		for _, key := range keys {
			inst, diags := e.Decode(b, key)
			if diags.HasErrors() {
				t.Fatal(diags)
			}
			w.instances[inst.Address] = inst
			w.set(inst, known)
		}
	}
	return w
}

func (w *world) set(inst *Instance, known func(address, attr string) cty.Value) {
	w.e.Set(inst.Address, planned(inst.Kind, inst.Config, func(attr string) cty.Value {
		if known == nil {
			return cty.NilVal
		}
		return known(inst.Address, attr)
	}))
}

// versions knows the version of configs and secrets, and the refs of images.
func versions(address, attr string) cty.Value {
	if attr == "version" || attr == "ref" {
		return cty.StringVal(attr + " of " + address)
	}
	return cty.NilVal
}

func mustLoad(t testing.TB, src string) *Config {
	t.Helper()
	c, diags := loadText(t, src)
	diags = append(diags, c.Validate()...)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return c
}

// text is a value as JSON, for comparisons; unknown parts are "?".
func text(t testing.TB, v cty.Value) string {
	t.Helper()
	v, _ = v.UnmarkDeep()
	v, err := cty.Transform(v, func(_ cty.Path, v cty.Value) (cty.Value, error) {
		if !v.IsKnown() {
			return cty.StringVal("?"), nil
		}
		return v, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	b, err := ctyjson.Marshal(v, v.Type())
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestExpressions evaluates an argument of a pod (labels.x) in a configuration
// with one block of each form.
func TestExpressions(t *testing.T) {
	const common = `
variable "n" { default = 2 }
variable "names" { default = ["a", "b"] }
locals {
  port  = 8000 + var.n
  table = { for n in var.names : n => upper(n) }
  alias = config.many
  one   = config.single
}
config "single" { files = { a = "b" } }
config "many" {
  count = var.n
  files = { index = tostring(count.index) }
}
config "each" {
  for_each = local.table
  files    = { (each.key) = each.value }
}
`
	tests := []struct {
		expr string
		want string
		deps string
	}{
		{`"x"`, "x", ""},
		{`local.port`, "8002", ""},
		{`"${var.n + 1}"`, "3", ""},
		{`"a-${1.5}-${10000000000}"`, "a-1.5-10000000000", ""},
		{`context.name`, "default", ""},
		{`config.single.version`, "version of config.single", "config.single"},
		{`config.single["version"]`, "version of config.single", "config.single"},
		{`local.one.version`, "version of config.single", "config.single"},
		{`config.many[1].version`, "version of config.many[1]", "config.many[1]"},
		{`config.many.1.version`, "version of config.many[1]", "config.many[1]"},
		{`config.many["1"].version`, "version of config.many[1]", "config.many[1]"},
		{`config.many[var.n - 1].version`, "version of config.many[1]", "config.many[1]"},
		{`local.alias[0].version`, "version of config.many[0]", "config.many"},
		{`config.each["a"].version`, `version of config.each["a"]`, `config.each["a"]`},
		{`config.each.b.version`, `version of config.each["b"]`, `config.each["b"]`},
		{`config.each["${"a"}"].version`, `version of config.each["a"]`, `config.each["a"]`},
		{`config.each[var.names[1]].version`, `version of config.each["b"]`, `config.each["b"]`},
		{`length(config.many)`, "2", "config.many"},
		{`join("; ", config.many[*].version)`, "version of config.many[0]; version of config.many[1]", "config.many"},
		{`join("; ", values(config.each)[*].version)`, `version of config.each["a"]; version of config.each["b"]`, "config.each"},
		{`join(",", [for k, c in config.each : k])`, "a,b", "config.each"},
		{`join("; ", [for n in var.names : config.each[n].version])`, `version of config.each["a"]; version of config.each["b"]`, `config.each["a"] config.each["b"]`},
		{`join("; ", [for i in range(2) : config.many[i].files["index"]])`, "0; 1", "config.many[0] config.many[1]"},
		{`try(config.many[7].version, "none")`, "none", ""},
		{`can(config.many[7].version)`, "false", ""},
		{`var.n > 5 ? config.many[5].version : "few"`, "few", ""},
		{`[config.single, config.many[0]][1].version`, "version of config.many[0]", "config.many[0] config.single"},
		{`{ for a in ["x"] : a => a }["x"]`, "x", ""},
		{`"%{ for n in var.names }${n}%{ endfor }"`, "ab", ""},
		{"<<EOT\n    ${var.n}\n    EOT\n", "    2\n", ""},
	}
	for _, test := range tests {
		t.Run(test.expr, func(t *testing.T) {
			c := mustLoad(t, common+"pod \"p\" {\n  labels = {\n    x = "+test.expr+"\n  }\n  container \"main\" {\n    image = \"i\"\n  }\n}\n")
			w := evaluateAll(t, c, versions)
			p := w.instances["pod.p"]
			if got := p.Config.GetAttr("labels").Index(cty.StringVal("x")).AsString(); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if got := strings.Join(p.Deps, " "); got != test.deps {
				t.Errorf("dependencies %q, want %q", got, test.deps)
			}
		})
	}
}

// TestDecode compares whole instances with their configuration as JSON.
func TestDecode(t *testing.T) {
	tests := []struct {
		name, src, address, want, deps string
	}{
		{
			name:    "defaults, absent arguments and blocks",
			src:     `node "n" {}`,
			address: "node.n",
			want:    `{"address":null,"facts":null,"labels":null,"ready":null,"role":"worker","ssh":null}`,
		},
		{
			name:    "null is absent",
			src:     `node "n" { role = null }`,
			address: "node.n",
			want:    `{"address":null,"facts":null,"labels":null,"ready":null,"role":"worker","ssh":null}`,
		},
		{
			name:    "a single block",
			src:     "node \"n\" {\n  ssh {\n    port = 22\n  }\n}",
			address: "node.n",
			want:    `{"address":null,"facts":null,"labels":null,"ready":null,"role":"worker","ssh":{"port":22,"private_key_wo":null,"user":null}}`,
		},
		{
			name:    "for_each over a set",
			src:     "node \"n\" {\n  for_each = toset([\"b\", \"a\"])\n  address = \"${each.key}-${each.value}\"\n}",
			address: `node.n["b"]`,
			want:    `{"address":"b-b","facts":null,"labels":null,"ready":null,"role":"worker","ssh":null}`,
		},
		{
			name:    "keys are quoted",
			src:     "node \"n\" {\n  for_each = { \"a\\\"$${x}\" = 1 }\n}",
			address: `node.n["a\"$${x}"]`,
			want:    `{"address":null,"facts":null,"labels":null,"ready":null,"role":"worker","ssh":null}`,
		},
		{
			name: "blocks, labels and references",
			src: `image "web" {}
config "c" {
  count = 2
  files = { a = "b" }
}
pod "p" {
  count = 2
  container "main" {
    image = image.web
    mount "/c" {
      config = config.c[count.index]
    }
    port "http" {
      container = 80
    }
  }
  container "other" {
    image = "nginx:${count.index}"
  }
}`,
			address: "pod.p[1]",
			want: `{"addresses":null,"container":[` +
				`{"args":null,"command":null,"env":null,"image":"ref of image.web","mount":[{"config":{"address":"config.c[1]","version":"version of config.c[1]"},"mode":null,"path":"/c","secret":null}],"name":"main","port":[{"container":80,"host":null,"name":"http"}],"read_only":null,"resources":null,"user":null,"working_dir":null},` +
				`{"args":null,"command":null,"env":null,"image":"nginx:1","mount":[],"name":"other","port":[],"read_only":null,"resources":null,"user":null,"working_dir":null}` +
				`],"grace":null,"host":null,"labels":null,"nodes":null,"placement":null,"replicas":1,"revision":null,"scale":null,"singleton":null}`,
			deps: "config.c[1] image.web",
		},
		{
			name: "dynamic blocks",
			src: `locals { ports = { http = 80, https = 443 } }
pod "p" {
  dynamic "container" {
    for_each = ["a", "b"]
    labels   = ["c-${container.value}"]
    content {
      image = container.value
      dynamic "port" {
        for_each = local.ports
        iterator = p
        labels   = [p.key]
        content {
          container = p.value + container.key
        }
      }
    }
  }
}`,
			address: "pod.p",
			want: `{"addresses":null,"container":[` +
				`{"args":null,"command":null,"env":null,"image":"a","mount":[],"name":"c-a","port":[{"container":80,"host":null,"name":"http"},{"container":443,"host":null,"name":"https"}],"read_only":null,"resources":null,"user":null,"working_dir":null},` +
				`{"args":null,"command":null,"env":null,"image":"b","mount":[],"name":"c-b","port":[{"container":81,"host":null,"name":"http"},{"container":444,"host":null,"name":"https"}],"read_only":null,"resources":null,"user":null,"working_dir":null}` +
				`],"grace":null,"host":null,"labels":null,"nodes":null,"placement":null,"replicas":1,"revision":null,"scale":null,"singleton":null}`,
		},
		{
			name: "weak references may form a circle",
			src: `pod "a" {
  container "main" {
    image = "x"
  }
  placement {
    apart = [pod.a, pod.b, pod.c[1], pod.c]
  }
}
pod "b" {
  container "main" {
    image = "x"
  }
  placement {
    apart = [pod.a]
  }
}
pod "c" {
  count = 2
  container "main" {
    image = "x"
  }
}`,
			address: "pod.a",
			want: `{"addresses":null,"container":[{"args":null,"command":null,"env":null,"image":"x","mount":[],"name":"main","port":[],"read_only":null,"resources":null,"user":null,"working_dir":null}],` +
				`"grace":null,"host":null,"labels":null,"nodes":null,"placement":{"apart":[{"address":"pod.a","version":""},{"address":"pod.b","version":""},{"address":"pod.c[1]","version":""},{"address":"pod.c","version":""}],"where":null},"replicas":1,"revision":null,"scale":null,"singleton":null}`,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := evaluateAll(t, mustLoad(t, test.src), versions)
			inst := w.instances[test.address]
			if inst == nil {
				t.Fatalf("no %s among %v", test.address, slices.Collect(maps.Keys(w.instances)))
			}
			if d := cmp.Diff(test.want, text(t, inst.Config)); d != "" {
				t.Error(d)
			}
			if got := strings.Join(inst.Deps, " "); got != test.deps {
				t.Errorf("dependencies %q, want %q", got, test.deps)
			}
			if want := testSchemas()[inst.Kind].ImpliedType(); !inst.Config.Type().Equals(want) {
				t.Errorf("the type is %#v", inst.Config.Type())
			}
		})
	}
}

// TestReferenceArguments finds the block that is meant through expressions.
func TestReferenceArguments(t *testing.T) {
	const common = `
variable "big" { default = true }
variable "image" { default = "nginx:1" }
image "a" {}
image "b" {}
image "each" {
  for_each = toset(["x", "y"])
}
locals {
  default = image.a
  images  = { a = image.a, b = image.b, plain = "text" }
  nested  = { all = local.images, list = [image.b] }
}
`
	tests := []struct{ head, expr, address, want, deps string }{
		{"", `image.a`, "pod.p", "ref of image.a", "image.a"},
		{"", `(image.a)`, "pod.p", "ref of image.a", "image.a"},
		{"", `"${image.a}"`, "pod.p", "ref of image.a", "image.a"},
		{"", `image.a.ref`, "pod.p", "ref of image.a", "image.a"},
		{"", `local.default`, "pod.p", "ref of image.a", "image.a"},
		{"", `var.big ? image.a : image.b`, "pod.p", "ref of image.a", "image.a"},
		{"", `var.big ? var.image : image.b`, "pod.p", "nginx:1", ""},
		{"", `local.images["b"]`, "pod.p", "ref of image.b", "image.b"},
		{"", `local.images.b`, "pod.p", "ref of image.b", "image.b"},
		{"", `local.images.plain`, "pod.p", "text", "image.a image.b"},
		{"", `local.nested.all.b`, "pod.p", "ref of image.b", "image.b"},
		{"", `local.nested.list[0]`, "pod.p", "ref of image.b", "image.b"},
		{"", `merge(local.images, { b = image.a })["b"]`, "pod.p", "ref of image.a", "image.a"},
		{"", `image.each["x"]`, "pod.p", `ref of image.each["x"]`, `image.each["x"]`},
		{"for_each = image.each", `each.value`, `pod.p["y"]`, `ref of image.each["y"]`, `image.each`},
		{"for_each = image.each", `image.each[each.key]`, `pod.p["y"]`, `ref of image.each["y"]`, `image.each`},
		{"for_each = { m = image.b }", `each.value`, `pod.p["m"]`, "ref of image.b", "image.b"},
		{"for_each = { m = { image = image.b, n = 1 } }", `each.value.image`, `pod.p["m"]`, "ref of image.b", "image.b"},
		{"for_each = local.nested.all", `each.value`, `pod.p["plain"]`, "text", "image.a image.b"},
		{"count = 2", `[image.a, image.b][count.index]`, "pod.p[1]", "ref of image.b", "image.b"},
	}
	for _, test := range tests {
		t.Run(test.head+" "+test.expr, func(t *testing.T) {
			c := mustLoad(t, common+"pod \"p\" {\n  "+test.head+"\n  container \"main\" {\n    image = "+test.expr+"\n  }\n}\n")
			w := evaluateAll(t, c, versions)
			p := w.instances[test.address]
			if p == nil {
				t.Fatalf("no %s", test.address)
			}
			got := p.Config.GetAttr("container").Index(cty.Zero).GetAttr("image")
			if got.AsString() != test.want {
				t.Errorf("got %q, want %q", got.AsString(), test.want)
			}
			if got := strings.Join(p.Deps, " "); got != test.deps {
				t.Errorf("dependencies %q, want %q", got, test.deps)
			}
		})
	}
}

// TestKnownAfterApply plans with unknown values, then applies: each block decoded
// again after those before it were Set to what is known has nothing unknown left.
func TestKnownAfterApply(t *testing.T) {
	c := mustLoad(t, `
image "web" {}
config "c" {
  count = 3
  files = { image = image.web.digest }
}
locals {
  all = join(",", config.c[*].version)
}
pod "p" {
  count = 3
  labels = { all = local.all, own = config.c[count.index].version }
  container "main" {
    image = image.web
    mount "/c" {
      config = config.c[count.index]
    }
  }
}
output "all" { value = local.all }
`)
	w := evaluateAll(t, c, nil)
	pod := w.instances["pod.p[1]"].Config
	if pod.GetAttr("labels").IsWhollyKnown() {
		t.Error("the plan knows", text(t, pod))
	}
	if v, _, _ := w.e.Output("all"); v.IsKnown() {
		t.Error("the plan knows the output")
	}
	apply := func(address, attr string) cty.Value {
		if attr == "revision" {
			return cty.NumberIntVal(1)
		}
		if attr == "addresses" || attr == "nodes" {
			return cty.ListValEmpty(cty.String)
		}
		return cty.StringVal(attr + "@" + address)
	}
	// Instances of a block are applied at once, as by an executor.
	for b := range w.e.Blocks() {
		keys, _ := w.e.Expand(b)
		var wg sync.WaitGroup
		for _, key := range keys {
			wg.Go(func() {
				inst, diags := w.e.Decode(b, key)
				if diags.HasErrors() || !inst.Config.IsWhollyKnown() {
					t.Errorf("%s: %s %v", inst.Address, text(t, inst.Config), diags)
				}
				w.set(inst, apply)
			})
		}
		wg.Wait()
	}
	v, deps, diags := w.e.Output("all")
	if diags.HasErrors() || v.AsString() != "version@config.c[0],version@config.c[1],version@config.c[2]" {
		t.Error(v, diags)
	}
	if d := cmp.Diff([]string{"config.c"}, deps); d != "" {
		t.Error(d)
	}
}

// TestSensitiveFlows marks what is derived from secrets and sensitive variables.
func TestSensitiveFlows(t *testing.T) {
	c := mustLoad(t, `
variable "token" {
  default   = "t"
  sensitive = true
}
secret "s" { value = "x" }
config "c" { files = { a = "token ${var.token}" } }
node "n" { labels = { a = "plain" } }
pod "p" {
  count  = 2
  labels = { a = "plain", b = secret.s.value, c = secret.s.version, d = "${count.index}${local.t}" }
  container "main" {
    image = "x"
    args  = ["${secret.s.value}-${count.index}"]
  }
}
locals { t = upper(var.token) }
`)
	w := evaluateAll(t, c, versions)
	var got []string
	for _, address := range []string{"config.c", "node.n", "pod.p[1]", "secret.s"} {
		v := w.instances[address].Config
		_, paths := v.UnmarkDeepWithPaths()
		for _, p := range paths {
			got = append(got, address+" "+pathText(p.Path))
		}
	}
	slices.Sort(got)
	want := []string{
		`config.c files["a"]`,
		`pod.p[1] container[0].args[0]`,
		`pod.p[1] labels["b"]`,
		`pod.p[1] labels["d"]`,
		`secret.s value`,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// TestOrderIsIndependentOfFiles splits a configuration into blocks, distributes
// these over files in any order, and expects the same evaluation.
func TestOrderIsIndependentOfFiles(t *testing.T) {
	blocks := []string{
		`variable "n" { default = 3 }`,
		"locals {\n  a = config.a[0].version\n}",
		"locals {\n  b = local.a\n}",
		"config \"a\" {\n  count = var.n\n  files = { i = \"${count.index}\" }\n}",
		"config \"b\" {\n  files = { a = local.b }\n}",
		"config \"z\" {\n  files = { a = \"z\" }\n}",
		"secret \"s\" { value = config.z.version }",
		"pod \"a\" {\n  depends_on = [secret.s]\n  container \"m\" {\n    image = config.b.version\n  }\n}",
		"output \"o\" { value = pod.a.replicas }",
	}
	run := func(files map[string][]byte) string {
		c, diags := Load("", Options{Schemas: testSchemas(), Files: files})
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		w := evaluateAll(t, c, versions)
		var out strings.Builder
		fmt.Fprintln(&out, w.order)
		for b := range w.e.Blocks() {
			for _, address := range slices.Sorted(maps.Keys(w.instances)) {
				if BlockOf(address) == b.Address() {
					fmt.Fprintln(&out, address, w.instances[address].Deps, text(t, w.instances[address].Config))
				}
			}
		}
		return out.String()
	}
	want := run(map[string][]byte{"main.stowage.hcl": []byte(strings.Join(blocks, "\n"))})
	if !strings.HasPrefix(want, "[config.a config.b config.z secret.s pod.a]") {
		t.Error("unexpected order:", want)
	}
	rapid.Check(t, func(rt *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 0))
		files := map[string][]byte{}
		for _, i := range r.Perm(len(blocks)) {
			name := fmt.Sprintf("f%d.stowage.hcl", r.IntN(4))
			files[name] = append(files[name], blocks[i]+"\n"...)
		}
		if got := run(files); got != want {
			rt.Error(cmp.Diff(want, got))
		}
	})
}

// TestSuggest suggests what is near, and nothing that is not.
func TestSuggest(t *testing.T) {
	for _, test := range []struct{ name, want string }{
		{"replcas", "replicas"}, {"Replicas", "replicas"}, {"replicasss", "replicas"}, {"x", ""}, {"something", ""}, {"imag", "image"},
	} {
		if got := Suggest(test.name, []string{"image", "replicas", "env"}); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

// TestRawValues holds the fast way of making objects against the public one.
func TestRawValues(t *testing.T) {
	if !layoutKnown {
		t.Error("cty.Value has another layout than object.go knows: evaluation falls back to the slow way")
	}
	a := newAttrs(2)
	a.set("a", cty.StringVal("x").Mark("m"))
	a.set("b", cty.UnknownVal(cty.Number))
	ty := cty.Object(map[string]cty.Type{"a": cty.String, "b": cty.Number})
	want := cty.ObjectVal(map[string]cty.Value{"a": cty.StringVal("x").Mark("m"), "b": cty.UnknownVal(cty.Number)})
	if got := a.object(ty); !got.RawEquals(want) {
		t.Errorf("%#v", got)
	}
	list := listOf(cty.List(ty), []cty.Value{want, want})
	if !list.RawEquals(cty.ListVal([]cty.Value{want, want})) {
		t.Errorf("%#v", list)
	}
	if empty := listOf(cty.List(ty), nil); !empty.RawEquals(cty.ListValEmpty(ty)) {
		t.Errorf("%#v", empty)
	}
}
