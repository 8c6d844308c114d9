package lang

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// ref is a resolved traversal. It stands in the expression tree for the
// traversal that it embeds.
type ref struct {
	*hclsyntax.ScopeTraversalExpr
	target   target
	variable *Variable
	local    *Local
	resource *Resource
	key      cty.Value     // of a resource's instance; cty.NilVal: the block as a whole
	rest     hcl.Traversal // steps into the target's value
}

type target int

const (
	toVariable target = iota
	toLocal
	toCountIndex
	toEachKey
	toEachValue
	toContextName
	toModulePath
	toWorkingDir
	toResource
	toNothing // reported as an error by Load; unknown
)

// Value implements hclsyntax.Expression.
func (r *ref) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	f := frameOf(ctx)
	var v cty.Value
	if r.target == toResource && r.key != cty.NilVal {
		var why string
		if v, why = f.instance(r.resource, r.key); why != "" {
			return cty.DynamicVal, hcl.Diagnostics{{
				Severity: hcl.DiagError, Summary: "No such instance", Detail: why,
				Subject: r.SrcRange.Ptr(), Expression: r, EvalContext: ctx,
			}}
		}
	} else {
		v = f.target(r)
	}
	if len(r.rest) == 0 {
		return v, nil
	}
	v, diags := r.rest.TraverseRel(v)
	for _, d := range diags {
		if d.Expression == nil {
			d.Expression, d.EvalContext = r, ctx
		}
	}
	return v, diags
}

// instanceRef is config.c[EXPR] where config.c has count or for_each: it gets
// one instance, and not first all of them. It stands for the index expression that it embeds.
type instanceRef struct {
	*hclsyntax.IndexExpr
	resource *Resource
}

// Value implements hclsyntax.Expression.
func (r *instanceRef) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	key, diags := r.Key.Value(ctx)
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	f := frameOf(ctx)
	key, marks := key.Unmark()
	want, name := cty.Number, "number"
	if r.resource.forEach != nil {
		want, name = cty.String, "string"
	}
	k, err := convert.Convert(key, want)
	problem := ""
	switch {
	case err != nil:
		problem = fmt.Sprintf("%s has %s, so that its instances have %ss as keys: %s.", r.resource.address, r.resource.repetition(), name, err)
	case k.IsNull():
		problem = fmt.Sprintf("The key of an instance of %s is null.", r.resource.address)
	case !k.IsKnown():
		f.dependAll(r.resource)
		return cty.UnknownVal(r.resource.ty).WithMarks(marks), diags
	default:
		v, why := f.instance(r.resource, k)
		if why == "" {
			return v.WithMarks(marks), diags
		}
		problem = why
	}
	return cty.DynamicVal, append(diags, &hcl.Diagnostic{
		Severity: hcl.DiagError, Summary: "No such instance", Detail: problem,
		Subject: r.Key.Range().Ptr(), Context: r.Range().Ptr(), Expression: r.Key, EvalContext: ctx,
	})
}

// traversal resolves a traversal.
func (x *compiler) traversal(e *hclsyntax.ScopeTraversalExpr) hclsyntax.Expression {
	t := e.Traversal
	root := t.RootName()
	if slices.Contains(x.locals, root) {
		return e
	}
	if slices.Contains(x.iterators, root) {
		x.out.level = perInstance
		return e
	}
	r := &ref{ScopeTraversalExpr: e, target: toNothing}
	if x.only != nil && !slices.Contains(x.only, root) {
		x.errorf("Reference not possible here", e.SrcRange, "%s cannot be used in %s. %s", root, x.in, x.why)
		return r
	}
	switch root {
	case "var":
		x.toVariable(r)
	case "local":
		x.toLocal(r)
	case "count", "each":
		x.toRepetition(r, root)
	case "context":
		x.toFixed(r, root, map[string]target{"name": toContextName})
	case "path":
		x.toFixed(r, root, map[string]target{"module": toModulePath, "root": toModulePath, "cwd": toWorkingDir})
	default:
		x.toResource(r, root)
	}
	return r
}

// step returns the name of step i of the traversal, if it is an attribute.
func step(t hcl.Traversal, i int) (string, bool) {
	if i >= len(t) {
		return "", false
	}
	a, ok := t[i].(hcl.TraverseAttr)
	return a.Name, ok
}

func (x *compiler) toVariable(r *ref) {
	name, ok := step(r.Traversal, 1)
	if !ok {
		x.errorf("Incomplete reference", r.SrcRange, "var needs the name of a variable: var.NAME.")
		return
	}
	r.variable = x.config.Variables[name]
	if r.variable == nil {
		hint := suggestWith("var.", name, keysOf(x.config.Variables))
		if hint == "" {
			hint = fmt.Sprintf(" Declare it: variable %q {}.", name)
		}
		x.errorf("Undeclared variable", r.SrcRange, "No variable %q is declared.%s", name, hint)
		return
	}
	r.target, r.rest = toVariable, r.Traversal[2:]
}

func (x *compiler) toLocal(r *ref) {
	name, ok := step(r.Traversal, 1)
	if !ok {
		x.errorf("Incomplete reference", r.SrcRange, "local needs the name of a local value: local.NAME.")
		return
	}
	r.local = x.config.Locals[name]
	if r.local == nil {
		hint := suggestWith("local.", name, keysOf(x.config.Locals))
		if hint == "" {
			hint = " Define it in a locals block."
		}
		x.errorf("Undefined local value", r.SrcRange, "No local value %q is defined.%s", name, hint)
		return
	}
	r.target, r.rest = toLocal, r.Traversal[2:]
	if !slices.Contains(x.out.locals, r.local) {
		x.out.locals = append(x.out.locals, r.local)
	}
}

func (x *compiler) toRepetition(r *ref, root string) {
	name, _ := step(r.Traversal, 1)
	var allowed bool
	var names []string
	var argument string
	if root == "count" {
		names, allowed, argument = []string{"index"}, x.count, "count"
		r.target = toCountIndex
	} else {
		names, allowed, argument = []string{"key", "value"}, x.each, "for_each"
		r.target = toEachKey
		if name == "value" {
			r.target = toEachValue
		}
	}
	switch {
	case !slices.Contains(names, name):
		r.target = toNothing
		x.errorf("Unknown attribute", r.SrcRange, "%s has no attribute %q: it has %s.%s",
			root, name, listWords(names, "and"), suggestWith(root+".", name, names))
	case !allowed:
		r.target = toNothing
		x.errorf("Reference not possible here", r.SrcRange, "%s.%s can be used only in a resource block with %s, and %s has none.",
			root, name, argument, x.in)
	default:
		x.out.level = perInstance
		r.rest = r.Traversal[2:]
	}
}

func (x *compiler) toFixed(r *ref, root string, names map[string]target) {
	name, _ := step(r.Traversal, 1)
	t, ok := names[name]
	if !ok {
		x.errorf("Unknown attribute", r.SrcRange, "%s has no attribute %q: it has %s.%s",
			root, name, listWords(keysOf(names), "and"), suggestWith(root+".", name, keysOf(names)))
		return
	}
	r.target, r.rest = t, r.Traversal[2:]
}

func (x *compiler) toResource(r *ref, kind string) {
	res := x.findResource(r.Traversal, r.SrcRange, kind)
	if res == nil {
		return
	}
	r.rest = r.Traversal[2:]
	switch {
	case res.forEach != nil && len(r.rest) > 0:
		switch s := r.rest[0].(type) {
		case hcl.TraverseIndex:
			r.key, _ = convert.Convert(s.Key, cty.String)
		case hcl.TraverseAttr:
			r.key = cty.StringVal(s.Name)
		}
		r.rest = r.rest[1:]
	case res.count != nil && len(r.rest) > 0:
		s, ok := r.rest[0].(hcl.TraverseIndex)
		if !ok {
			name, _ := step(r.rest, 0)
			x.errorf("Which instance is meant?", r.SrcRange, "%s has count: write %s[0].%s for one instance, or %s[*].%s for a list of all.",
				res.address, res.address, name, res.address, name)
			return
		}
		key, err := convert.Convert(s.Key, cty.Number)
		if err != nil {
			x.errorf("No such instance", r.SrcRange, "%s has count, so that its instances have numbers as keys: %s[0].", res.address, res.address)
			return
		}
		r.key = key
		r.rest = r.rest[1:]
	case !res.keyed() && len(r.rest) > 0:
		if s, ok := r.rest[0].(hcl.TraverseIndex); ok && s.Key.Type() != cty.String {
			x.errorf("No such instance", r.SrcRange, "%s has neither count nor for_each: leave out the [%s].", res.address, keyText(s.Key))
			return
		}
	}
	r.target, r.resource = toResource, res
	x.refer(res)
	if r.key != cty.NilVal || !res.keyed() {
		x.checkObject(res, r.rest, r.SrcRange)
	}
}

func keyText(key cty.Value) string {
	if s, err := convert.Convert(key, cty.String); err == nil && s.IsKnown() && !s.IsNull() {
		return s.AsString()
	}
	return "…"
}

// refer records that the expression refers to the block.
func (x *compiler) refer(res *Resource) {
	if !slices.Contains(x.out.blocks, res) {
		x.out.blocks = append(x.out.blocks, res)
	}
}

// findResource returns the block that kind.name refers to, or reports why there is none.
func (l *loader) findResource(t hcl.Traversal, rng hcl.Range, kind string) *Resource {
	if l.opts.Schemas[kind] == nil {
		l.unknownRoot(t, rng, kind)
		return nil
	}
	name, ok := step(t, 1)
	if !ok {
		l.errorf("Incomplete reference", rng, "%s needs the name of a %s block: %s.NAME.", kind, kind, kind)
		return nil
	}
	res := l.resources[kind+"."+name]
	if res != nil {
		return res
	}
	var same, others []string
	for address, other := range l.resources {
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
		hint = fmt.Sprintf(" Declare it: %s %q { … }.", kind, name)
	}
	l.errorf("No such block", rng, "No block %s.%s is declared.%s", kind, name, hint)
	return nil
}

// unknownRoot reports a reference that begins with an unknown word.
func (l *loader) unknownRoot(t hcl.Traversal, rng hcl.Range, root string) {
	if why, later := l.opts.Later[root]; later {
		l.errorf("Not supported yet", rng, "This version of Stowage does not support %s blocks.%s", root, sentence(why))
		return
	}
	switch root {
	case "self":
		l.errorf("Unknown name", rng, "There is no self: refer to a local value from both places instead.")
		return
	case "module", "data", "terraform", "provider":
		l.errorf("Not supported yet", rng, "This version of Stowage does not support %s.", root)
		return
	}
	if len(t) == 1 {
		switch {
		case l.config.Variables[root] != nil:
			l.errorf("Unknown name", rng, "There is nothing named %q here. Did you mean var.%s?", root, root)
			return
		case l.config.Locals[root] != nil:
			l.errorf("Unknown name", rng, "There is nothing named %q here. Did you mean local.%s?", root, root)
			return
		}
		if types := []string{"string", "number", "bool", "list", "map", "set", "any"}; slices.Contains(types, root) {
			l.errorf("Unknown name", rng, "A type can be used only as the type of a variable.")
			return
		}
	}
	roots := append(keysOf(l.opts.Schemas), "var", "local", "each", "count", "context", "path")
	hint := didYouMean(root, append(roots, keysOf(l.opts.Later)...))
	if hint == "" && len(t) == 1 {
		hint = fmt.Sprintf(" A text is written in quotes: %q.", root)
	}
	if hint == "" {
		hint = " References begin with var, local, each, count, context, path or a kind of block (" + listWords(keysOf(l.opts.Schemas), "or") + ")."
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

// instanceIndex returns what stands for e if it picks an instance of a block, or nil.
func (x *compiler) instanceIndex(e *hclsyntax.IndexExpr, s *hclsyntax.ScopeTraversalExpr) hclsyntax.Expression {
	root := s.Traversal.RootName()
	if len(s.Traversal) != 2 || slices.Contains(x.locals, root) || slices.Contains(x.iterators, root) || x.only != nil {
		return nil
	}
	name, _ := step(s.Traversal, 1)
	res := x.resources[root+"."+name]
	if res == nil || !res.keyed() {
		return nil
	}
	x.refer(res)
	return &instanceRef{IndexExpr: e, resource: res}
}

// checkAttributes checks the steps after config.c[EXPR].
func (x *compiler) checkAttributes(source hclsyntax.Expression, steps hcl.Traversal) {
	if r, ok := source.(*instanceRef); ok {
		x.checkObject(r.resource, steps, hcl.RangeBetween(source.Range(), steps.SourceRange()))
	}
}

func (x *compiler) checkSplat(e *hclsyntax.SplatExpr) {
	r, ok := e.Source.(*ref)
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
		x.errorf("Unknown attribute", rng, "A %s block has no attribute %q.%s", res.Kind, name, hint)
		return
	}
	_, diags := steps.TraverseRel(cty.UnknownVal(res.ty))
	x.add(diags)
}

func (x *compiler) checkFunction(e *hclsyntax.FunctionCallExpr) {
	if _, ok := x.functions[e.Name]; ok {
		return
	}
	if why, ok := refusedFunctions[e.Name]; ok {
		x.errorf("Function not available", e.NameRange, "There is no function %s: %s", e.Name, why)
		return
	}
	x.errorf("Unknown function", e.NameRange, "There is no function %q.%s", e.Name, didYouMean(e.Name, keysOf(x.functions)))
}
