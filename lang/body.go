package lang

import (
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/stowage-iac/stowage/lang/schema"
)

// shape is what decoding needs to know of a schema, computed once.
type shape struct {
	ty     cty.Type
	list   cty.Type // list(ty)
	absent attrs    // the object of an empty body: defaults, nulls and empty lists
	nested map[string]*shape
}

// shape returns the shape of a block whose label becomes the attribute named label.
func (l *loader) shape(s *schema.Block, label string) *shape {
	if known := l.shapes[s]; known != nil {
		return known
	}
	sh := &shape{nested: map[string]*shape{}, absent: newAttrs(len(s.Attributes) + len(s.Blocks) + 1)}
	types := map[string]cty.Type{}
	for name, a := range s.Attributes {
		types[name] = a.Type
		sh.absent.set(name, constantDefault(a.Default, a.Type))
	}
	for name, nb := range s.Blocks {
		in := l.shape(&nb.Block, nb.Label)
		sh.nested[name] = in
		types[name] = in.ty
		if nb.Nesting == schema.List {
			types[name] = in.list
			sh.absent.set(name, cty.ListValEmpty(in.ty))
		} else {
			sh.absent.set(name, cty.NullVal(in.ty))
		}
	}
	if label != "" {
		types[label] = cty.String
	}
	sh.ty = cty.Object(types)
	sh.list = cty.List(sh.ty)
	l.shapes[s] = sh
	return sh
}

// body is a compiled body.
type body struct {
	shape   *shape
	in      string    // for messages: pod.web, container "nginx" in pod.web
	header  hcl.Range // of its block
	slot    int       // of an evaluator's cache for all that is the same for each instance
	level   level
	reach   []*Resource // blocks that the cached parts refer to, also through locals
	label   string      // attribute of the label, or ""
	name    cty.Value   // the label's value; cty.NilVal where a dynamic block computes it
	args    []*argument
	blocks  []*blocks
	exprs   []*expression // of the cached parts, nested bodies included
	inside  []*expression // of all parts
	iterate bool          // within a dynamic block: nothing is cached
}

// argument is a written argument.
type argument struct {
	name   string
	schema *schema.Attribute
	expr   *expression
	rng    hcl.Range // of the whole
}

// blocks are the written nested blocks of one type.
type blocks struct {
	name   string
	schema *schema.NestedBlock
	shape  *shape
	items  []*item
	level  level
	exprs  []*expression

	dynamic bool // any of the items is a dynamic block
}

// item is a nested block, or a dynamic block that stands for any number.
type item struct {
	body    *body
	dynamic *dynamic
}

// dynamic is a dynamic block.
type dynamic struct {
	forEach  *expression
	iterator string
	label    *expression // nil when the block has no label
	rng      hcl.Range
}

type bodyOptions struct {
	scope
	in      string
	header  hcl.Range
	top     bool // a resource's own body, with meta-arguments
	iterate bool
}

// body compiles a body and checks it against its schema.
func (l *loader) body(src *hclsyntax.Body, s *schema.Block, sh *shape, o bodyOptions) *body {
	b := &body{shape: sh, in: o.in, header: o.header, slot: l.config.bodies, iterate: o.iterate}
	l.config.bodies++
	for _, name := range sortedAttrs(src) {
		if o.top && slices.Contains(metaArguments, name) {
			continue
		}
		l.argument(b, src.Attributes[name], s, o)
	}
	for name, a := range s.Attributes {
		if a.Required && src.Attributes[name] == nil && !blockNamed(src, name) {
			l.errorf("Missing argument", o.header, "%s needs the argument %q.%s", o.in, name, sentence(a.Doc))
		}
	}
	byType := map[string][]*hclsyntax.Block{}
	var types []string
	for _, nested := range src.Blocks {
		if o.top && slices.Contains(metaBlocks, nested.Type) {
			continue
		}
		name := nested.Type
		if name == "dynamic" {
			if len(nested.Labels) != 1 {
				l.errorf("Missing name", nested.DefRange(), "A dynamic block names the type of the blocks that it stands for: dynamic \"container\" { … }.")
				continue
			}
			name = nested.Labels[0]
		}
		if byType[name] == nil {
			types = append(types, name)
		}
		byType[name] = append(byType[name], nested)
	}
	for _, name := range types {
		l.nested(b, name, byType[name], s, o)
	}
	for name, nb := range s.Blocks {
		if (nb.Required || nb.Min > 0) && byType[name] == nil && src.Attributes[name] == nil {
			l.errorf("Missing block", o.header, "%s needs a %s block.%s", o.in, name, sentence(nb.Doc))
		}
	}
	b.settle()
	return b
}

// settle computes what b can cache.
func (b *body) settle() {
	for _, a := range b.args {
		b.inside = append(b.inside, a.expr)
		if a.expr.level == perInstance {
			b.level = perInstance
		} else {
			b.exprs = append(b.exprs, a.expr)
		}
	}
	for _, bs := range b.blocks {
		b.inside = append(b.inside, bs.exprs...)
		if bs.level == perInstance {
			b.level = perInstance
		} else {
			b.exprs = append(b.exprs, bs.exprs...)
		}
	}
}

func sortedAttrs(src *hclsyntax.Body) []string {
	names := make([]string, 0, len(src.Attributes))
	for name := range src.Attributes {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		return src.Attributes[a].SrcRange.Start.Byte - src.Attributes[b].SrcRange.Start.Byte
	})
	return names
}

func blockNamed(src *hclsyntax.Body, name string) bool {
	for _, b := range src.Blocks {
		if b.Type == name {
			return true
		}
	}
	return false
}

// members of a schema that a user may write, for suggestions.
func writable(s *schema.Block, top bool) []string {
	var names []string
	for name, a := range s.Attributes {
		if a.Required || a.Optional {
			names = append(names, name)
		}
	}
	for name := range s.Blocks {
		names = append(names, name)
	}
	if top {
		names = append(append(names, metaArguments...), metaBlocks...)
	}
	return names
}

func (l *loader) argument(b *body, a *hclsyntax.Attribute, s *schema.Block, o bodyOptions) {
	as := s.Attributes[a.Name]
	switch {
	case as == nil && s.Blocks[a.Name] != nil:
		example := a.Name + " { … }"
		if s.Blocks[a.Name].Label != "" {
			example = a.Name + ` "NAME" { … }`
		}
		l.errorf("Block expected", a.NameRange, "%s is a block: write %s, without the equals sign.", a.Name, example)
		return
	case as == nil:
		l.errorf("Unknown argument", a.NameRange, "There is no argument %q in %s.%s", a.Name, o.in, didYouMean(a.Name, writable(s, o.top)))
		return
	case as.Later != "":
		l.errorf("Not supported yet", a.NameRange, "This version of Stowage does not support the argument %s in %s.%s", a.Name, o.in, sentence(as.Later))
		return
	case as.Computed && !as.Optional && !as.Required:
		l.errorf("Argument cannot be set", a.NameRange, "%s of %s is known after apply and cannot be set. Remove it.", a.Name, o.in)
		return
	}
	x := l.tracked(a.Expr, o.scope)
	x.weak = as.Ref != nil && as.Ref.Weak
	b.args = append(b.args, &argument{name: a.Name, schema: as, expr: x, rng: a.SrcRange})
}

// nested compiles the nested blocks of one type.
func (l *loader) nested(b *body, name string, found []*hclsyntax.Block, s *schema.Block, o bodyOptions) {
	nb := s.Blocks[name]
	first := found[0]
	rng := first.TypeRange
	if first.Type == "dynamic" {
		rng = first.LabelRanges[0]
	}
	switch {
	case nb == nil && s.Attributes[name] != nil:
		l.errorf("Argument expected", rng, "%s is an argument: write %s = …, with an equals sign.", name, name)
		return
	case nb == nil:
		l.errorf("Unknown block", rng, "There is no block %q in %s.%s", name, o.in, didYouMean(name, writable(s, o.top)))
		return
	case nb.Later != "":
		for _, f := range found {
			l.errorf("Not supported yet", f.DefRange(), "This version of Stowage does not support %s blocks in %s.%s", name, o.in, sentence(nb.Later))
		}
		return
	}
	bs := &blocks{name: name, schema: nb, shape: b.shape.nested[name]}
	labels := map[string]hcl.Range{}
	for _, f := range found {
		var it *item
		if f.Type == "dynamic" {
			bs.dynamic = true
			it = l.dynamic(f, name, nb, bs.shape, o)
		} else {
			it = l.static(f, nb, bs.shape, o, labels)
		}
		if it != nil {
			bs.items = append(bs.items, it)
		}
	}
	if nb.Nesting == schema.Single && len(found) > 1 {
		l.duplicate(name+" block in "+o.in, found[1].DefRange(), found[0].DefRange())
	}
	if nb.Nesting == schema.List && !bs.dynamic {
		l.checkNumber(nb, name, len(found), found[len(found)-1].DefRange(), o.in)
	}
	for _, it := range bs.items {
		itemLevel := it.body.level
		if it.dynamic != nil {
			itemLevel = it.dynamicLevel(o.scope)
			bs.exprs = append(bs.exprs, it.dynamic.forEach)
			if it.dynamic.label != nil {
				bs.exprs = append(bs.exprs, it.dynamic.label)
			}
		}
		bs.exprs = append(bs.exprs, it.body.inside...)
		bs.level = max(bs.level, itemLevel)
	}
	b.blocks = append(b.blocks, bs)
}

func (l *loader) checkNumber(nb *schema.NestedBlock, name string, n int, rng hcl.Range, in string) {
	if problem := wrongNumber(nb, name, n, in); problem != "" {
		l.errorf("Wrong number of blocks", rng, "%s", problem)
	}
}

func wrongNumber(nb *schema.NestedBlock, name string, n int, in string) string {
	switch {
	case n < nb.Min:
		return fmt.Sprintf("%s needs at least %d %s blocks; it has %d.", in, nb.Min, name, n)
	case nb.Max > 0 && n > nb.Max:
		return fmt.Sprintf("%s may have at most %d %s blocks; it has %d.", in, nb.Max, name, n)
	}
	return ""
}

// static compiles one nested block.
func (l *loader) static(f *hclsyntax.Block, nb *schema.NestedBlock, sh *shape, o bodyOptions, labels map[string]hcl.Range) *item {
	in := f.Type
	switch {
	case nb.Label == "" && len(f.Labels) > 0:
		l.errorf("Too many names", f.LabelRanges[0], "A %s block has no name: %s { … }.", f.Type, f.Type)
		return nil
	case nb.Label != "" && len(f.Labels) == 0:
		l.errorf("Missing name", f.DefRange(), "A %s block needs a %s: %s %q { … }.", f.Type, nb.Label, f.Type, nb.Label)
		return nil
	case len(f.Labels) > 1:
		l.errorf("Too many names", f.LabelRanges[1], "A %s block has one name: %s %q { … }.", f.Type, f.Type, f.Labels[0])
		return nil
	}
	name := cty.NilVal
	if nb.Label != "" {
		label := f.Labels[0]
		in += " " + quote(label)
		if first, twice := labels[label]; twice {
			l.duplicate(in+" in "+o.in, f.DefRange(), first)
			return nil
		}
		labels[label] = f.DefRange()
		name = cty.StringVal(label)
	}
	sub := o
	sub.in, sub.header, sub.top = in+" in "+o.in, f.DefRange(), false
	b := l.body(f.Body, &nb.Block, sh, sub)
	b.label, b.name = nb.Label, name
	return &item{body: b}
}

// dynamic compiles a dynamic block.
func (l *loader) dynamic(f *hclsyntax.Block, name string, nb *schema.NestedBlock, sh *shape, o bodyOptions) *item {
	in := "dynamic " + quote(name) + " in " + o.in
	m := l.members(f.Body, in, nil)
	d := &dynamic{iterator: name, rng: f.DefRange()}
	forEach, labels, iterator := m.attr("for_each"), m.attr("labels"), m.attr("iterator")
	content := m.one("content")
	m.done()
	if forEach == nil {
		l.errorf("Missing argument", f.DefRange(), "%s needs for_each.", in)
	}
	if content == nil {
		l.errorf("Missing block", f.DefRange(), "%s needs a content block with what each %s block holds.", in, name)
	}
	if forEach == nil || content == nil {
		return nil
	}
	if iterator != nil {
		if d.iterator = hcl.ExprAsKeyword(iterator.Expr); d.iterator == "" {
			l.errorf("Name expected", iterator.Expr.Range(), "iterator is a name, without quotes.")
			return nil
		}
	}
	d.forEach = l.tracked(forEach.Expr, o.scope)
	inner := o.with(d.iterator)
	switch {
	case nb.Label != "" && labels == nil:
		l.errorf("Missing argument", f.DefRange(), "%s blocks have a name: %s needs labels = [%s.key].", name, in, d.iterator)
		return nil
	case nb.Label == "" && labels != nil:
		l.errorf("Unknown argument", labels.NameRange, "%s blocks have no name: remove labels.", name)
		return nil
	case labels != nil:
		exprs, ok := labels.Expr.(*hclsyntax.TupleConsExpr)
		if !ok || len(exprs.Exprs) != 1 {
			l.errorf("Wrong number of names", labels.Expr.Range(), "%s blocks have one name: labels = [%s.key].", name, d.iterator)
			return nil
		}
		d.label = l.tracked(exprs.Exprs[0], inner)
	}
	sub := o
	sub.scope, sub.in, sub.header, sub.top, sub.iterate = inner, "the content of "+in, content.DefRange(), false, true
	b := l.body(content.Body, &nb.Block, sh, sub)
	b.label = nb.Label
	return &item{body: b, dynamic: d}
}

// dynamicLevel is the level of all blocks together: that they differ by the
// iterator of the block itself makes no difference between instances.
func (it *item) dynamicLevel(outer scope) level {
	lv := it.dynamic.forEach.level
	for _, e := range it.body.inside {
		if e.level == perInstance && mentions(e.Expression, it.dynamic.iterator, outer) {
			return perInstance
		}
	}
	if l := it.dynamic.label; l != nil && l.level == perInstance && mentions(l.Expression, it.dynamic.iterator, outer) {
		return perInstance
	}
	return lv
}

// mentions reports whether e refers to count, each or an iterator other than own.
func mentions(e hclsyntax.Expression, own string, outer scope) bool {
	switch r := e.(type) {
	case *ref:
		return r.target == toCountIndex || r.target == toEachKey || r.target == toEachValue
	case *hclsyntax.ScopeTraversalExpr:
		root := r.Traversal.RootName()
		return root != own && slices.Contains(outer.iterators, root)
	}
	found := false
	children(e, func(c hclsyntax.Expression) { found = found || mentions(c, own, outer) })
	return found
}

// constantDefault converts a schema's default to the attribute's type.
func constantDefault(v cty.Value, ty cty.Type) cty.Value {
	if v == cty.NilVal {
		return cty.NullVal(ty)
	}
	converted, err := convert.Convert(v, ty)
	if err != nil {
		return v
	}
	return converted
}
