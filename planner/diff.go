package planner

import (
	"fmt"
	"sort"
	"strconv"

	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang/schema"
	"github.com/stowage-iac/stowage/providers"
)

// difference is one field that differs between two values of a schema.
type difference struct {
	path     string
	why      string // "added", "removed", "reordered", "sensitivity" or ""
	replace  string // why it forces a replacement
	computed bool   // nobody sets it
}

// diff lists the fields that differ, sorted. Elements of a list of labelled blocks
// are compared by label, others by position; maps by key.
func diff(block *schema.Block, a, b cty.Value) []difference {
	d := differ{}
	d.block(block, "", a, b, "")
	sort.SliceStable(d.found, func(i, j int) bool { return d.found[i].path < d.found[j].path })
	return d.found
}

type differ struct{ found []difference }

func (d *differ) add(path, why, replace string, computed bool) {
	d.found = append(d.found, difference{path: path, why: why, replace: replace, computed: computed})
}

func (d *differ) block(block *schema.Block, path string, a, b cty.Value, replace string) {
	a, b = plain(a), plain(b)
	for name, attr := range block.Attributes {
		av, bv := a.GetAttr(name), b.GetAttr(name)
		if !same(av, bv) {
			d.attribute(attr, join(path, name), av, bv, either(replace, attr.Replace))
		}
	}
	for name, nb := range block.Blocks {
		av, bv := a.GetAttr(name), b.GetAttr(name)
		if !same(av, bv) {
			d.nested(nb, join(path, name), av, bv, either(replace, nb.Replace))
		}
	}
}

func either(outer, inner string) string {
	if outer != "" {
		return outer
	}
	return inner
}

func plain(v cty.Value) cty.Value {
	v, _ = v.Unmark()
	return v
}

func (d *differ) attribute(attr *schema.Attribute, path string, a, b cty.Value, replace string) {
	computed := attr.Computed && !attr.Optional && !attr.Required
	pa, pb := plain(a), plain(b)
	if pa.RawEquals(pb) {
		d.add(path, "sensitivity", "", computed)
		return
	}
	if !attr.Type.IsMapType() || !usable(pa) || !usable(pb) {
		d.add(path, "", replace, computed)
		return
	}
	am, bm := pa.AsValueMap(), pb.AsValueMap()
	for key, av := range am {
		at := path + "[" + strconv.Quote(key) + "]"
		switch bv, ok := bm[key]; {
		case !ok:
			d.add(at, "removed", replace, computed)
		case !same(av, bv):
			d.add(at, "", replace, computed)
		}
	}
	for key := range bm {
		if _, ok := am[key]; !ok {
			d.add(path+"["+strconv.Quote(key)+"]", "added", replace, computed)
		}
	}
	if len(am) == 0 && len(bm) == 0 {
		d.add(path, "", replace, computed)
	}
}

func usable(v cty.Value) bool { return v.IsKnown() && !v.IsNull() }

func (d *differ) nested(nb *schema.NestedBlock, path string, a, b cty.Value, replace string) {
	a, b = plain(a), plain(b)
	switch {
	case !a.IsKnown() || !b.IsKnown():
		d.add(path, "", replace, false)
	case nb.Nesting == schema.Single && a.IsNull():
		d.add(path, "added", replace, false)
	case nb.Nesting == schema.Single && b.IsNull():
		d.add(path, "removed", replace, false)
	case nb.Nesting == schema.Single:
		d.block(&nb.Block, path, a, b, replace)
	case nb.Label == "":
		d.positions(nb, path, elements(a), elements(b), replace)
	default:
		d.labels(nb, path, elements(a), elements(b), replace)
	}
}

func elements(v cty.Value) []cty.Value {
	if v.IsNull() || v.LengthInt() == 0 {
		return nil
	}
	return v.AsValueSlice()
}

func (d *differ) positions(nb *schema.NestedBlock, path string, a, b []cty.Value, replace string) {
	for i := range max(len(a), len(b)) {
		at := fmt.Sprintf("%s[%d]", path, i)
		switch {
		case i >= len(b):
			d.add(at, "removed", replace, false)
		case i >= len(a):
			d.add(at, "added", replace, false)
		case !same(a[i], b[i]):
			d.element(nb, at, a[i], b[i], replace)
		}
	}
}

func (d *differ) element(nb *schema.NestedBlock, at string, a, b cty.Value, replace string) {
	if !plain(a).IsKnown() || !plain(b).IsKnown() {
		d.add(at, "", replace, false)
		return
	}
	d.block(&nb.Block, at, a, b, replace)
}

func (d *differ) labels(nb *schema.NestedBlock, path string, a, b []cty.Value, replace string) {
	label := func(v cty.Value) string { return providers.Str(v, nb.Label) }
	position := make(map[string]int, len(b))
	for i, v := range b {
		position[label(v)] = i
	}
	before := make(map[string]bool, len(a))
	last, reordered := -1, false
	for _, av := range a {
		name := label(av)
		before[name] = true
		i, ok := position[name]
		if !ok {
			d.add(join(path, name), "removed", replace, false)
			continue
		}
		reordered = reordered || i < last
		last = i
		if !same(av, b[i]) {
			d.element(nb, join(path, name), av, b[i], replace)
		}
	}
	for _, bv := range b {
		if !before[label(bv)] {
			d.add(join(path, label(bv)), "added", replace, false)
		}
	}
	if reordered {
		d.add(path, "reordered", replace, false)
	}
}

// causes turns differences into what the plan names: arguments where there are
// any, else the computed attributes.
func causes(found []difference) []providers.Cause {
	var args, computed []providers.Cause
	for _, f := range found {
		c := providers.Cause{Path: f.path, Why: f.why}
		if f.computed {
			computed = append(computed, c)
		} else {
			args = append(args, c)
		}
	}
	if len(args) > 0 {
		return args
	}
	return computed
}

// forcing lists what forces a replacement.
func forcing(found []difference) []providers.Cause {
	var out []providers.Cause
	for _, f := range found {
		if f.replace != "" {
			out = append(out, providers.Cause{Path: f.path, Why: f.replace})
		}
	}
	return out
}
