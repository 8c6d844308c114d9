package lang

import (
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang/schema"
)

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
		hint := ""
		if o.top {
			hint = misplaced("block", name)
		}
		if hint == "" {
			hint = didYouMean(name, writable(s, o.top))
		}
		l.errorf("Unknown block", rng, "There is no block %q in %s.%s", name, o.in, hint)
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
		l.errorf("Too many names", f.LabelRanges[0], "%s block has no name: %s { … }.", capital(withArticle(f.Type)), f.Type)
		return nil
	case nb.Label != "" && len(f.Labels) == 0:
		l.errorf("Missing name", f.DefRange(), "A %s block needs a %s: %s %q { … }.", f.Type, nb.Label, f.Type, nb.Label)
		return nil
	case len(f.Labels) > 1:
		l.errorf("Too many names", f.LabelRanges[1], "%s block has one name: %s %q { … }.", capital(withArticle(f.Type)), f.Type, f.Labels[0])
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
