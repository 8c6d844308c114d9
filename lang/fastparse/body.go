package fastparse

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// body parses what is in a file, or in a block after its brace, with the closing one.
func (p *parser) body(start hcl.Pos, root bool) (*hclsyntax.Body, bool) {
	if p.depth++; p.depth > maxDepth {
		return nil, false
	}
	defer func() { p.depth-- }()
	b := &hclsyntax.Body{Attributes: hclsyntax.Attributes{}, Blocks: hclsyntax.Blocks{}}
	for {
		switch c := p.blank(); {
		case letter(c):
			if !p.item(b) {
				return nil, false
			}
		case c == '}' && !root:
			p.token(1)
			return p.closed(b, start), true
		case p.pos == len(p.src) && root:
			p.token(0)
			return p.closed(b, start), true
		default:
			return nil, false
		}
	}
}

func (p *parser) closed(b *hclsyntax.Body, start hcl.Pos) *hclsyntax.Body {
	b.SrcRange, b.EndRange = p.between(start, p.end), p.between(p.end, p.end)
	return b
}

// item parses an argument or a block, with the end of its line.
func (p *parser) item(into *hclsyntax.Body) bool {
	name, rng := p.word()
	if p.space() == '=' {
		a, ok := p.argument(name, rng)
		if !ok || into.Attributes[name] != nil || !p.lineEnd() {
			return false
		}
		into.Attributes[name] = a
		return true
	}
	b, ok := p.block(name, rng)
	if !ok || !p.lineEnd() {
		return false
	}
	into.Blocks = append(into.Blocks, b)
	return true
}

// argument parses an argument from its equals sign.
func (p *parser) argument(name string, rng hcl.Range) (*hclsyntax.Attribute, bool) {
	if p.follows("=>") {
		return nil, false
	}
	a := &hclsyntax.Attribute{Name: name, NameRange: rng, EqualsRange: p.token(1)}
	expr, ok := p.expression()
	if !ok {
		return nil, false
	}
	a.Expr, a.SrcRange = expr, p.between(rng.Start, p.end)
	return a, true
}

// block parses a block from its first label or brace.
func (p *parser) block(kind string, rng hcl.Range) (*hclsyntax.Block, bool) {
	b := &hclsyntax.Block{Type: kind, TypeRange: rng}
	for {
		label, at := "", hcl.Range{}
		switch c := p.space(); {
		case c == '{':
			b.OpenBraceRange = p.token(1)
			var ok bool
			b.Body, ok = p.inBraces(b.OpenBraceRange.Start)
			if !ok {
				return nil, false
			}
			b.CloseBraceRange = p.between(p.before(), p.end)
			return b, true
		case c == '"':
			var ok bool
			if label, at, ok = p.quoted(); !ok {
				return nil, false
			}
		case letter(c):
			label, at = p.word()
		default:
			return nil, false
		}
		b.Labels, b.LabelRanges = append(b.Labels, label), append(b.LabelRanges, at)
	}
}

// before is the position of the token of one byte that was the last.
func (p *parser) before() hcl.Pos {
	return hcl.Pos{Line: p.end.Line, Column: p.end.Column - 1, Byte: p.end.Byte - 1}
}

// inBraces parses a block's body after its opening brace, to the closing one.
func (p *parser) inBraces(start hcl.Pos) (*hclsyntax.Body, bool) {
	c := p.space()
	if !letter(c) {
		return p.body(start, false)
	}
	name, rng := p.word() // one argument on the same line
	if p.space() != '=' {
		return nil, false
	}
	a, ok := p.argument(name, rng)
	if !ok || p.space() != '}' {
		return nil, false
	}
	p.token(1)
	return &hclsyntax.Body{
		Attributes: hclsyntax.Attributes{name: a}, SrcRange: a.SrcRange, EndRange: p.between(a.SrcRange.End, a.SrcRange.End),
	}, true
}
