package lang

import (
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang/numbers"
)

// callRef is module.app[EXPR] where module.app has count or for_each: the outputs
// of one instance. It stands for the index expression that it embeds.
type callRef struct {
	*hclsyntax.IndexExpr
	call   *Call
	output *Output // the only one that is needed; nil: all
	names  []*named
}

// Value implements hclsyntax.Expression: an object of the outputs.
func (r *callRef) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	return pick(r, r.IndexExpr, ctx)
}

func (r *callRef) of() repeated { return r.call }

func (r *callRef) all(f *frame) cty.Value {
	f.depend(f.m.calls[r.call.slot].whole, allOf)
	return cty.DynamicVal
}

func (r *callRef) one(f *frame, key cty.Value) (cty.Value, string) {
	v, why := f.calledInstance(r.call, key, r.output)
	if why == "" && r.output != nil {
		v = cty.ObjectVal(map[string]cty.Value{r.output.Name: v})
	}
	return v, why
}

// keyOf converts a key that was written to the type of the instances' keys.
func (c *Call) keyOf(key cty.Value) (cty.Value, bool) {
	key, err := numbers.Convert(key, keyType(c))
	return key, err == nil && !key.IsNull()
}

// findCall returns the call that module.NAME refers to, or reports why there is none.
func (l *loader) findCall(t hcl.Traversal, rng hcl.Range) *Call {
	name, ok := step(t, 1)
	if !ok {
		l.errorf("Incomplete reference", rng, "module needs the name of a module block: module.NAME.")
		return nil
	}
	c := l.module.Calls[name]
	if c == nil {
		hint := suggestWith("module.", name, keysOf(l.module.Calls))
		if hint == "" {
			hint = fmt.Sprintf(" Declare it: module %q { source = … }.", name)
		}
		l.errorf("No such module", rng, "No block module %q is declared.%s", name, hint)
		return nil
	}
	if c.Module == nil {
		return nil // why was reported
	}
	return c
}

// toModule resolves module.app, module.app.url, module.app[0].url, module.app["a"].url.
func (x *compiler) toModule(r *ref) {
	narrow := x.narrow
	x.narrow = ""
	c := x.findCall(r.Traversal, r.SrcRange)
	if c == nil {
		return
	}
	r.call, r.rest = c, r.Traversal[2:]
	if name, ok := step(r.rest, 0); ok && c.forEach != nil && c.output(name) != nil {
		x.errorf("Which instance is meant?", r.SrcRange, "%s has for_each: write %s[\"KEY\"].%s for one instance, or values(%s)[*].%s for a list of all.",
			c.address(), c.address(), name, c.address(), name)
		return
	}
	if !x.takeKey(r, c) {
		return
	}
	if r.key != cty.NilVal || !c.keyed() {
		if len(r.rest) > 0 {
			if r.output = x.outputOf(c, r.rest, r.SrcRange); r.output == nil {
				return
			}
			r.rest = r.rest[1:]
		}
	} else if narrow != "" {
		if r.output = x.outputOf(c, hcl.Traversal{hcl.TraverseAttr{Name: narrow}}, r.SrcRange); r.output == nil {
			return
		}
	}
	r.target = toModule
	x.name(r, c.names(r.output)...)
}

// outputOf is the output that the first of the steps into a module's outputs
// names; nil when that was reported, or is not to be said.
func (x *compiler) outputOf(c *Call, steps hcl.Traversal, rng hcl.Range) *Output {
	name, ok := step(steps, 0)
	if index, isIndex := steps[0].(hcl.TraverseIndex); !ok && isIndex && index.Key.Type() == cty.String {
		name = index.Key.AsString()
	}
	if o := c.output(name); o != nil {
		return o
	}
	var names []string
	for _, o := range c.Module.Outputs {
		names = append(names, o.Name)
	}
	hint := didYouMean(name, names)
	switch {
	case hint != "":
	case len(names) == 0:
		hint = " It has none."
	default:
		hint = " It has " + listWords(names, "and") + "."
	}
	inner := ""
	for address := range c.Module.resources {
		if r := c.Module.resources[address]; r.Kind == name || r.Name == name {
			inner = " What is in a module is seen from outside through its outputs only."
		}
	}
	x.errorf("No such output", rng, "The module %q (%s) has no output %q.%s%s", c.Name, c.Module.Dir, name, hint, inner)
	return nil
}

// names are what a reference to one output, or to all, refers to.
func (c *Call) names(o *Output) []*named {
	names := []*named{&c.repeat}
	if o != nil {
		return append(names, &o.named)
	}
	for _, o := range c.Module.Outputs {
		names = append(names, &o.named)
	}
	return names
}

// callIndex returns what stands for e if it picks an instance of a module, or nil.
// steps are what follows it.
func (x *compiler) callIndex(e *hclsyntax.IndexExpr, steps hcl.Traversal) hclsyntax.Expression {
	s, ok := e.Collection.(*hclsyntax.ScopeTraversalExpr)
	if !ok || len(s.Traversal) != 2 || s.Traversal.RootName() != "module" || slices.Contains(x.locals, "module") || slices.Contains(x.iterators, "module") || x.only != nil {
		return nil
	}
	name, _ := step(s.Traversal, 1)
	c := x.module.Calls[name]
	if c == nil || c.Module == nil || !c.keyed() {
		return nil
	}
	r := &callRef{IndexExpr: e, call: c}
	if len(steps) > 0 {
		if r.output = x.outputOf(c, steps, hcl.RangeBetween(e.Range(), steps.SourceRange())); r.output == nil {
			return &ref{ScopeTraversalExpr: s, target: toNothing}
		}
	}
	r.names = c.names(r.output)
	x.refersTo(r.names)
	e.Key = x.rewrite(e.Key)
	return r
}

// narrowSplat makes module.app[*].url need nothing but that output.
func (x *compiler) narrowSplat(e *hclsyntax.SplatExpr) {
	s, ok := e.Source.(*hclsyntax.ScopeTraversalExpr)
	if !ok || len(s.Traversal) != 2 || s.Traversal.RootName() != "module" || slices.Contains(x.locals, "module") || slices.Contains(x.iterators, "module") {
		return
	}
	if name, _ := step(s.Traversal, 1); x.module.Calls[name] == nil || x.module.Calls[name].count == nil {
		return
	}
	if each, ok := e.Each.(*hclsyntax.RelativeTraversalExpr); ok && each.Source == hclsyntax.Expression(e.Item) {
		x.narrow, _ = step(each.Traversal, 0)
	}
}
