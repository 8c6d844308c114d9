package fastparse

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// template parses a string, with values in it: "a ${b.c}".
func (p *parser) template() (hclsyntax.Expression, bool) {
	open := p.token(1)
	text, rng, ok := p.literal()
	if !ok {
		return nil, false
	}
	if p.next() == '"' {
		p.token(1)
		return p.constant(text, rng, p.between(open.Start, p.end)), true
	}
	var parts []hclsyntax.Expression
	if text != "" {
		parts = append(parts, &hclsyntax.LiteralValueExpr{Val: cty.StringVal(text), SrcRange: rng})
	}
	alone := text == "" // the value is all of the string
	for p.next() != '"' {
		e, ok := p.interpolation()
		if !ok {
			return nil, false
		}
		parts = append(parts, e)
		if text, rng, ok = p.literal(); !ok {
			return nil, false
		}
		if text != "" {
			parts = append(parts, &hclsyntax.LiteralValueExpr{Val: cty.StringVal(text), SrcRange: rng})
		}
	}
	p.token(1)
	outer := p.between(open.Start, p.end)
	if alone && len(parts) == 1 {
		return &hclsyntax.TemplateWrapExpr{Wrapped: parts[0], SrcRange: outer}, true
	}
	return &hclsyntax.TemplateExpr{Parts: parts, SrcRange: outer}, true
}

// constant is a template of nothing but a text.
func (p *parser) constant(text string, inner, outer hcl.Range) hclsyntax.Expression {
	if text == "" {
		inner = p.between(p.end, p.end) // so ParseConfig has it
	}
	t := &struct { // one allocation for the three
		template hclsyntax.TemplateExpr
		part     [1]hclsyntax.Expression
		literal  hclsyntax.LiteralValueExpr
	}{}
	t.literal = hclsyntax.LiteralValueExpr{Val: cty.StringVal(text), SrcRange: inner}
	t.part[0] = &t.literal
	t.template = hclsyntax.TemplateExpr{Parts: t.part[:], SrcRange: outer}
	return &t.template
}

// literal passes over text of a string without escapes, to the quote or value after it.
func (p *parser) literal() (string, hcl.Range, bool) {
	for i := p.pos; i < len(p.src); i++ {
		switch c := p.src[i]; {
		case c == '"', c == '$' && i+2 < len(p.src) && p.src[i+1] == '{' && p.src[i+2] != '~':
			text := p.src[p.pos:i]
			return text, p.token(i - p.pos), true
		case c < ' ' || c > '~' || c == '\\' || c == '$' || c == '%':
			return "", hcl.Range{}, false
		}
	}
	return "", hcl.Range{}, false
}

// interpolation parses ${ … }. Ends of lines do not matter within it.
func (p *parser) interpolation() (hclsyntax.Expression, bool) {
	p.token(2)
	lines := p.lines
	p.lines = false
	e, ok := p.expression()
	if !ok || p.space() != '}' {
		return nil, false
	}
	p.token(1)
	p.lines = lines
	return e, true
}
