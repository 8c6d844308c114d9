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
	var lists [2]containers
	for i, name := range [...]string{"container", "init"} {
		var d hcl.Diagnostics
		lists[i], d = resolved(req, name)
		diags = append(diags, d...)
	}
	ran := providers.Str(req.Prior, "revision") != ""
	if ran && unchanged(req, lists[:]) {
		return providers.PlanResponse{Planned: req.Prior, Diags: diags} // shared: 10,000 of them cost nothing
	}
	set := make([]lang.Attr, 0, 5) // len(lists)+len(computed), on the stack
	for i := range lists {
		if v, changed := lists[i].withRefs(req.Fresh && len(lists[i].marks) == 0); changed {
			set = append(set, lang.Attr{Name: lists[i].name, Value: v})
		}
	}
	if ran {
		kept := set
		for _, name := range computed {
			kept = append(kept, lang.Attr{Name: name, Value: req.Prior.GetAttr(name)})
		}
		if v := providers.WithAll(req.Config, kept); same(v, req.Prior) {
			return providers.PlanResponse{Planned: v, Diags: diags}
		}
	}
	set = append(set, lang.Attr{Name: "addresses", Value: unknownStrings}, lang.Attr{Name: "nodes", Value: unknownStrings},
		lang.Attr{Name: "revision", Value: unknownString})
	if !req.Fresh || !lang.Overwrite(req.Config, set...) {
		req.Config = providers.WithAll(req.Config, set)
	}
	return providers.PlanResponse{Planned: req.Config, Diags: diags}
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

// containers are the containers of one kind, with what their images resolve to.
type containers struct {
	name  string         // of the attribute
	marks cty.ValueMarks // of the list
	items []cty.Value
	refs  []cty.Value
}

// resolved resolves the images of a list of containers.
func resolved(req providers.PlanRequest, name string) (l containers, diags hcl.Diagnostics) {
	l.name = name
	items, ok := lang.Listed(req.Config, name)
	if !ok {
		var list cty.Value
		if list, l.marks = req.Config.GetAttr(name).Unmark(); !list.IsNull() && list.IsKnown() {
			items = lang.Elements(list)
		}
	}
	if len(items) == 0 {
		return l, nil
	}
	l.items, l.refs = items, make([]cty.Value, len(items))
	for i, c := range items {
		var d hcl.Diagnostics
		l.refs[i], d = resolve(req, name, i, c)
		diags = append(diags, d...)
	}
	return l, diags
}

// withRefs fills in the computed ref of each container. It returns false where that was
// done in place, or there is none.
func (l *containers) withRefs(fresh bool) (list cty.Value, changed bool) {
	for i, c := range l.items {
		ref := lang.Attr{Name: "ref", Value: l.refs[i]}
		if fresh && lang.Overwrite(c, ref) {
			continue
		}
		l.items[i], changed = providers.WithAll(c, []lang.Attr{ref}), true
	}
	if !changed {
		return cty.NilVal, false
	}
	return cty.ListVal(l.items).WithMarks(l.marks), true
}

// unchanged reports whether what would be planned is the prior value. It is false of
// values with marks, too.
func unchanged(req providers.PlanRequest, lists []containers) bool {
	if !lang.SameBut(req.Config, req.Prior, "addresses", "nodes", "revision", "container", "init") {
		return false
	}
	for i := range lists {
		l := &lists[i]
		prior, ok := lang.Listed(req.Prior, l.name)
		if !ok || len(l.marks) > 0 || len(prior) != len(l.items) {
			return false
		}
		for i, c := range l.items {
			if ref, _ := lang.Attribute(prior[i], "ref"); !lang.SameBut(c, prior[i], "ref") || !lang.Same(ref, l.refs[i]) {
				return false
			}
		}
		if len(prior) == 0 && !lang.Same(req.Config.GetAttr(l.name), req.Prior.GetAttr(l.name)) {
			return false // one is null
		}
	}
	return true
}

// priorRef is what an image argument resolved to in the last apply, "" if nothing did.
func priorRef(prior cty.Value, blocks, image string) (ref string) {
	for _, c := range providers.Objects(prior, blocks) {
		if providers.Str(c, "image") == image {
			ref = providers.Str(c, "ref")
		}
	}
	return ref
}

// resolve finds the ref of the container at an index of blocks.
func resolve(req providers.PlanRequest, blocks string, i int, container cty.Value) (cty.Value, hcl.Diagnostics) {
	plain, _ := container.Unmark()
	image, _ := lang.Attribute(plain, "image")
	image, _ = image.Unmark()
	if !image.IsKnown() {
		return unknownString, nil
	}
	ref := image.AsString()
	if pinned(ref) {
		return image, nil
	}
	if req.Resolve == nil {
		if known := priorRef(req.Prior, blocks, ref); known != "" {
			return cty.StringVal(known), nil
		}
		return unknownString, nil
	}
	resolved, err := req.Resolve(ref)
	if err != nil {
		return unknownString, providers.ErrorAt(cty.GetAttrPath(blocks).IndexInt(i).GetAttr("image"), "Image not found", fmt.Sprintf(
			"The image %q of container %q in %s cannot be resolved: %s.", ref, providers.Str(container, "name"), req.Address, err))
	}
	return cty.StringVal(resolved), nil
}

// pinned reports whether a reference is NAME@sha256:… without a tag that could mislead.
func pinned(ref string) bool { return strings.Contains(ref, "@sha256:") }

// Overlap: the new replicas run beside the old ones where there is room and no host port is taken.
func (Kind) Overlap() (providers.Overlap, string) { return providers.Beside, "" }
