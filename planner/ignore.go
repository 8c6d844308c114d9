package planner

import (
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang/schema"
	"github.com/stowage-iac/stowage/providers"
)

// ignoreChanges returns the configuration with the arguments at paths taken from
// the prior value. A path through labelled blocks may name one of them
// (container.nginx.image) or mean each (container.image); "all" is every argument.
func ignoreChanges(block *schema.Block, config, prior cty.Value, paths []string) cty.Value {
	if providers.IsNull(prior) {
		return config
	}
	for _, p := range paths {
		if p == "all" {
			return keepAll(block, config, prior)
		}
		if steps, err := parsePath(p); err == nil {
			config = keep(block, config, prior, steps)
		}
	}
	return config
}

func keepAll(block *schema.Block, config, prior cty.Value) cty.Value {
	for name, a := range block.Attributes {
		if (a.Optional || a.Required) && !a.WriteOnly { // of which nothing is there to be kept
			config = keep(block, config, prior, []step{{name: name}})
		}
	}
	for name := range block.Blocks {
		config = keep(block, config, prior, []step{{name: name}})
	}
	return config
}

func keep(block *schema.Block, config, prior cty.Value, path []step) cty.Value {
	if len(path) == 0 || !usable(plain(config)) || !usable(plain(prior)) {
		return config
	}
	name, rest := path[0].name, path[1:]
	old := plain(prior)
	if !old.Type().HasAttribute(name) {
		return config
	}
	return setPath(config, path[:1], func(now cty.Value) cty.Value {
		was := old.GetAttr(name)
		nb := block.Blocks[name]
		switch {
		case len(rest) == 0:
			return was
		case nb == nil:
			return keepKey(now, was, rest)
		case nb.Nesting == schema.Single:
			return keep(&nb.Block, now, was, rest)
		default:
			return keepElements(nb, now, was, rest)
		}
	})
}

// keepKey takes one element of a map from the prior value, or takes it away.
func keepKey(now, was cty.Value, path []step) cty.Value {
	pnow, marks := now.Unmark()
	pwas := plain(was)
	if len(path) != 1 || !usable(pnow) || !pnow.Type().IsMapType() || pwas.IsNull() {
		return now
	}
	m := pnow.AsValueMap()
	if m == nil {
		m = map[string]cty.Value{}
	}
	if old, ok := pwas.AsValueMap()[path[0].name]; ok {
		m[path[0].name] = old
	} else {
		delete(m, path[0].name)
	}
	if len(m) == 0 {
		return cty.MapValEmpty(pnow.Type().ElementType()).WithMarks(marks)
	}
	return cty.MapVal(m).WithMarks(marks)
}

func keepElements(nb *schema.NestedBlock, now, was cty.Value, path []step) cty.Value {
	pnow, marks := now.Unmark()
	if !usable(pnow) || pnow.LengthInt() == 0 {
		return now
	}
	old := elements(plain(was))
	list := pnow.AsValueSlice()
	only := ""
	for _, v := range list {
		if l := providers.Str(v, nb.Label); nb.Label != "" && l == path[0].name {
			only, path = l, path[1:]
			break
		}
	}
	for i, v := range list {
		l := providers.Str(v, nb.Label)
		if only != "" && l != only {
			continue
		}
		if o, ok := counterpart(nb, old, i, l); ok {
			if len(path) == 0 {
				list[i] = o
			} else {
				list[i] = keep(&nb.Block, v, o, path)
			}
		}
	}
	return cty.ListVal(list).WithMarks(marks)
}

func counterpart(nb *schema.NestedBlock, old []cty.Value, i int, label string) (cty.Value, bool) {
	if nb.Label == "" {
		if i < len(old) {
			return old[i], true
		}
		return cty.NilVal, false
	}
	for _, o := range old {
		if providers.Str(o, nb.Label) == label {
			return o, true
		}
	}
	return cty.NilVal, false
}
