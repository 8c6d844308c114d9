package lang

import (
	"fmt"
	"slices"

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
	call     *Call
	output   *Output       // with call: the only one that is needed; nil: all
	key      cty.Value     // of an instance of resource or call; cty.NilVal: the block as a whole
	names    []*named      // that it refers to
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
	toRootPath
	toWorkingDir
	toResource
	toModule
	toSelf
	toNothing // reported as an error by Load; unknown
)

// Value implements hclsyntax.Expression.
func (r *ref) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	f := frameOf(ctx)
	var v cty.Value
	if r.key != cty.NilVal {
		var why string
		if r.target == toModule {
			v, why = f.calledInstance(r.call, r.key, r.output)
		} else {
			v, why = f.instance(r.resource, r.key)
		}
		if why != "" {
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
	return pick(r, r.IndexExpr, ctx)
}

func (r *instanceRef) of() repeated { return r.resource }

func (r *instanceRef) all(f *frame) cty.Value {
	f.dependAll(r.resource)
	return cty.UnknownVal(r.resource.ty)
}

func (r *instanceRef) one(f *frame, key cty.Value) (cty.Value, string) {
	return f.instance(r.resource, key)
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
	case "module":
		x.toModule(r)
	case "self":
		x.toSelf(r)
	case "context":
		x.toFixed(r, root, map[string]target{"name": toContextName})
	case "path":
		x.toFixed(r, root, map[string]target{"module": toModulePath, "root": toRootPath, "cwd": toWorkingDir})
	default:
		x.toResource(r)
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
	r.variable = x.module.Variables[name]
	if r.variable == nil {
		hint := suggestWith("var.", name, keysOf(x.module.Variables))
		if hint == "" {
			hint = fmt.Sprintf(" Declare it: variable %q {}.", name)
		}
		x.errorf("Undeclared variable", r.SrcRange, "No variable %q is declared.%s", name, hint)
		return
	}
	r.target, r.rest = toVariable, r.Traversal[2:]
	x.name(r, &r.variable.named)
}

func (x *compiler) toLocal(r *ref) {
	name, ok := step(r.Traversal, 1)
	if !ok {
		x.errorf("Incomplete reference", r.SrcRange, "local needs the name of a local value: local.NAME.")
		return
	}
	r.local = x.module.Locals[name]
	if r.local == nil {
		hint := suggestWith("local.", name, keysOf(x.module.Locals))
		if hint == "" {
			hint = " Define it in a locals block."
		}
		x.errorf("Undefined local value", r.SrcRange, "No local value %q is defined.%s", name, hint)
		return
	}
	r.target, r.rest = toLocal, r.Traversal[2:]
	x.name(r, &r.local.named)
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

func (x *compiler) toSelf(r *ref) {
	if !x.self {
		x.errorf("Reference not possible here", r.SrcRange, "self is the object of the block itself: it can be used only in a postcondition of a resource or data block. Elsewhere, refer to a local value from both places.")
		return
	}
	r.target, r.rest = toSelf, r.Traversal[1:]
	x.out.level = perInstance
	x.checkObject(x.owner, r.rest, r.SrcRange)
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

func (x *compiler) toResource(r *ref) {
	res := x.findResource(r.Traversal, r.SrcRange, x.check)
	if res == nil {
		return
	}
	r.rest = r.Traversal[namedBy(r.Traversal):]
	if !x.takeKey(r, res) {
		return
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

// name records that the expression refers to named values through r.
func (x *compiler) name(r *ref, names ...*named) {
	r.names = names
	x.refersTo(names)
}

func (x *compiler) refersTo(names []*named) {
	for _, n := range names {
		if !slices.Contains(x.out.named, n) {
			x.out.named = append(x.out.named, n)
		}
	}
}

// namesOf are the named values that a part of a compiled expression refers to itself.
func namesOf(e hclsyntax.Expression) []*named {
	switch r := e.(type) {
	case *ref:
		return r.names
	case *callRef:
		return r.names
	}
	return nil
}

// refer records that the expression refers to the block.
func (x *compiler) refer(res *Resource) {
	if !slices.Contains(x.out.blocks, res) {
		x.out.blocks = append(x.out.blocks, res)
	}
}

// instanceIndex returns what stands for e if it picks an instance of a block, or nil.
func (x *compiler) instanceIndex(e *hclsyntax.IndexExpr, s *hclsyntax.ScopeTraversalExpr) hclsyntax.Expression {
	root, named := s.Traversal.RootName(), namedBy(s.Traversal)
	if len(s.Traversal) != named || slices.Contains(x.locals, root) || slices.Contains(x.iterators, root) || x.only != nil {
		return nil
	}
	kind := root
	if root == dataRoot {
		ty, _ := step(s.Traversal, 1)
		kind = dataPrefix + ty
	}
	name, _ := step(s.Traversal, named-1)
	res := x.module.resources[kind+"."+name]
	if res == nil || !res.keyed() {
		return nil
	}
	x.refer(res)
	return &instanceRef{IndexExpr: e, resource: res}
}
