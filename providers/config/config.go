// Package config is the kind "config": named files that pods mount, shared by all
// of them. Its version changes with its content, and a pod that mounts it rolls.
package config

import (
	"context"
	"encoding/json"
	"fmt"
	"path"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/lang/schema"
	"github.com/stowage-iac/stowage/providers"
)

// MaxBytes bounds a config's content: the store's limit for one object is 1.5 MiB.
const MaxBytes = 1 << 20

// Kind implements providers.Kind.
type Kind struct{}

// Name is "config".
func (Kind) Name() string { return "config" }

var block = &schema.Block{
	Doc: "Named files that pods mount. A pod that mounts it rolls when its content changes.",
	Attributes: map[string]*schema.Attribute{
		"files": {
			Type: cty.Map(cty.String), Required: true, Validate: validFiles,
			Doc: "File name to content. A name may contain directories: \"conf.d/site.conf\".",
		},
		"version": {
			Type: cty.String, Computed: true,
			Doc: "Hash of the content, 12 hex digits; keyed when the content is sensitive.",
		},
	},
}

// Schema describes the block.
func (Kind) Schema() *schema.Block { return block }

func validFiles(v cty.Value) error {
	size := 0
	for it := v.ElementIterator(); it.Next(); {
		k, e := it.Element()
		name := k.AsString()
		if name == "" || path.IsAbs(name) || path.Clean(name) != name || strings.HasPrefix(name, "..") {
			return fmt.Errorf("%q is not a file name: use a relative path without \"..\", like \"conf.d/site.conf\"", name)
		}
		e, _ = e.Unmark()
		if e.IsKnown() && e.IsNull() {
			return fmt.Errorf("the content of %q is null; use \"\" for an empty file", name)
		}
		if e.IsKnown() {
			size += len(e.AsString())
		}
	}
	if size > MaxBytes {
		return fmt.Errorf("the files have %d bytes together and at most %d are possible: put larger files into an image", size, MaxBytes)
	}
	return nil
}

// OutsideCluster tells the planner that a config with sensitive files needs no node: like a
// secret, it lives in the state, and in the pods that use it.
func (Kind) OutsideCluster(value cty.Value) bool {
	return value.GetAttr("files").ContainsMarked()
}

// Plan knows the version as soon as the content is known.
func (Kind) Plan(req providers.PlanRequest) providers.PlanResponse {
	files := req.Config.GetAttr("files")
	version := cty.UnknownVal(cty.String).RefineNotNull()
	if contents, key, ok := contents(files, req.HashKey); ok {
		version = cty.StringVal(providers.Version(key, contents))
	}
	return providers.PlanResponse{Planned: providers.With(req.Config, map[string]cty.Value{"version": version})}
}

// contents are the files, and the key to hash them with: none unless something is sensitive.
func contents(files cty.Value, hashKey []byte) (m map[string][]byte, key []byte, known bool) {
	files, marks := files.Unmark()
	if !files.IsWhollyKnown() || files.IsNull() {
		return nil, nil, false
	}
	if len(marks) > 0 {
		key = hashKey
	}
	m = make(map[string][]byte, files.LengthInt())
	for it := files.ElementIterator(); it.Next(); {
		k, e := it.Element()
		e, marks := e.Unmark()
		if len(marks) > 0 {
			key = hashKey
		}
		m[k.AsString()] = []byte(e.AsString())
	}
	return m, key, true
}

// Files are the contents of a config's value, and whether any of them is sensitive.
func Files(value cty.Value) (files map[string][]byte, sensitive bool) {
	m, key, ok := contents(value.GetAttr("files"), []byte{1})
	if !ok {
		return nil, false
	}
	return m, key != nil
}

// Read looks the object up in the cluster's store. A config with sensitive files
// is not there: it travels sealed inside the pods that mount it.
func (Kind) Read(req providers.ReadRequest) providers.ReadResponse {
	if req.World == nil || req.World.Cluster == nil || providers.IsNull(req.Prior) {
		return providers.ReadResponse{Value: req.Prior}
	}
	if _, sensitive := Files(req.Prior); sensitive {
		return providers.ReadResponse{Value: req.Prior}
	}
	obj := req.World.Object(api.KindConfig, req.Object)
	if obj == nil {
		return providers.ReadResponse{Value: cty.NullVal(req.Prior.Type())}
	}
	var spec api.ConfigSpec
	if err := json.Unmarshal(obj.Spec, &spec); err != nil {
		return providers.ReadResponse{Value: req.Prior, Diags: providers.Errorf("Damaged object",
			fmt.Sprintf("The cluster's object of %s cannot be read: %s.", req.Address, err))}
	}
	if spec.Version == providers.Str(req.Prior, "version") {
		return providers.ReadResponse{Value: req.Prior}
	}
	return providers.ReadResponse{Value: withSpec(req.Prior, spec)}
}

// withSpec is the value with the content of an object.
func withSpec(v cty.Value, spec api.ConfigSpec) cty.Value {
	files := make(map[string]cty.Value, len(spec.Files))
	for name, content := range spec.Files {
		files[name] = cty.StringVal(string(content))
	}
	m := cty.MapValEmpty(cty.String)
	if len(files) > 0 {
		m = cty.MapVal(files)
	}
	return providers.With(v, map[string]cty.Value{"files": m, "version": cty.StringVal(spec.Version)})
}

// Apply writes or deletes the object.
func (Kind) Apply(ctx context.Context, req providers.ApplyRequest) providers.ApplyResponse {
	name := req.Object
	if providers.IsNull(req.Planned) {
		if _, sensitive := Files(req.Prior); sensitive {
			return providers.ApplyResponse{Value: req.Planned}
		}
		return deleted(ctx, req, name)
	}
	files, key, known := contents(req.Planned.GetAttr("files"), req.HashKey)
	if !known {
		return providers.ApplyResponse{Value: req.Prior, Diags: providers.Errorf("Unknown content",
			fmt.Sprintf("The files of %s are still unknown although everything they refer to was applied.", req.Address))}
	}
	version := providers.Version(key, files)
	value := providers.With(req.Planned, map[string]cty.Value{"version": cty.StringVal(version)})
	if key != nil {
		retired := retire(ctx, req, name)
		return providers.ApplyResponse{Value: value, Diags: retired.Diags, Passing: retired.Passing}
	}
	if err := providers.PutObject(ctx, req.Env, api.KindConfig, name, api.ConfigSpec{Version: version, Files: files}); err != nil {
		return providers.ApplyResponse{Value: req.Prior, Diags: failed(req.Address, "written", err), Passing: providers.Passing(err)}
	}
	return providers.ApplyResponse{Value: value}
}

// retire deletes the plain object of a config that has become sensitive.
func retire(ctx context.Context, req providers.ApplyRequest, name string) (none providers.ApplyResponse) {
	if providers.IsNull(req.Prior) {
		return none
	}
	if _, was := Files(req.Prior); was {
		return none
	}
	return deleted(ctx, req, name)
}

func deleted(ctx context.Context, req providers.ApplyRequest, name string) providers.ApplyResponse {
	if err := providers.DeleteObject(ctx, req.Env, api.KindConfig, name); err != nil {
		return providers.ApplyResponse{Value: req.Prior, Diags: failed(req.Address, "deleted", err), Passing: providers.Passing(err)}
	}
	return providers.ApplyResponse{Value: cty.NullVal(block.ImpliedType())}
}

func failed(address, verb string, err error) hcl.Diagnostics {
	return providers.Errorf("Config not "+verb, fmt.Sprintf("%s could not be %s: %s.", address, verb, err))
}

// Overlap: the store keeps every version that a pod uses, so that a new one needs no other name.
func (Kind) Overlap() (providers.Overlap, string) { return providers.InPlace, "" }

// Import reads the object. A sensitive config has none: an apply makes it again.
func (Kind) Import(req providers.ImportRequest) providers.ImportResponse {
	obj := req.World.Object(api.KindConfig, req.Object)
	if obj == nil {
		return providers.NoObject(req, api.KindConfig, " One with sensitive content is never there, and an apply makes it anew.")
	}
	var spec api.ConfigSpec
	if err := json.Unmarshal(obj.Spec, &spec); err != nil {
		return providers.ImportResponse{Diags: providers.Errorf("Damaged object", fmt.Sprintf("The cluster's object of %s cannot be read: %s.", req.Address, err))}
	}
	return providers.ImportResponse{Value: withSpec(req.Planned, spec)}
}
