package selector

import (
	"fmt"
	"strings"
)

// maxDepth bounds parentheses and negations, so that no text can exhaust the stack.
const maxDepth = 100

// Parse parses an expression; "" matches everything. Errors are *Error.
func Parse(text string) (*Expr, error) {
	if strings.TrimSpace(text) == "" {
		return &Expr{}, nil
	}
	p := &parser{text: text}
	p.next()
	root := p.expression()
	if p.err == nil && p.token.kind != tokenEnd {
		p.fail(p.token.at, `"and", "or" or the end is expected, not %s`, p.token)
	}
	if p.err != nil {
		return nil, p.err
	}
	return &Expr{root}, nil
}

type parser struct {
	text  string
	pos   int // behind token
	token token
	depth int
	err   error // the first
}

// fail notes the first error and ends the input.
func (p *parser) fail(at int, format string, args ...any) {
	if p.err == nil {
		p.err = &Error{Text: p.text, Column: at + 1, Why: fmt.Sprintf(format, args...)}
	}
	p.token, p.pos = token{kind: tokenEnd, at: len(p.text)}, len(p.text)
}

// keyword takes one of the words or signs.
func (p *parser) keyword(texts ...string) bool {
	for _, t := range texts {
		if p.token.is(t) {
			p.next()
			return true
		}
	}
	return false
}

func (p *parser) expression() node {
	if p.depth++; p.depth > maxDepth {
		p.fail(p.token.at, "it is nested too deeply")
	}
	defer func() { p.depth-- }()
	list := anyOf{p.term()}
	for p.keyword("or", "||") {
		list = append(list, p.term())
	}
	if len(list) == 1 {
		return list[0]
	}
	return list
}

func (p *parser) term() node {
	list := all{p.factor()}
	for p.keyword("and", "&&", ",") {
		list = append(list, p.factor())
	}
	if len(list) == 1 {
		return list[0]
	}
	return list
}

func (p *parser) factor() node {
	negations := 0
	for p.keyword("not", "!") {
		negations++
	}
	n := p.operand()
	if negations%2 == 1 {
		return not{n}
	}
	return n
}

func (p *parser) operand() node {
	if !p.token.is("(") {
		return p.test()
	}
	at := p.token.at
	p.next()
	n := p.expression()
	if !p.keyword(")") {
		p.fail(at, `this "(" is not closed`)
	}
	return n
}

func (p *parser) test() node {
	if p.token.kind != tokenWord {
		p.fail(p.token.at, "a label's name is expected, not %s", p.token)
		return exists("")
	}
	key := p.token.text
	p.next()
	switch {
	case p.keyword("=", "=="):
		return within{key, []string{p.value()}, false}
	case p.keyword("!="):
		return within{key, []string{p.value()}, true}
	case p.keyword("in"):
		return within{key, p.values(), false}
	case p.keyword("notin"):
		return within{key, p.values(), true}
	case p.keyword("not"):
		if !p.keyword("in") {
			p.fail(p.token.at, `"in" is expected after "%s not"`, key)
		}
		return within{key, p.values(), true}
	}
	return exists(key)
}

func (p *parser) value() string {
	if p.token.kind != tokenWord {
		p.fail(p.token.at, "a value is expected, not %s", p.token)
	}
	v := p.token.text
	p.next()
	return v
}

func (p *parser) values() []string {
	if !p.keyword("(") {
		p.fail(p.token.at, "a list of values in parentheses is expected, not %s", p.token)
	}
	list := []string{p.value()}
	for p.keyword(",") {
		list = append(list, p.value())
	}
	if !p.keyword(")") {
		p.fail(p.token.at, `"," or ")" is expected, not %s`, p.token)
	}
	return list
}
