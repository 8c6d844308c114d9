package fastparse

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang/numbers"
)

// expression parses a value. What follows must be looked at by the caller: an operator
// there would make it part of another expression.
func (p *parser) expression() (hclsyntax.Expression, bool) {
	if p.depth++; p.depth > maxDepth {
		return nil, false
	}
	defer func() { p.depth-- }()
	switch c := p.space(); {
	case c == '"':
		return p.template()
	case digit(c):
		return p.number()
	case letter(c):
		return p.named()
	case c == '[':
		return p.tuple()
	case c == '{':
		return p.object()
	}
	return nil, false
}

// number parses a whole number.
func (p *parser) number() (hclsyntax.Expression, bool) {
	i := p.pos
	for i < len(p.src) && digit(p.src[i]) {
		i++
	}
	if i < len(p.src) && (letter(p.src[i]) || p.src[i] == '.' || p.src[i] > '~') {
		return nil, false
	}
	text := p.src[p.pos:i]
	if len(text) > numbers.MaxExponent {
		return nil, false
	}
	v, known := p.numbers[text]
	if !known {
		var err error
		if v, err = cty.ParseNumberVal(text); err != nil {
			return nil, false
		}
		p.numbers[text] = v
	}
	return &hclsyntax.LiteralValueExpr{Val: v, SrcRange: p.token(i - p.pos)}, true
}

// named parses true, false, null, or a reference.
func (p *parser) named() (hclsyntax.Expression, bool) {
	name, rng := p.word()
	start := p.here()
	if c := p.space(); c == '(' || c == ':' && p.follows(":") {
		return nil, false // a function
	}
	p.back(start)
	switch name {
	case "true":
		return &hclsyntax.LiteralValueExpr{Val: cty.True, SrcRange: rng}, true
	case "false":
		return &hclsyntax.LiteralValueExpr{Val: cty.False, SrcRange: rng}, true
	case "null":
		return &hclsyntax.LiteralValueExpr{Val: cty.NullVal(cty.DynamicPseudoType), SrcRange: rng}, true
	}
	return p.steps(&hclsyntax.ScopeTraversalExpr{
		Traversal: hcl.Traversal{hcl.TraverseRoot{Name: name, SrcRange: rng}}, SrcRange: rng,
	}, rng.Start)
}

// steps parses the attributes and indexes after the name that a reference begins with.
func (p *parser) steps(e hclsyntax.Expression, start hcl.Pos) (hclsyntax.Expression, bool) {
	for {
		before := p.here()
		switch p.space() {
		case '.':
			dot := p.token(1)
			if !letter(p.space()) {
				return nil, false
			}
			name, _ := p.word()
			rng := p.between(dot.Start, p.end)
			e = extended(e, hcl.TraverseAttr{Name: name, SrcRange: rng}, rng)
		case '[':
			open := p.token(1)
			lines := p.lines
			p.lines = false
			key, ok := p.expression()
			if !ok || p.space() != ']' {
				return nil, false
			}
			p.token(1)
			p.lines = lines
			rng := p.between(open.Start, p.end)
			if v, constant := constantKey(key); constant {
				e = extended(e, hcl.TraverseIndex{Key: v, SrcRange: rng}, rng)
			} else {
				e = &hclsyntax.IndexExpr{Collection: e, Key: key, SrcRange: p.between(start, p.end), OpenRange: open, BracketRange: rng}
			}
		default:
			p.back(before)
			return e, true
		}
	}
}

// constantKey is the value of a key that is a literal or a string.
func constantKey(e hclsyntax.Expression) (cty.Value, bool) {
	switch e := e.(type) {
	case *hclsyntax.LiteralValueExpr:
		return e.Val, true
	case *hclsyntax.TemplateExpr:
		if literal, ok := e.Parts[0].(*hclsyntax.LiteralValueExpr); ok && len(e.Parts) == 1 {
			return literal.Val, true
		}
	}
	return cty.NilVal, false
}

// extended adds a step to a traversal, or makes one.
func extended(e hclsyntax.Expression, step hcl.Traverser, rng hcl.Range) hclsyntax.Expression {
	switch e := e.(type) {
	case *hclsyntax.ScopeTraversalExpr:
		e.Traversal = append(e.Traversal, step)
		e.SrcRange.End = rng.End
		return e
	case *hclsyntax.RelativeTraversalExpr:
		e.Traversal = append(e.Traversal, step)
		e.SrcRange.End = rng.End
		return e
	}
	return &hclsyntax.RelativeTraversalExpr{Source: e, Traversal: hcl.Traversal{step}, SrcRange: hcl.RangeBetween(e.Range(), rng)}
}

// tuple parses a list. Ends of lines do not matter within it.
func (p *parser) tuple() (hclsyntax.Expression, bool) {
	open := p.token(1)
	lines := p.lines
	p.lines = false
	defer func() { p.lines = lines }()
	t := &hclsyntax.TupleConsExpr{OpenRange: open}
	if p.isFor() {
		return nil, false
	}
	for p.space() != ']' {
		e, ok := p.expression()
		if !ok {
			return nil, false
		}
		t.Exprs = append(t.Exprs, e)
		switch p.space() {
		case ',':
			p.token(1)
		case ']':
		default:
			return nil, false
		}
	}
	p.token(1)
	t.SrcRange = p.between(open.Start, p.end)
	return t, true
}

// isFor reports whether an expression of the list or object is the word for.
func (p *parser) isFor() bool {
	before := p.here()
	defer p.back(before)
	if !letter(p.space()) {
		return false
	}
	end := p.end
	word, _ := p.word()
	p.end = end
	return word == "for"
}

// object parses an object. Ends of lines matter within it.
func (p *parser) object() (hclsyntax.Expression, bool) {
	open := p.token(1)
	lines := p.lines
	defer func() { p.lines = lines }()
	p.lines = false
	isFor := p.isFor()
	p.lines = true
	if isFor {
		return nil, false
	}
	o := &hclsyntax.ObjectConsExpr{OpenRange: open}
	for p.blank() != '}' {
		key, ok := p.expression()
		if !ok {
			return nil, false
		}
		if c := p.space(); c != '=' && c != ':' || p.follows("=>:") {
			return nil, false
		}
		p.token(1)
		value, ok := p.expression()
		if !ok {
			return nil, false
		}
		o.Items = append(o.Items, hclsyntax.ObjectConsItem{KeyExpr: &hclsyntax.ObjectConsKeyExpr{Wrapped: key}, ValueExpr: value})
		switch c := p.space(); {
		case c == ',':
			p.token(1)
		case c == '}':
		case !p.lineEnd() || p.pos == len(p.src):
			return nil, false
		}
	}
	p.token(1)
	o.SrcRange = p.between(open.Start, p.end)
	return o, true
}
