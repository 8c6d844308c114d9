package lang

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// findResource returns the block that kind.name refers to, within a check or, with nil,
// outside of all, or reports why there is none.
func (l *loader) findResource(t hcl.Traversal, rng hcl.Range, check *Check) *Resource {
	kind, ok := l.kindOf(t, rng)
	if !ok {
		return nil
	}
	name, ok := step(t, namedBy(t)-1)
	if !ok {
		l.errorf("Incomplete reference", rng, "%s needs the name of a %s block: %s.NAME.", kind, words(kind), kind)
		return nil
	}
	res := l.module.resources[kind+"."+name]
	switch {
	case res == nil:
	case res.check == nil || res.check == check:
		return res
	case hcl.RangeBetween(res.Range, res.block.Body.SrcRange).Overlaps(rng):
		l.errorf("Cycle", rng, "%s refers to itself. Move what it needs into a local value.", res.address)
		return nil
	default:
		l.errorf("Reference not possible here", rng, "%s belongs to %s, at %s: only the asserts there can read it. To refer to it here, move the data block out of the check; what fails to be read is an error then.",
			res.address, res.check.in(), place(res.Range))
		return nil
	}
	var same, others []string
	for address, other := range l.module.resources {
		if other.check != nil && other.check != check {
			continue
		}
		if other.Kind == kind {
			same = append(same, other.Name)
		} else if other.Name == name {
			others = append(others, address)
		}
	}
	hint := suggestWith(kind+".", name, same)
	if hint == "" && len(others) > 0 {
		slices.Sort(others)
		hint = " Did you mean " + listWords(others, "or") + "?"
	}
	if hint == "" {
		hint = fmt.Sprintf(" Declare it: %s { … }.", header(kind, quote(name)))
	}
	l.errorf("No such block", rng, "No block %s.%s is declared.%s", kind, name, hint)
	return nil
}

// unknownRoot reports a reference that begins with an unknown word.
func (l *loader) unknownRoot(t hcl.Traversal, rng hcl.Range, root string) {
	if root == "terraform" || root == "tofu" {
		l.errorf("Unknown name", rng, "There is nothing named %q here: what a workspace is there is a context, and its name is context.name.", root)
		return
	}
	if why, later := l.opts.Later[root]; later {
		l.errorf("Not supported yet", rng, "This version of Stowage does not support %s blocks.%s", root, sentence(why))
		return
	}
	switch root {
	case "provider":
		l.errorf("Not supported yet", rng, "This version of Stowage does not support %s.", root)
		return
	case "output":
		l.errorf("Unknown name", rng, "An output cannot be referred to in the module that it is in. Move its value into a local value, and refer to that in both places.")
		return
	}
	if len(t) == 1 {
		switch {
		case l.module.Variables[root] != nil:
			l.errorf("Unknown name", rng, "There is nothing named %q here. Did you mean var.%s?", root, root)
			return
		case l.module.Locals[root] != nil:
			l.errorf("Unknown name", rng, "There is nothing named %q here. Did you mean local.%s?", root, root)
			return
		}
		if types := []string{"string", "number", "bool", "list", "map", "set", "any"}; slices.Contains(types, root) {
			l.errorf("Unknown name", rng, "A type can be used only as the type of a variable.")
			return
		}
	}
	roots := append(l.kinds(), "data", "var", "local", "module", "each", "count", "context", "path")
	hint := didYouMean(root, append(roots, keysOf(l.opts.Later)...))
	if hint == "" && len(t) == 1 {
		hint = fmt.Sprintf(" A text is written in quotes: %q.", root)
	}
	if hint == "" {
		hint = " References begin with var, local, module, each, count, context, path or a kind of block (" + listWords(append(l.kinds(), "data"), "or") + ")."
	}
	l.errorf("Unknown name", rng, "There is nothing named %q here.%s", root, hint)
}

// sentence makes an optional sentence ready to append.
func sentence(s string) string {
	if s == "" {
		return ""
	}
	s = strings.ToUpper(s[:1]) + s[1:]
	if !strings.HasSuffix(s, ".") {
		s += "."
	}
	return " " + s
}

// checkAttributes checks the steps after config.c[EXPR].
func (x *compiler) checkAttributes(source hclsyntax.Expression, steps hcl.Traversal) {
	if r, ok := source.(*instanceRef); ok {
		x.checkObject(r.resource, steps, hcl.RangeBetween(source.Range(), steps.SourceRange()))
	}
}

func (x *compiler) checkSplat(e *hclsyntax.SplatExpr) {
	r, ok := e.Source.(*ref)
	if ok && r.target == toModule && r.key == cty.NilVal && r.call.forEach != nil && len(r.rest) == 0 {
		x.errorf("Instances are a map", e.SrcRange, "%s has for_each, so that its instances are a map by key: write values(%s)[*] for a list of them.",
			r.call.address(), r.call.address())
		return
	}
	if !ok || r.target != toResource || r.key != cty.NilVal || len(r.rest) > 0 || !r.resource.keyed() {
		return
	}
	if r.resource.forEach != nil {
		x.errorf("Instances are a map", e.SrcRange, "%s has for_each, so that its instances are a map by key: write values(%s)[*] for a list of them.",
			r.resource.address, r.resource.address)
		return
	}
	if each, ok := e.Each.(*hclsyntax.RelativeTraversalExpr); ok && each.Source == hclsyntax.Expression(e.Item) {
		x.checkObject(r.resource, each.Traversal, e.SrcRange)
	}
}

// checkObject checks steps into the object of an instance against its schema.
func (x *compiler) checkObject(res *Resource, steps hcl.Traversal, rng hcl.Range) {
	if len(steps) == 0 {
		return
	}
	if name, ok := step(steps, 0); ok && !res.ty.HasAttribute(name) {
		names := keysOf(res.ty.AttributeTypes())
		hint := didYouMean(name, names)
		if hint == "" {
			hint = " It has " + listWords(names, "and") + "."
		}
		x.errorf("Unknown attribute", rng, "A %s block has no attribute %q.%s", words(res.Kind), name, hint)
		return
	}
	_, diags := steps.TraverseRel(cty.UnknownVal(res.ty))
	x.add(diags)
}

func (x *compiler) checkFunction(e *hclsyntax.FunctionCallExpr) {
	if name, ok := strings.CutPrefix(e.Name, "core::"); ok { // Terraform's long name of the same
		e.Name = name
	}
	if _, ok := x.functions[e.Name]; ok {
		return
	}
	if why, ok := refusedFunctions[e.Name]; ok {
		x.errorf("Function not available", e.NameRange, "There is no function %s: %s", e.Name, why)
		return
	}
	if strings.HasPrefix(e.Name, "provider::") {
		x.errorf("Unknown function", e.NameRange, "There is no function %s: Stowage has no providers, and all functions are its own (stowage functions).", e.Name)
		return
	}
	x.errorf("Unknown function", e.NameRange, "There is no function %q.%s", e.Name, didYouMean(e.Name, keysOf(x.functions)))
}
