package lang

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

func loadFiles(t testing.TB, files map[string]string) *Config {
	t.Helper()
	all := map[string][]byte{}
	for name, text := range files {
		all[name] = []byte(text)
	}
	c, diags := Load(".", Options{Schemas: testSchemas(), Files: all})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return c
}

// TestModules: arguments become variables, outputs come back, both with the
// dependencies of what is in them; instances of a module have their own.
func TestModules(t *testing.T) {
	c := loadFiles(t, map[string]string{
		"main.stowage.hcl": `
variable "names" { default = ["x", "y"] }
locals { base = "b" }
config "base" { files = { a = "base" } }
module "app" {
  source   = "./modules/app"
  for_each = { one = 1, "two.[" = 2 }
  name     = "${local.base}-${each.key}"
  size     = tostring(each.value)
  version_ = config.base.version
}
module "counted" {
  source = "./modules/app"
  count  = 2
  name   = var.names[count.index]
  secret = "s3cret"
}
module "single" {
  source = "./modules/app"
  name   = null
}
locals { keyed = { for k, m in module.app : k => m.name } }
config "out" {
  files = {
    one     = module.app["one"].name
    attr    = module.app.one.size
    index   = module.counted[1].name
    dynamic = module.counted[length(var.names) - 1].name
    splat   = join(",", module.counted[*].name)
    values  = join(",", values(module.app)[*].name)
    keyed   = local.keyed["two.["]
    single  = module.single.name
    object  = module.single.object.more
    paths   = module.single.paths
    all     = jsonencode(sort(keys(module.single)))
  }
}
config "precise" { files = { v = module.app["one"].version } }
config "all" { files = { v = join(",", values(module.app)[*].version) } }
config "secret" { files = { v = module.counted[0].secret } }
output "versions" { value = module.counted[*].version }
`,
		"modules/app/a.stowage.hcl": `
variable "name" {
  type     = string
  default  = "default"
  nullable = false
}
variable "size" {
  type    = number
  default = 7
}
variable "version_" { default = "none" }
variable "secret" {
  type      = string
  default   = ""
  sensitive = true
}
variable "object" {
  type    = object({ more = optional(string, "filled") })
  default = {}
}
locals { full = "${var.name}/${var.size}" }
config "c" { files = { a = local.full, b = var.version_ } }
`,
		"modules/app/b.stowage.hcl": `
output "name" { value = local.full }
output "size" { value = var.size }
output "version" { value = config.c.version }
output "secret" { value = var.secret }
output "object" { value = var.object }
output "paths" { value = "${path.module} ${path.root}" }
`,
	})
	w := evaluateAll(t, c, nil)
	if diags := append(c.Validate(), w.e.Finish()...); len(diags) > 0 {
		t.Error(diags)
	}
	var got strings.Builder
	for _, attr := range []string{"one", "attr", "index", "dynamic", "splat", "values", "keyed", "single", "object", "paths", "all"} {
		v := w.instances["config.out"].Config.GetAttr("files").AsValueMap()[attr]
		fmt.Fprintf(&got, "%s: %s\n", attr, v.AsString())
	}
	for _, address := range []string{"config.out", "config.precise", "config.all", `module.app["two.["].config.c`, "module.single.config.c"} {
		fmt.Fprintf(&got, "%s: %v\n", address, w.instances[address].Deps)
	}
	want := `one: b-one/1
attr: 1
index: y/7
dynamic: y/7
splat: x/7,y/7
values: b-one/1,b-two.[/2
keyed: b-two.[/2
single: default/7
object: filled
paths: modules/app .
all: ["name","object","paths","secret","size","version"]
config.out: [module.app["one"].config.c module.app["two.["].config.c module.single.config.c]
config.precise: [module.app["one"].config.c]
config.all: [module.app["one"].config.c module.app["two.["].config.c]
module.app["two.["].config.c: [config.base]
module.single.config.c: []
`
	if d := cmp.Diff(want, got.String()); d != "" {
		t.Error(d)
	}
	if v := w.instances["config.secret"].Config.GetAttr("files").AsValueMap()["v"]; !IsSensitive(v) {
		t.Error("a sensitive variable of a module lost its mark")
	}
}

// TestModuleReferences: a reference to a block passes through variables and outputs.
func TestModuleReferences(t *testing.T) {
	c := loadFiles(t, map[string]string{
		"main.stowage.hcl": `
config "site" { files = { a = "a" } }
config "many" {
  for_each = { a = 1, b = 2 }
  files    = { a = each.key }
}
image "web" {}
module "web" {
  source   = "./web"
  for_each = { a = config.many["a"], b = config.many["b"] }
  site     = each.value
  images   = { web = image.web }
}
module "made" {
  source = "./made"
}
pod "p" {
  container "a" {
    image = module.made.image
    mount "/c" { config = module.made.config }
    mount "/d" { config = module.web["a"].site }
  }
}
pod "q" {
  for_each = { a = 1 }
  container "a" {
    image = module.made.image
    mount "/c" { config = module.web[each.key].site }
  }
}
`,
		"web/web.stowage.hcl": `
variable "site" {}
variable "images" {}
module "inner" {
  source = "./inner"
  site   = var.site
  image  = var.images.web
}
output "site" { value = var.site }
`,
		"web/inner/inner.stowage.hcl": `
variable "site" {}
variable "image" {}
pod "web" {
  container "a" {
    image = var.image
    mount "/c" { config = var.site }
  }
}
`,
		"made/made.stowage.hcl": `
image "i" {}
config "c" { files = { a = "made" } }
output "image" { value = image.i }
output "config" { value = config.c }
`,
	})
	if diags := c.Validate(); len(diags) > 0 {
		t.Fatal(diags)
	}
	w := evaluateAll(t, c, nil)
	mounts := func(address string) string {
		var all []string
		ctr := w.instances[address].Config.GetAttr("container").AsValueSlice()[0]
		for _, m := range ctr.GetAttr("mount").AsValueSlice() {
			all = append(all, m.GetAttr("config").GetAttr("address").AsString())
		}
		return fmt.Sprint(all, w.instances[address].Deps)
	}
	for address, want := range map[string]string{
		`module.web["b"].module.inner.pod.web`: `[config.many["b"]] [config.many["a"] config.many["b"] image.web]`,
		"pod.p":                                `[module.made.config.c config.many["a"]] [config.many["a"] module.made.config.c module.made.image.i]`,
		`pod.q["a"]`:                           `[config.many["a"]] [config.many["a"] module.made.image.i]`,
	} {
		if got := mounts(address); got != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
}

// TestModuleDepth: many levels of modules are refused with a message, and those
// that are allowed are evaluated.
func TestModuleDepth(t *testing.T) {
	nest := func(levels int) (*Config, hcl.Diagnostics) {
		files := map[string][]byte{}
		dir := ""
		for i := range levels {
			files[dir+"m.stowage.hcl"] = fmt.Appendf(nil, "variable \"x\" { default = \"%d\" }\nmodule \"m\" {\n source = \"./m\"\n x = var.x\n}\nconfig \"c\" { files = { a = var.x, b = module.m.out } }\noutput \"out\" { value = module.m.out }\n", i)
			dir += "m/"
		}
		files[dir+"m.stowage.hcl"] = []byte("variable \"x\" {}\nconfig \"c\" { files = { a = var.x } }\noutput \"out\" { value = config.c.files.a }\n")
		return Load("", Options{Schemas: testSchemas(), Files: files})
	}
	if _, diags := nest(1000); !diags.HasErrors() || diags[0].Summary != "Too many modules" {
		t.Error(diags)
	}
	c, diags := nest(maxModuleDepth)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	w := evaluateAll(t, c, nil)
	if v, _, diags := w.e.Output("out"); diags.HasErrors() || v.AsString() != "0" {
		t.Error(v, diags)
	}
}

// TestTooManyModules: modules that call others twice are as many as 2 to the power of their depth.
func TestTooManyModules(t *testing.T) {
	files := map[string][]byte{}
	for i := range 40 {
		text := ""
		for _, name := range []string{"a", "b"} {
			text += fmt.Sprintf("module %q {\n source = \"../m%d\"\n}\n", name, i+1)
		}
		files[fmt.Sprintf("m%d/m.stowage.hcl", i)] = []byte(text)
	}
	files["m40/m.stowage.hcl"] = []byte("locals { a = 1 }\n")
	files["m.stowage.hcl"] = []byte("module \"a\" {\n source = \"./m0\"\n}\n")
	_, diags := Load("", Options{Schemas: testSchemas(), Files: files})
	if len(diags) != 1 || diags[0].Summary != "Too many modules" {
		t.Error(diags)
	}
}

// TestModuleSnapshot: a configuration is loaded from its own Sources.
func TestModuleSnapshot(t *testing.T) {
	files := map[string][]byte{
		"main.stowage.hcl":                      []byte("module \"m\" {\n source = \"git::https://example.com/m.git\"\n}\n"),
		"got/m/m.stowage.hcl":                   []byte("module \"n\" {\n source = \"../n\"\n}\nconfig \"c\" { files = { a = file(\"${path.module}/text\") } }\n"),
		"got/n/n.stowage.hcl":                   []byte("config \"c\" { files = { a = path.module } }\n"),
		"got/m/text":                            []byte("text"),
		"module:git::https://example.com/m.git": []byte("got\ngot/m"),
	}
	c, diags := Load(".", Options{Schemas: testSchemas(), Files: files})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	w := evaluateAll(t, c, nil)
	if v := w.instances["module.m.config.c"].Config.GetAttr("files").Index(cty.StringVal("a")); v.AsString() != "text" {
		t.Error(v)
	}
	if d := cmp.Diff(files, w.e.Sources()); d != "" {
		t.Error(d)
	}
	files["got/m/m.stowage.hcl"] = []byte("module \"n\" {\n source = \"../../n\"\n}\n")
	if _, diags := Load(".", Options{Schemas: testSchemas(), Files: files}); !diags.HasErrors() || !strings.Contains(diags[0].Detail, "leads out of the repository") {
		t.Error(diags)
	}
}
