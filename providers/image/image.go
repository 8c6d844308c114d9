// Package image is the kind "image": an OCI image made from local files, a layout,
// a tarball or a registry's image, without a Dockerfile and without a registry in
// between: the hosts that need it get it over SSH.
package image

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"runtime"
	"sort"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/image"
	"github.com/stowage-iac/stowage/lang/schema"
	"github.com/stowage-iac/stowage/providers"
)

// Kind implements providers.Kind and providers.Imager.
type Kind struct{}

// Name is "image".
func (Kind) Name() string { return "image" }

// Schema describes the block.
func (Kind) Schema() *schema.Block { return block }

const later = "It comes with a later version of Stowage."

var block = &schema.Block{
	Doc: "An OCI image made from local files, or taken from an OCI layout, a tarball or a registry. Hosts get the layers that they lack over SSH.",
	Attributes: map[string]*schema.Attribute{
		"from": {
			Type: cty.String, Optional: true, Default: cty.StringVal("scratch"),
			Doc: "\"scratch\" (default), the path of an OCI layout or tarball, or a registry reference.",
		},
		"entrypoint": {Type: cty.List(cty.String), Optional: true, Doc: "What a container runs."},
		"command":    {Type: cty.List(cty.String), Optional: true, Doc: "Arguments of the entrypoint, or what a container runs without one."},
		"env":        {Type: cty.Map(cty.String), Optional: true, Doc: "Environment variables. Secrets belong into the pod's env: an image is readable by everyone."},
		"user":       {Type: cty.String, Optional: true, Doc: "User of the processes; default root."},
		"work_dir":   {Type: cty.String, Optional: true, Doc: "Working directory."},
		"labels":     {Type: cty.Map(cty.String), Optional: true, Doc: "Labels of the image's configuration."},
		"platforms":  {Type: cty.List(cty.String), Optional: true, Validate: validPlatforms, Doc: "For example [\"linux/amd64\", \"linux/arm64\"]. Default: linux and this machine's architecture."},
		"run":        {Type: cty.List(cty.String), Optional: true, Later: later + " Make the files before, and copy them.", Doc: "Steps that run inside the image."},
		"digest":     {Type: cty.String, Computed: true, Doc: "Digest of the manifest: sha256:…"},
		"ref":        {Type: cty.String, Computed: true, Doc: "Name in containerd: NAME@sha256:…"},
		"size":       {Type: cty.Number, Computed: true, Doc: "Compressed bytes of one platform."},
	},
	Blocks: map[string]*schema.NestedBlock{
		"copy": {
			Nesting: schema.List, Label: "source",
			Block: schema.Block{
				Doc: "Copies a file, or what is in a directory, of the machine that runs stowage. Each is a layer.",
				Attributes: map[string]*schema.Attribute{
					"to":       {Type: cty.String, Required: true, Validate: validTarget, Doc: "Absolute path in the image; with a slash at its end a file keeps its name."},
					"owner":    {Type: cty.String, Optional: true, Validate: validOwner, Doc: "\"uid:gid\"; default \"0:0\"."},
					"mode":     {Type: cty.String, Optional: true, Validate: validMode, Doc: "Mode of the files, octal; default that of the source."},
					"platform": {Type: cty.String, Optional: true, Doc: "Copies for one of the platforms only."},
				},
			},
		},
	},
}

func validPlatforms(v cty.Value) error {
	for it := v.ElementIterator(); it.Next(); {
		_, e := it.Element()
		e, _ = e.Unmark()
		if e.IsKnown() && (e.IsNull() || !strings.HasPrefix(e.AsString(), "linux/")) {
			return fmt.Errorf("a platform is written like \"linux/amd64\"")
		}
	}
	return nil
}

func validTarget(v cty.Value) error {
	if s := v.AsString(); !strings.HasPrefix(s, "/") {
		return fmt.Errorf("%q is not an absolute path in the image; write \"/%s\"", s, s)
	}
	return nil
}

var ownerPattern = regexp.MustCompile(`^[0-9]{1,9}(:[0-9]{1,9})?$`)

func validOwner(v cty.Value) error {
	if s := v.AsString(); s != "" && !ownerPattern.MatchString(s) {
		return fmt.Errorf("%q is not an owner; write numbers, like \"1000\" or \"1000:1000\"", s)
	}
	return nil
}

var modePattern = regexp.MustCompile(`^[0-7]{3,5}$`)

func validMode(v cty.Value) error {
	if s := v.AsString(); s != "" && !modePattern.MatchString(s) {
		return fmt.Errorf("%q is not a file mode; write it in octal digits, like \"0644\"", s)
	}
	return nil
}

// Plan builds the image, so that the digest is a fact of the plan. What depends on
// values known only after apply is built then.
func (Kind) Plan(req providers.PlanRequest) providers.PlanResponse {
	unknown := map[string]cty.Value{
		"digest": cty.UnknownVal(cty.String).RefineNotNull(), "ref": cty.UnknownVal(cty.String).RefineNotNull(),
		"size": cty.UnknownVal(cty.Number).RefineNotNull(),
	}
	if req.Config.ContainsMarked() {
		return providers.PlanResponse{Planned: providers.With(req.Config, unknown), Diags: providers.Errorf("Secret in an image", fmt.Sprintf(
			"%s contains a sensitive value, and whoever can read the image could read it. Put it into the env of the pod, or mount a secret.", req.Address))}
	}
	if !known(req.Config) {
		return providers.PlanResponse{Planned: providers.With(req.Config, unknown)}
	}
	img, err := image.Build(context.Background(), specOf(req.Object, req.Config, req.BaseDir))
	if err != nil {
		return providers.PlanResponse{Planned: providers.With(req.Config, unknown), Diags: notBuilt(req.Identity, err)}
	}
	value, err := withImage(req.Config, img)
	if err != nil {
		return providers.PlanResponse{Planned: providers.With(req.Config, unknown), Diags: notBuilt(req.Identity, err)}
	}
	return providers.PlanResponse{Planned: value}
}

func known(config cty.Value) bool {
	for name, a := range block.Attributes {
		if !a.Computed && !config.GetAttr(name).IsWhollyKnown() {
			return false
		}
	}
	for name := range block.Blocks {
		if !config.GetAttr(name).IsWhollyKnown() {
			return false
		}
	}
	return true
}

func withImage(config cty.Value, img *image.Image) (cty.Value, error) {
	size, err := img.Size(platformOf(config))
	if err != nil {
		return cty.NilVal, err
	}
	return providers.With(config, map[string]cty.Value{
		"digest": cty.StringVal(img.Digest), "ref": cty.StringVal(img.Ref), "size": cty.NumberIntVal(size),
	}), nil
}

// platformOf is the first platform: what size tells of.
func platformOf(config cty.Value) string {
	if p := providers.Strs(config, "platforms"); len(p) > 0 {
		return p[0]
	}
	return "linux/" + runtime.GOARCH
}

func specOf(name string, v cty.Value, baseDir string) image.Spec {
	s := image.Spec{
		Name: name, BaseDir: baseDir, From: providers.Str(v, "from"),
		Entrypoint: providers.Strs(v, "entrypoint"), Command: providers.Strs(v, "command"),
		User: providers.Str(v, "user"), WorkDir: providers.Str(v, "work_dir"),
		Labels: providers.StrMap(v, "labels"), Platforms: providers.Strs(v, "platforms"),
	}
	for name, value := range providers.StrMap(v, "env") {
		s.Env = append(s.Env, name+"="+value)
	}
	sort.Strings(s.Env)
	for _, c := range providers.Objects(v, "copy") {
		s.Copies = append(s.Copies, image.Copy{
			Source: providers.Str(c, "source"), To: providers.Str(c, "to"), Owner: providers.Str(c, "owner"),
			Mode: providers.Str(c, "mode"), Platform: providers.Str(c, "platform"),
		})
	}
	return s
}

// Read compares with the cluster's record. The content is on the hosts that need
// it; what is missing there is a transfer of the plan, not a change of the image.
func (Kind) Read(req providers.ReadRequest) providers.ReadResponse {
	if req.World == nil || req.World.Cluster == nil || providers.IsNull(req.Prior) {
		return providers.ReadResponse{Value: req.Prior}
	}
	obj := req.World.Object(api.KindImage, req.Object)
	if obj == nil {
		return providers.ReadResponse{Value: cty.NullVal(req.Prior.Type())}
	}
	var spec api.ImageSpec
	if err := json.Unmarshal(obj.Spec, &spec); err != nil {
		return providers.ReadResponse{Value: req.Prior, Diags: providers.Errorf("Damaged object",
			fmt.Sprintf("The cluster's object of %s cannot be read: %s.", req.Address, err))}
	}
	if spec.Ref == providers.Str(req.Prior, "ref") {
		return providers.ReadResponse{Value: req.Prior}
	}
	return providers.ReadResponse{Value: providers.With(req.Prior, map[string]cty.Value{
		"digest": cty.StringVal(spec.Digest), "ref": cty.StringVal(spec.Ref), "size": cty.NumberIntVal(spec.Size),
	})}
}

// Apply records the image in the cluster, so that agents keep it. The content is
// sent by the plan's transfers.
func (Kind) Apply(ctx context.Context, req providers.ApplyRequest) providers.ApplyResponse {
	name := req.Object
	if providers.IsNull(req.Planned) {
		if err := providers.DeleteObject(ctx, req.Env, api.KindImage, name); err != nil {
			return providers.ApplyResponse{Value: req.Prior, Diags: providers.Errorf("Image not deleted",
				fmt.Sprintf("%s could not be deleted from the cluster: %s.", req.Address, err)), Passing: providers.Passing(err)}
		}
		return providers.ApplyResponse{Value: cty.NullVal(block.ImpliedType())}
	}
	img, err := image.Build(ctx, specOf(req.Object, req.Planned, req.BaseDir))
	if err != nil {
		return providers.ApplyResponse{Value: req.Prior, Diags: notBuilt(req.Identity, err), Passing: providers.Passing(err)}
	}
	if planned, _ := req.Planned.GetAttr("digest").Unmark(); planned.IsKnown() && planned.AsString() != img.Digest {
		return providers.ApplyResponse{Value: req.Prior, Diags: providers.Errorf("Image changed since the plan", fmt.Sprintf(
			"%s had the digest %s when it was planned and has %s now: a file that it copies was changed in between. Plan again.", req.Address, planned.AsString(), img.Digest))}
	}
	value, err := withImage(req.Planned, img)
	if err != nil {
		return providers.ApplyResponse{Value: req.Prior, Diags: notBuilt(req.Identity, err)}
	}
	spec := api.ImageSpec{Ref: img.Ref, Digest: img.Digest, Size: providers.Int(value, "size")}
	if err := providers.PutObject(ctx, req.Env, api.KindImage, name, spec); err != nil {
		return providers.ApplyResponse{Value: req.Prior, Diags: providers.Errorf("Image not recorded",
			fmt.Sprintf("%s could not be written to the cluster: %s.", req.Address, err)), Passing: providers.Passing(err)}
	}
	return providers.ApplyResponse{Value: value}
}

// Content builds the image again, from the cache of layers, for the transfers.
func (Kind) Content(ctx context.Context, id providers.Identity, value cty.Value, ref, baseDir string) (*image.Image, bool, error) {
	if providers.Str(value, "ref") != ref {
		return nil, false, nil
	}
	img, err := image.Build(ctx, specOf(id.Object, value, baseDir))
	if err == nil && img.Ref != ref {
		err = errors.New("a file that it copies was changed since the plan; plan again")
	}
	return img, true, err
}

func notBuilt(id providers.Identity, err error) hcl.Diagnostics {
	why := strings.TrimPrefix(err.Error(), "image "+id.Object+": ")
	return providers.Errorf("Image not built", fmt.Sprintf("%s could not be built: %s.", id.Address, why))
}

// Overlap: contents have names of their own, their digests.
func (Kind) Overlap() (providers.Overlap, string) { return providers.InPlace, "" }

// Import reads the object: which content it stands for. How it was made is not there,
// and taken to be as it is written.
func (Kind) Import(req providers.ImportRequest) providers.ImportResponse {
	obj := req.World.Object(api.KindImage, req.Object)
	if obj == nil {
		return providers.NoObject(req, api.KindImage, "")
	}
	var spec api.ImageSpec
	if err := json.Unmarshal(obj.Spec, &spec); err != nil {
		return providers.ImportResponse{Diags: providers.Errorf("Damaged object", fmt.Sprintf("The cluster's object of %s cannot be read: %s.", req.Address, err))}
	}
	return providers.ImportResponse{Value: providers.With(req.Planned, map[string]cty.Value{
		"digest": cty.StringVal(spec.Digest), "ref": cty.StringVal(spec.Ref), "size": cty.NumberIntVal(spec.Size),
	})}
}
