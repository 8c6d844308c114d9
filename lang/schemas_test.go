package lang

import (
	"errors"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang/schema"
)

// The kinds of the tests: small, but with every feature of schemas.

func optional(ty cty.Type) *schema.Attribute { return &schema.Attribute{Type: ty, Optional: true} }
func required(ty cty.Type) *schema.Attribute { return &schema.Attribute{Type: ty, Required: true} }
func computed(ty cty.Type) *schema.Attribute { return &schema.Attribute{Type: ty, Computed: true} }
func writeOnly() *schema.Attribute {
	return &schema.Attribute{Type: cty.String, Optional: true, Sensitive: true, WriteOnly: true}
}

func testSchemas() map[string]*schema.Block {
	refTo := func(kinds ...string) *schema.Attribute {
		return &schema.Attribute{Type: schema.RefType, Optional: true, Ref: &schema.Ref{Kinds: kinds}}
	}
	replicas := optional(cty.Number)
	replicas.Default = cty.NumberIntVal(1)
	replicas.Validate = func(v cty.Value) error {
		if v.LessThan(cty.Zero).True() {
			return errors.New("replicas must not be negative")
		}
		return nil
	}
	role := optional(cty.String)
	role.Default = cty.StringVal("worker")
	role.Validate = func(v cty.Value) error {
		if r := v.AsString(); r != "manager" && r != "worker" {
			return errors.New(`the role is "manager" or "worker", not ` + quote(r))
		}
		return nil
	}
	secretValue := &schema.Attribute{Type: cty.String, Optional: true, Computed: true, Sensitive: true}
	later := optional(cty.String)
	later.Later = "Use restart instead."
	return map[string]*schema.Block{
		"node": {Attributes: map[string]*schema.Attribute{
			"address": optional(cty.String), "role": role, "labels": optional(cty.Map(cty.String)),
			"facts": computed(cty.Map(cty.String)), "ready": computed(cty.Bool),
		}, Blocks: map[string]*schema.NestedBlock{
			"ssh": {Block: schema.Block{Attributes: map[string]*schema.Attribute{
				"user": optional(cty.String), "port": optional(cty.Number), "private_key_wo": writeOnly(),
			}}},
		}},
		"config": {Attributes: map[string]*schema.Attribute{
			"files": required(cty.Map(cty.String)), "version": computed(cty.String),
		}},
		"secret": {Attributes: map[string]*schema.Attribute{
			"value": secretValue, "value_wo": writeOnly(), "version": computed(cty.String),
		}},
		"data.page": {Attributes: map[string]*schema.Attribute{
			"path": required(cty.String), "binary": optional(cty.Bool), "content": computed(cty.String), "size": computed(cty.Number),
		}},
		"data.program": {Attributes: map[string]*schema.Attribute{
			"command": required(cty.List(cty.String)), "query": optional(cty.Map(cty.String)), "result": computed(cty.Map(cty.String)),
		}},
		"image": {Attributes: map[string]*schema.Attribute{
			"from": optional(cty.String), "ref": computed(cty.String), "digest": computed(cty.String),
		}},
		"pod": {Attributes: map[string]*schema.Attribute{
			"replicas": replicas, "singleton": optional(cty.Bool), "addresses": computed(cty.List(cty.String)),
			"nodes": computed(cty.List(cty.String)), "revision": computed(cty.Number),
			"grace": optional(cty.String), "labels": optional(cty.Map(cty.String)), "host": later,
		}, Blocks: map[string]*schema.NestedBlock{
			"container": {Nesting: schema.List, Label: "name", Min: 1, Block: schema.Block{
				Attributes: map[string]*schema.Attribute{
					"image":   {Type: cty.String, Required: true, Ref: &schema.Ref{Kinds: []string{"image"}, OrString: true, As: "ref"}, Doc: "the image that it runs"},
					"command": optional(cty.List(cty.String)), "args": optional(cty.List(cty.String)),
					"env": optional(cty.Map(cty.String)), "user": optional(cty.String),
					"working_dir": optional(cty.String), "read_only": optional(cty.Bool),
				},
				Blocks: map[string]*schema.NestedBlock{
					"port": {Nesting: schema.List, Label: "name", Max: 3, Block: schema.Block{Attributes: map[string]*schema.Attribute{
						"container": required(cty.Number), "host": optional(cty.Number),
					}}},
					"mount": {Nesting: schema.List, Label: "path", Block: schema.Block{Attributes: map[string]*schema.Attribute{
						"config": refTo("config"), "secret": refTo("secret"), "mode": optional(cty.String),
					}}},
					"resources": {Block: schema.Block{Attributes: map[string]*schema.Attribute{
						"cpu": optional(cty.String), "memory": optional(cty.String),
					}}},
				},
			}},
			"placement": {Block: schema.Block{Attributes: map[string]*schema.Attribute{
				"where": optional(cty.String),
				"apart": {Type: cty.List(schema.RefType), Optional: true, Ref: &schema.Ref{Kinds: []string{"pod"}, Weak: true}},
			}}},
			"scale": {Later: "Set replicas.", Block: schema.Block{}},
		}},
	}
}

// testBackends are a small one and one with everything.
func testBackends() map[string]*schema.Block {
	path := optional(cty.String)
	path.Default = cty.StringVal("stowage.state.json")
	bucket, port := required(cty.String), optional(cty.Number)
	bucket.Doc = "The bucket; it must exist."
	port.Validate = func(v cty.Value) error {
		if v.LessThan(cty.NumberIntVal(1)).True() {
			return errors.New("a port is at least 1")
		}
		return nil
	}
	password := optional(cty.String)
	password.Sensitive, password.Later = true, "Set the environment variable S3_PASSWORD."
	return map[string]*schema.Block{
		"local": {Attributes: map[string]*schema.Attribute{"path": path}},
		"s3": {Attributes: map[string]*schema.Attribute{
			"bucket": bucket, "key": optional(cty.String), "port": port, "tls": optional(cty.Bool),
			"endpoints": optional(cty.List(cty.String)), "password": password,
		}},
	}
}

var testLater = map[string]string{
	"service": "publish a container's port with host = 8080",
	"ingress": "", "volume": "", "job": "", "policy": "", "data": "", "check": "",
	"moved": "", "removed": "", "import": "",
}

// choose is Options.Choose for a name; "" chooses none.
func choose(name string) func([]string) (string, string) {
	return func([]string) (string, string) { return name, "-context" }
}

// loadText loads a configuration of one file.
func loadText(t testing.TB, src string) (*Config, hcl.Diagnostics) {
	t.Helper()
	return Load("", Options{Schemas: testSchemas(), Backends: testBackends(), Later: testLater, Version: "0.1.0", Files: map[string][]byte{"main.stowage.hcl": []byte(src)}})
}

// planned stands for what a kind's Plan makes of a configuration: computed
// attributes are unknown.
func planned(kind string, config cty.Value, known func(attr string) cty.Value) cty.Value {
	m := config.AsValueMap()
	for name, a := range testSchemas()[kind].Attributes {
		if a.Computed && m[name].IsNull() {
			m[name] = known(name)
			if m[name] == cty.NilVal {
				m[name] = cty.UnknownVal(a.Type)
			}
		}
	}
	return cty.ObjectVal(m)
}
