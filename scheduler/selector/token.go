package selector

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

type tokenKind int

const (
	tokenEnd tokenKind = iota
	tokenWord
	tokenSign    // ( ) , ! = == != && ||
	tokenKeyword // and or not in notin
)

type token struct {
	kind tokenKind
	text string
	at   int // offset
}

func (t token) is(text string) bool {
	return (t.kind == tokenSign || t.kind == tokenKeyword) && t.text == text
}

// String is for messages.
func (t token) String() string {
	if t.kind == tokenEnd {
		return "the end"
	}
	return fmt.Sprintf("%q", t.text)
}

func isWord(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("-_./", r)
}

func isKeyword(s string) bool {
	switch s {
	case "and", "or", "not", "in", "notin":
		return true
	}
	return false
}

var signs = []string{"==", "!=", "&&", "||", "(", ")", ",", "!", "="} // longer ones first

// next reads a token.
func (p *parser) next() {
	for p.pos < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.pos]) >= 0 {
		p.pos++
	}
	start, rest := p.pos, p.text[p.pos:]
	if rest == "" {
		p.token = token{tokenEnd, "", start}
		return
	}
	if rest[0] == '"' {
		p.quoted()
		return
	}
	for _, s := range signs {
		if strings.HasPrefix(rest, s) {
			p.pos += len(s)
			p.token = token{tokenSign, s, start}
			return
		}
	}
	end := strings.IndexFunc(rest, func(r rune) bool { return !isWord(r) })
	if end < 0 {
		end = len(rest)
	}
	if end == 0 {
		r, _ := utf8.DecodeRuneInString(rest)
		p.fail(start, "%q does not belong into a label expression; quote it if it is part of a value", r)
		return
	}
	p.pos += end
	p.token = token{tokenWord, rest[:end], start}
	if isKeyword(rest[:end]) {
		p.token.kind = tokenKeyword
	}
}

// quoted reads a string; \ takes the next character as it is.
func (p *parser) quoted() {
	start := p.pos
	var b strings.Builder
	for n := start + 1; n < len(p.text); n++ {
		switch c := p.text[n]; {
		case c == '"':
			p.pos = n + 1
			p.token = token{tokenWord, b.String(), start}
			return
		case c == '\\' && n+1 < len(p.text):
			n++
			b.WriteByte(p.text[n])
		default:
			b.WriteByte(c)
		}
	}
	p.fail(start, "this quote is not closed")
}
