package lang

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/stowage-iac/stowage/lang/numbers"
	"github.com/stowage-iac/stowage/lang/schema"
	"github.com/stowage-iac/stowage/lang/work"
)

// An argument with schema.Ref wants to know which block is meant, not the
// block's object. The expression is therefore followed to the reference that it
// stands for: through parentheses, conditionals, local values, variables and
// outputs of modules, each.value, the iterators of dynamic blocks, and entries of
// objects and tuples that are written out (also within merge and tomap). Other expressions (for expressions, other
// functions) give an error that says to write the reference itself.

// meant is what an expression of a reference argument stands for.
type meant struct {
	block   *Block    // nil: value
	index   int       // allOf: the block as a whole
	unknown bool      // which instance is not known yet, or its block was not expanded yet
	key     cty.Value // with unknown: the instance's key, when that is known
	value   cty.Value // a plain value: a string, null or unknown
	marks   cty.ValueMarks
}

// reference evaluates an argument that refers to a block.
func (f *frame) reference(b *body, a *argument, ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	ty := a.schema.Type
	if !ty.IsListType() && !ty.IsSetType() {
		return f.oneReference(b, a, a.expr.Expression, ctx)
	}
	e := unwrap(a.expr.Expression)
	list, ok := e.(*hclsyntax.TupleConsExpr)
	if !ok {
		v, diags := e.Value(ctx)
		list := v.Type().IsListType() || v.Type().IsSetType() || v.Type().IsTupleType()
		if diags.HasErrors() || v.IsNull() || v.Type() == cty.DynamicPseudoType || list && a.schema.Ref.OrString {
			return v, diags
		}
		return v, append(diags, f.refError(a, e, ctx, "List of references expected",
			fmt.Sprintf("The argument %s of %s is a list that is written out: [%s.NAME].", a.name, b.in, a.schema.Ref.Kinds[0])))
	}
	var diags hcl.Diagnostics
	vals := make([]cty.Value, 0, len(list.Exprs))
	for _, item := range list.Exprs {
		v, more := f.oneReference(b, a, item, ctx)
		diags = append(diags, more...)
		if !more.HasErrors() {
			vals = append(vals, v)
		}
	}
	if diags.HasErrors() {
		return cty.UnknownVal(ty), diags
	}
	return cty.TupleVal(vals), diags
}

func (f *frame) refError(a *argument, e hclsyntax.Expression, ctx *hcl.EvalContext, summary, detail string) *hcl.Diagnostic {
	return &hcl.Diagnostic{
		Severity: hcl.DiagError, Summary: summary, Detail: detail,
		Subject: e.Range().Ptr(), Context: &a.source.SrcRange, Expression: e, EvalContext: ctx,
	}
}

// oneReference evaluates one reference to RefType, or to a string.
func (f *frame) oneReference(b *body, a *argument, e hclsyntax.Expression, ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	want := a.schema.Ref
	n := len(f.deps)
	m, diags := f.follow(e, ctx)
	if want.Weak {
		f.deps = f.deps[:n]
	}
	fail := func(summary, detail string) (cty.Value, hcl.Diagnostics) {
		return cty.DynamicVal, append(diags, f.refError(a, e, ctx, summary, detail))
	}
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	if m.block == nil {
		v, _ := m.value.Unmark()
		switch {
		case v.IsNull():
			return v, diags
		case !v.IsKnown() && !v.Type().IsPrimitiveType():
			return cty.DynamicVal.WithSameMarks(m.value), diags // in Validate, of any block
		case want.OrString && (v.Type().IsPrimitiveType()):
			return m.value, diags
		}
		return fail("Reference expected", f.referenceWanted(b, a, e, v))
	}
	if !contains(want.Kinds, m.block.Resource.Kind) {
		return fail("Wrong kind of block", fmt.Sprintf("The argument %s of %s refers to %s, and not to %s.",
			a.name, b.in, blockWords(want.Kinds), m.block.address))
	}
	if m.index == allOf && !want.Weak && !m.unknown {
		r := m.block.Resource
		example := r.address + "[0]"
		if r.forEach != nil {
			example = r.address + `["KEY"]`
		}
		return fail("Which instance is meant?", fmt.Sprintf("%s has %s: the argument %s of %s refers to one instance, such as %s.",
			r.address, r.repetition(), a.name, b.in, example))
	}
	return f.referenceTo(m, want).WithMarks(m.marks), diags
}

// referenceTo is the value of a reference argument.
func (f *frame) referenceTo(m meant, want *schema.Ref) cty.Value {
	b := m.block
	ty := b.Resource.ty
	if want.OrString && !m.unknown && m.index != allOf {
		if v, ok := simpleText(b.get(m.index), want.As); ok {
			return v
		}
	}
	object, address := cty.UnknownVal(ty), cty.UnknownVal(cty.String)
	switch {
	case m.unknown && want.Weak && m.key != cty.NilVal:
		address = cty.StringVal(InstanceAddress(b.address, m.key))
	case m.unknown:
	case m.index == allOf:
		address = cty.StringVal(b.address)
	default:
		object, address = b.get(m.index), cty.StringVal(b.addressOf(m.index))
	}
	attr := func(name string) cty.Value {
		switch {
		case !ty.HasAttribute(name):
			return cty.StringVal("")
		case object.IsNull() || !object.IsKnown():
			return cty.UnknownVal(cty.String)
		}
		v, err := convert.Convert(object.GetAttr(name), cty.String)
		if err != nil {
			return cty.UnknownVal(cty.String)
		}
		return v
	}
	if want.OrString {
		return attr(want.As)
	}
	version := cty.StringVal("")
	if !want.Weak {
		if version = attr("version"); version.IsNull() {
			version = cty.StringVal("").WithSameMarks(version)
		}
	}
	return cty.ObjectVal(map[string]cty.Value{"address": address, "version": version})
}

// simpleText is a text that is an attribute of an object.
func simpleText(obj cty.Value, name string) (cty.Value, bool) {
	v, _ := Simple(obj, name)
	if _, isText := v.(string); !isText {
		return cty.NilVal, false
	}
	return fromRaw(cty.String, v), true
}

func (f *frame) referenceWanted(b *body, a *argument, e hclsyntax.Expression, got cty.Value) string {
	want := a.schema.Ref
	or := ""
	if want.OrString {
		or = " or a text"
	}
	example := ""
	if len(want.Kinds) > 0 {
		example = fmt.Sprintf(": write the reference itself, such as %s.NAME", want.Kinds[0])
		if r, ok := unwrap(e).(*ref); ok && r.target == toVariable && f.m.called != nil && len(r.rest) == 0 {
			example = fmt.Sprintf(": the call of the module passes the reference itself, %s = %s.NAME", r.variable.Name, want.Kinds[0])
		} else if ok && r.target == toModule && r.output != nil && len(r.rest) == 0 {
			example = fmt.Sprintf(": the output passes the reference itself, value = %s.NAME", want.Kinds[0])
		}
	}
	return fmt.Sprintf("The argument %s of %s needs a reference to %s%s, and not %s%s.",
		a.name, b.in, blockWords(want.Kinds), or, article(got.Type()), example)
}

// blockWords names kinds of blocks: an image, a config or a secret.
func blockWords(kinds []string) string {
	var words []string
	for _, k := range kinds {
		a := "a "
		if len(k) > 0 && contains([]string{"a", "e", "i", "o", "u"}, k[:1]) {
			a = "an "
		}
		words = append(words, a+k+" block")
	}
	return listWords(words, "or")
}

func unwrap(e hclsyntax.Expression) hclsyntax.Expression {
	for {
		switch w := e.(type) {
		case *hclsyntax.ParenthesesExpr:
			e = w.Expression
		case *hclsyntax.TemplateWrapExpr:
			e = w.Wrapped
		case *common:
			e = w.Expression
		case *work.Metered:
			e = w.Expression
		default:
			return e
		}
	}
}

// follow finds what e stands for.
func (f *frame) follow(e hclsyntax.Expression, ctx *hcl.EvalContext) (meant, hcl.Diagnostics) {
	switch x := unwrap(e).(type) {
	case *ref:
		if m, ok, diags := f.followRef(x); ok {
			return m, diags
		}
	case *instanceRef:
		return f.followInstance(x, ctx)
	case *hclsyntax.ConditionalExpr:
		branch, marks, diags := f.branch(x, ctx)
		if branch == nil {
			return meant{value: cty.DynamicVal.WithMarks(marks)}, diags
		}
		m, more := f.follow(branch, ctx)
		if m.block != nil {
			m.marks = marks
		}
		return m, append(diags, more...)
	case *hclsyntax.IndexExpr:
		key, diags := x.Key.Value(ctx)
		if !diags.HasErrors() {
			if m, ok := f.selected(x.Collection, key, ctx); ok {
				return m, diags
			}
		}
	case *hclsyntax.RelativeTraversalExpr:
		if m, ok := f.selectSteps(x.Source, ctx, x.Traversal); ok {
			return m, nil
		}
	case *hclsyntax.ScopeTraversalExpr:
		for i := len(f.iterated) - 1; i >= 0; i-- {
			it := f.iterated[i]
			if name, _ := step(x.Traversal, 1); it.name == x.Traversal.RootName() && name == "value" {
				if m, ok := f.selected(it.forEach.Expression, it.key, ctx, x.Traversal[2:]...); ok {
					return m, nil
				}
				break
			}
		}
	}
	v, diags := e.Value(ctx)
	return meant{value: v}, diags
}

// followRef follows a reference; ok is false when it leads to a value.
func (f *frame) followRef(r *ref) (m meant, ok bool, diags hcl.Diagnostics) {
	switch r.target {
	case toResource:
		if len(r.rest) > 0 {
			return m, false, nil
		}
		m, diags = f.meanInstance(r.resource, r.key, r.SrcRange)
		return m, true, diags
	case toLocal, toVariable, toModule:
		m, ok = f.selectSteps(r, f.ctx, nil)
	case toEachValue:
		if f.forEach != nil && f.eachKey.IsKnown() {
			m, ok = f.selected(f.forEach.Expression, f.eachKey, f.ctx, r.rest...)
		}
	}
	return m, ok, nil
}

func (f *frame) meanInstance(r *Resource, key cty.Value, rng hcl.Range) (meant, hcl.Diagnostics) {
	b := f.m.blocks[r.slot]
	if key == cty.NilVal {
		if r.keyed() {
			f.depend(b, allOf)
			return meant{block: b, index: allOf}, nil
		}
		f.depend(b, 0)
		return meant{block: b}, nil
	}
	if i, ok := b.find(key); ok {
		f.depend(b, i)
		return meant{block: b, index: i}, nil
	}
	if !b.expanded() {
		f.depend(b, allOf)
		return meant{block: b, index: allOf, unknown: true, key: key}, nil
	}
	return meant{}, hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "No such instance", Detail: b.noInstance(key), Subject: rng.Ptr()}}
}

func (f *frame) followInstance(x *instanceRef, ctx *hcl.EvalContext) (meant, hcl.Diagnostics) {
	// Value reports what can be wrong with the key.
	if _, diags := x.Value(ctx); diags.HasErrors() {
		return meant{}, diags
	}
	key, diags := x.Key.Value(ctx)
	key, marks := key.Unmark()
	want := cty.Number
	if x.resource.forEach != nil {
		want = cty.String
	}
	key, err := numbers.Convert(key, want)
	if err != nil || !key.IsKnown() {
		return meant{block: f.m.blocks[x.resource.slot], index: allOf, unknown: true, marks: marks}, diags
	}
	m, more := f.meanInstance(x.resource, key, x.Range())
	m.marks = marks
	return m, append(diags, more...)
}

// branch is the branch that a conditional takes; nil when that is not known yet.
func (f *frame) branch(x *hclsyntax.ConditionalExpr, ctx *hcl.EvalContext) (hclsyntax.Expression, cty.ValueMarks, hcl.Diagnostics) {
	cond, diags := x.Condition.Value(ctx)
	cond, marks := cond.Unmark()
	c, err := convert.Convert(cond, cty.Bool)
	if diags.HasErrors() || err != nil || c.IsNull() {
		_, all := x.Value(ctx) // in hcl's words
		return nil, marks, all
	}
	switch {
	case !c.IsKnown():
		return nil, marks, diags
	case c.True():
		return x.TrueResult, marks, diags
	}
	return x.FalseResult, marks, diags
}

// selectSteps follows steps into the object or tuple that e stands for.
func (f *frame) selectSteps(e hclsyntax.Expression, ctx *hcl.EvalContext, steps []hcl.Traverser) (meant, bool) {
	e = unwrap(e)
	switch r := e.(type) {
	case *ref:
		// The dependencies of the named value as a whole are not those of the entry that is meant.
		if m, named, ok := f.throughName(r, steps...); named {
			return m, ok
		}
	case *callRef:
		return f.throughCall(r, ctx, steps)
	}
	if len(steps) == 0 {
		m, diags := f.follow(e, ctx)
		return m, m.block != nil && !diags.HasErrors()
	}
	var key cty.Value
	switch s := steps[0].(type) {
	case hcl.TraverseAttr:
		key = cty.StringVal(s.Name)
	case hcl.TraverseIndex:
		key = s.Key
	default:
		return meant{}, false
	}
	return f.selected(e, key, ctx, steps[1:]...)
}

// selected follows the entry key of the object, tuple or collection of instances that e stands for.
func (f *frame) selected(e hclsyntax.Expression, key cty.Value, ctx *hcl.EvalContext, steps ...hcl.Traverser) (meant, bool) {
	key, _ = key.Unmark()
	if !key.IsKnown() || key.IsNull() {
		return meant{}, false
	}
	switch x := unwrap(e).(type) {
	case *ref:
		if m, named, ok := f.throughName(x, append([]hcl.Traverser{hcl.TraverseIndex{Key: key}}, steps...)...); named {
			return m, ok
		}
		switch {
		case x.target == toResource && x.key == cty.NilVal && x.resource.keyed() && len(x.rest) == 0 && len(steps) == 0:
			m, diags := f.meanInstance(x.resource, key, x.SrcRange)
			return m, m.block != nil && !diags.HasErrors()
		}
	case *hclsyntax.ObjectConsExpr:
		for i := len(x.Items) - 1; i >= 0; i-- {
			k, diags := x.Items[i].KeyExpr.Value(ctx)
			if diags.HasErrors() {
				return meant{}, false
			}
			k, _ = k.Unmark()
			if k.IsKnown() && !k.IsNull() && keyText(k) == keyText(key) {
				return f.selectSteps(x.Items[i].ValueExpr, ctx, steps)
			}
		}
	case *hclsyntax.TupleConsExpr:
		n, err := numbers.Convert(key, cty.Number)
		if err != nil {
			return meant{}, false
		}
		if i, accuracy := n.AsBigFloat().Int64(); accuracy == 0 && i >= 0 && i < int64(len(x.Exprs)) {
			return f.selectSteps(x.Exprs[i], ctx, steps)
		}
	case *hclsyntax.ConditionalExpr:
		if branch, _, diags := f.branch(x, ctx); branch != nil && !diags.HasErrors() {
			return f.selected(branch, key, ctx, steps...)
		}
	case *hclsyntax.FunctionCallExpr:
		if (x.Name == "merge" || x.Name == "tomap") && !x.ExpandFinal {
			for i := len(x.Args) - 1; i >= 0; i-- {
				if m, ok := f.selected(x.Args[i], key, ctx, steps...); ok {
					return m, true
				}
			}
		}
	}
	return meant{}, false
}
