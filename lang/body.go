package lang

import (
	"maps"
	"slices"
	"strings"

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
	needed []string // arguments and blocks that must be there
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
		if a.Required {
			sh.needed = append(sh.needed, name)
		}
	}
	for name, nb := range s.Blocks {
		in := l.shape(&nb.Block, nb.Label)
		if nb.Required || nb.Min > 0 {
			sh.needed = append(sh.needed, name)
		}
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
	slices.Sort(sh.needed)
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
	exprs   []*expression // of the cached parts, nested bodies included; those that refer to nothing are left out
	inside  []*expression // of all parts
	iterate bool          // within a dynamic block: nothing is cached
}

// argument is a written argument.
type argument struct {
	name   string
	schema *schema.Attribute
	expr   *expression
	source *hclsyntax.Attribute
	kind   string // of the block
	unkept bool   // of the data of a check, of which nothing is recorded
	twin   string // write-only argument beside it, or ""
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
	b := &body{shape: sh, in: o.in, header: o.header, slot: l.module.bodies, iterate: o.iterate}
	l.module.bodies++
	b.args = make([]*argument, 0, len(src.Attributes))
	for _, a := range sortedAttrs(src) {
		if o.top && slices.Contains(metaArguments, a.Name) {
			continue
		}
		l.argument(b, a, s, o)
	}
	var byType map[string][]*hclsyntax.Block
	if len(src.Blocks) > 0 {
		byType = make(map[string][]*hclsyntax.Block, 1)
	}
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
	for _, name := range sh.needed {
		if src.Attributes[name] != nil || byType[name] != nil {
			continue
		}
		if a := s.Attributes[name]; a != nil {
			if !blockNamed(src, name) {
				l.errorf("Missing argument", o.header, "%s needs the argument %q.%s", o.in, name, sentence(a.Doc))
			}
			continue
		}
		l.errorf("Missing block", o.header, "%s needs a %s block.%s", o.in, name, sentence(s.Blocks[name].Doc))
	}
	b.settle()
	return b
}

// settle computes what b can cache.
func (b *body) settle() {
	for _, a := range b.args {
		if a.expr.constant() {
			continue
		}
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

// sortedAttrs are the arguments in the order of the file.
func sortedAttrs(src *hclsyntax.Body) []*hclsyntax.Attribute {
	attrs := slices.AppendSeq(make([]*hclsyntax.Attribute, 0, len(src.Attributes)), maps.Values(src.Attributes))
	slices.SortFunc(attrs, func(a, b *hclsyntax.Attribute) int { return a.SrcRange.Start.Byte - b.SrcRange.Start.Byte })
	return attrs
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

func writesOnly(s *schema.Block, name string) bool {
	a := s.Attributes[name]
	return a != nil && a.WriteOnly
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
	case as == nil && strings.HasSuffix(a.Name, "_version") && writesOnly(s, strings.TrimSuffix(a.Name, "_version")):
		l.errorf("Unknown argument", a.NameRange, "%s needs no version: that its value has changed is found by a keyed hash of it. Remove %s.", strings.TrimSuffix(a.Name, "_version"), a.Name)
		return
	case as == nil:
		hint := ""
		if o.top {
			hint = misplaced("block", a.Name)
		}
		if hint == "" {
			hint = didYouMean(a.Name, writable(s, o.top))
		}
		l.errorf("Unknown argument", a.NameRange, "There is no argument %q in %s.%s", a.Name, o.in, hint)
		return
	case as.Later != "":
		l.errorf("Not supported yet", a.NameRange, "This version of Stowage does not support the argument %s in %s.%s", a.Name, o.in, sentence(as.Later))
		return
	case as.Computed && !as.Optional && !as.Required:
		l.errorf("Argument cannot be set", a.NameRange, "%s of %s is known after apply and cannot be set. Remove it.", a.Name, o.in)
		return
	}
	x := l.compile(a.Expr, o.scope)
	if !x.constant() {
		l.exprs = append(l.exprs, x)
	}
	x.weak = as.Ref != nil && as.Ref.Weak
	if as.WriteOnly {
		l.config.writeOnly[o.owner.Kind] = true
	}
	b.args = append(b.args, &argument{name: a.Name, schema: as, expr: x, source: a, kind: o.owner.Kind, twin: twinOf(s, a.Name), unkept: o.owner.check != nil})
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
