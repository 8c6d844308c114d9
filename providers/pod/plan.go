package pod

import (
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/providers"
)

var (
	unknownStrings = cty.UnknownVal(cty.List(cty.String)).RefineNotNull()
	unknownString  = cty.UnknownVal(cty.String).RefineNotNull()
)

// Plan resolves images to digests. What the controllers and agents decide
// (addresses, nodes, revision) is unknown as soon as anything else changes.
func (Kind) Plan(req providers.PlanRequest) providers.PlanResponse {
	diags := check(req.Address, req.Config)
	if diags.HasErrors() {
		return providers.PlanResponse{Planned: req.Config, Diags: diags}
	}
	set := map[string]cty.Value{}
	for _, name := range []string{"container", "init"} {
		v, d := withRefs(req, name)
		diags = append(diags, d...)
		set[name] = v
	}
	if !providers.IsNull(req.Prior) {
		for _, name := range computed {
			set[name] = req.Prior.GetAttr(name)
		}
		kept := providers.With(req.Config, set)
		if providers.Str(req.Prior, "revision") != "" {
			if lang.Same(kept, req.Prior) {
				return providers.PlanResponse{Planned: req.Prior, Diags: diags} // shared: 10,000 of them cost nothing
			}
			if same(kept, req.Prior) {
				return providers.PlanResponse{Planned: kept, Diags: diags}
			}
		}
	}
	set["addresses"], set["nodes"], set["revision"] = unknownStrings, unknownStrings, unknownString
	return providers.PlanResponse{Planned: providers.With(req.Config, set), Diags: diags}
}

var computed = []string{"addresses", "nodes", "revision"}

// same compares values; marks matter to the planner, not here.
func same(a, b cty.Value) bool {
	if lang.Same(a, b) {
		return true
	}
	if !a.ContainsMarked() && !b.ContainsMarked() {
		return false
	}
	a, _ = a.UnmarkDeep()
	b, _ = b.UnmarkDeep()
	return lang.Same(a, b)
}

// withRefs fills in the computed ref of each container.
func withRefs(req providers.PlanRequest, blocks string) (cty.Value, hcl.Diagnostics) {
	list := req.Config.GetAttr(blocks)
	plain, marks := list.Unmark()
	if plain.IsNull() || !plain.IsKnown() || plain.LengthInt() == 0 {
		return list, nil
	}
	prior := priorRefs(req.Prior, blocks)
	var diags hcl.Diagnostics
	out := make([]cty.Value, 0, plain.LengthInt())
	for _, c := range lang.Elements(plain) {
		ref, d := resolve(req, cty.GetAttrPath(blocks).IndexInt(len(out)), c, prior)
		diags = append(diags, d...)
		out = append(out, providers.With(c, map[string]cty.Value{"ref": ref}))
	}
	return cty.ListVal(out).WithMarks(marks), diags
}

// priorRefs maps the image arguments of the last apply to what they resolved to.
func priorRefs(prior cty.Value, blocks string) map[string]string {
	if providers.IsNull(prior) {
		return nil
	}
	m := map[string]string{}
	for _, c := range providers.Objects(prior, blocks) {
		m[providers.Str(c, "image")] = providers.Str(c, "ref")
	}
	return m
}

func resolve(req providers.PlanRequest, at cty.Path, container cty.Value, prior map[string]string) (cty.Value, hcl.Diagnostics) {
	plain, _ := container.Unmark()
	image, _ := plain.GetAttr("image").Unmark()
	if !image.IsKnown() {
		return unknownString, nil
	}
	ref := image.AsString()
	if pinned(ref) {
		return image, nil
	}
	if req.Resolve == nil {
		if known := prior[ref]; known != "" {
			return cty.StringVal(known), nil
		}
		return unknownString, nil
	}
	resolved, err := req.Resolve(ref)
	if err != nil {
		return unknownString, providers.ErrorAt(at.GetAttr("image"), "Image not found", fmt.Sprintf(
			"The image %q of container %q in %s cannot be resolved: %s.", ref, providers.Str(container, "name"), req.Address, err))
	}
	return cty.StringVal(resolved), nil
}

// pinned reports whether a reference is NAME@sha256:… without a tag that could mislead.
func pinned(ref string) bool { return strings.Contains(ref, "@sha256:") }

// Overlap: the new replicas run beside the old ones where there is room and no host port is taken.
func (Kind) Overlap() (providers.Overlap, string) { return providers.Beside, "" }
