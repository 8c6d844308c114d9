package lang

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang/fastparse"
	"github.com/stowage-iac/stowage/lang/schema"
)

// Who writes thousands of blocks has them written by a program: they read the same but
// for their names and some literals. Of such blocks the first is parsed and compiled, with
// gaps where the literals are, and the others are copies of it: what fills the gaps is read
// from the file when an instance is decoded. A copy has no diagnostics: where there is
// anything to say, Load begins anew without copies, and Decode compiles the block for
// itself, so that every message and range is that of the block as it is written.

// minCopies is how many blocks have to read the same to be worth it.
const minCopies = 3

// prototype is what copies share.
type prototype struct {
	first *fastparse.Sketch
	users int
	block *hclsyntax.Block // of the first, with gaps; nil before it is parsed and after it is compiled
	state protoState
	body  *body
	refs  []*Resource
}

type protoState uint8

const (
	unparsed protoState = iota
	usable
	unusable
)

// gapExpr stands for a literal that differs between copies.
type gapExpr struct {
	hclsyntax.Expression           // of the first
	index                int       // of the gap
	text                 string    // of the first
	val                  cty.Value // of the first
}

// Value implements hclsyntax.Expression.
func (g *gapExpr) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	return g.value(frameOf(ctx)), nil
}

func (g *gapExpr) value(f *frame) cty.Value {
	if f.sketch == nil {
		return g.val
	}
	_, text, number := f.sketch.Gap(g.index)
	switch {
	case text == g.text:
		return g.val
	case number:
		v, err := cty.ParseNumberVal(text)
		if err != nil { // digits only: cannot be
			return cty.UnknownVal(cty.Number)
		}
		return v
	case layoutKnown:
		return fromRaw(cty.String, text) // ASCII: normal as it is
	}
	return cty.StringVal(text)
}

// declareSketches declares the blocks of one module that were not parsed yet.
func (l *loader) declareSketches(sketches []*fastparse.Sketch) {
	prototypes := make(map[uint64][]*prototype)
	of := make([]*prototype, len(sketches))
	for i, s := range sketches {
		known := prototypes[s.Hash()]
		at := slices.IndexFunc(known, func(p *prototype) bool { return p.first.Same(s) })
		if at < 0 {
			at = len(known)
			known = append(known, &prototype{first: s})
			prototypes[s.Hash()] = known
		}
		of[i] = known[at]
		of[i].users++
	}
	for i, s := range sketches {
		if of[i].users >= l.copies && of[i].usable() && ValidIdentifier(s.Label) {
			l.declareCopy(s, of[i])
			continue
		}
		b := s.Parse()
		if b == nil {
			l.errorf("Unclear block", s.Range(), "The block has to be parsed otherwise.") // Load does
			return
		}
		l.declareBlock(b)
	}
}

// usable parses the first block, and reports whether others can be copies of it.
func (p *prototype) usable() bool {
	if p.state == unparsed {
		p.state = unusable
		if b := p.first.Parse(); b != nil && plainBody(b.Body, true) && p.fillGaps(b.Body) {
			p.block, p.state = b, usable
		}
	}
	return p.state == usable
}

// plainBody reports whether a body has nothing whose meaning is more than its arguments.
func plainBody(b *hclsyntax.Body, top bool) bool {
	for _, name := range metaArguments {
		if top && b.Attributes[name] != nil {
			return false
		}
	}
	for _, nested := range b.Blocks {
		if nested.Type == "dynamic" || top && slices.Contains(metaBlocks, nested.Type) || !plainBody(nested.Body, false) {
			return false
		}
	}
	return true
}

// fillGaps puts a gap in the place of each literal that may differ.
func (p *prototype) fillGaps(b *hclsyntax.Body) bool {
	at := make(map[int]int, p.first.Gaps()) // by position
	for i := range p.first.Gaps() {
		start, _, _ := p.first.Gap(i)
		at[start] = i
	}
	found := 0
	var fill func(e hclsyntax.Expression) hclsyntax.Expression
	fill = func(e hclsyntax.Expression) hclsyntax.Expression {
		v, ok := literalText(e)
		start := e.Range().Start.Byte + 1 // after the quote
		if lit, is := e.(*hclsyntax.LiteralValueExpr); is {
			v, ok, start = lit.Val, true, lit.SrcRange.Start.Byte
		}
		if i, gap := at[start]; ok && gap {
			found++
			_, text, _ := p.first.Gap(i)
			return &gapExpr{Expression: e, index: i, text: text, val: v}
		}
		mapChildren(e, fill)
		return e
	}
	var body func(b *hclsyntax.Body)
	body = func(b *hclsyntax.Body) {
		for _, a := range b.Attributes {
			a.Expr = fill(a.Expr)
		}
		for _, nested := range b.Blocks {
			body(nested.Body)
		}
	}
	body(b)
	return found == len(at)
}

// declareCopy is declareResource of a copy.
func (l *loader) declareCopy(s *fastparse.Sketch, p *prototype) {
	sch := l.opts.Schemas[s.Kind]
	r := &Resource{Kind: s.Kind, Name: s.Label, Schema: sch, Range: s.Range()}
	r.module, r.sketch, r.proto = l.module, s, p
	r.address = r.Kind + "." + r.Name
	r.ty = l.shape(sch, "").ty
	if first := l.module.resources[r.address]; first != nil {
		l.duplicate("block "+header(r.Kind, quote(r.Name)), r.Range, first.Range)
		return
	}
	l.module.resources[r.address] = r
}

// defineCopy is defineResource of a copy.
func (l *loader) defineCopy(r *Resource) {
	if p := r.proto; p.body == nil {
		p.body = l.copied(r, p.block)
		p.block = nil
	}
	r.body = r.proto.body
}

// copied compiles the body of a copy. Nothing of it is cached: there is one instance.
func (l *loader) copied(r *Resource, b *hclsyntax.Block) *body {
	return l.body(b.Body, r.Schema, l.shape(r.Schema, ""), bodyOptions{
		scope: scope{in: r.address, owner: r}, in: r.address, header: r.Range, top: true, iterate: true,
	})
}

// decode evaluates the body of a block; that of a copy about which there is anything to say
// is compiled for itself.
func (f *frame) decode(r *Resource) (cty.Value, hcl.Diagnostics) {
	n := len(f.deps)
	f.sketch = r.sketch
	v, diags := f.body(r.body, f.ctx)
	if len(diags) == 0 || r.sketch == nil {
		return v, diags
	}
	f.deps, f.sketch = f.deps[:n], nil
	return f.body(r.own(f.e.config), f.ctx)
}

// own compiles the body of a copy for itself, which can then say what is wrong and where.
func (r *Resource) own(c *Config) *body {
	config, module := *c, *r.module // compiling counts and notes things in them
	config.writeOnly = map[string]bool{}
	l := &loader{opts: c.opts, config: &config, functions: Functions(), shapes: map[*schema.Block]*shape{}, module: &module}
	b := l.copied(r, r.sketch.Parse())
	for _, x := range l.exprs {
		x.reach = x.reaches()
	}
	b.reachAll()
	return b
}

// syntax is the block as it was parsed.
func (r *Resource) syntax() *hclsyntax.Block {
	if r.sketch != nil {
		return r.sketch.Parse()
	}
	return r.block
}

// Syntax is what is in a file of Config.Files, as it was parsed; nil for a file of another
// syntax.
func Syntax(file *hcl.File) *hclsyntax.Body { return fastparse.Body(file) }
