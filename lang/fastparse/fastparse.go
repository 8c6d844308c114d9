// Package fastparse parses what most configuration files are made of, in an eighth of the
// time that hclsyntax.ParseConfig takes: blocks and arguments whose values are strings
// without escapes, whole numbers, true, false, null, lists, objects and references. Of such a
// file Config builds exactly the tree that ParseConfig builds, to the last range; of any
// other, wrong ones included, it builds none, and ParseConfig has to. It knows nothing
// of the language that ParseConfig does not: a test compares the two on every file of the
// repository, and a fuzz target on all that looks like one. docs/adr/0010 says why it is.
package fastparse

import (
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// maxDepth is how deep a file may nest here, blocks and values together.
const maxDepth = 100

// Config returns what hclsyntax.ParseConfig(src, filename, hcl.InitialPos) returns for a
// file that it finds no fault with; nil if the file holds anything that this package
// leaves to it.
func Config(src []byte, filename string) *hcl.File {
	p := &parser{src: string(src), filename: filename, line: 1, lines: true, numbers: map[string]cty.Value{}}
	p.space()
	start := p.at()
	body, ok := p.body(start, true)
	if !ok {
		return nil
	}
	// Only ParseConfig can make the Nav of a file, which leads to the body.
	file, _ := hclsyntax.ParseConfig(nil, filename, hcl.InitialPos)
	*file.Body.(*hclsyntax.Body) = *body
	file.Bytes = src
	return file
}

// parser is at a place in a file. Its methods that return ok leave the file to
// ParseConfig when that is false.
type parser struct {
	src       string // names and strings are parts of it
	filename  string
	pos       int // of the next byte
	line      int
	lineStart int     // position of the first byte of the line
	end       hcl.Pos // of the last token
	lines     bool    // the end of a line matters
	depth     int
	numbers   map[string]cty.Value // literals met so far
}

// place is what lookahead goes back to.
type place struct{ pos, line, lineStart int }

func (p *parser) here() place   { return place{p.pos, p.line, p.lineStart} }
func (p *parser) back(to place) { p.pos, p.line, p.lineStart = to.pos, to.line, to.lineStart }

// at is the position of the next byte. All before it on its line are ASCII: each is a
// column.
func (p *parser) at() hcl.Pos {
	return hcl.Pos{Line: p.line, Column: p.pos - p.lineStart + 1, Byte: p.pos}
}

func (p *parser) between(start, end hcl.Pos) hcl.Range {
	return hcl.Range{Filename: p.filename, Start: start, End: end}
}

// next is the next byte, 0 at the end.
func (p *parser) next() byte {
	if p.pos < len(p.src) {
		return p.src[p.pos]
	}
	return 0
}

// follows reports whether the byte after the next one is one of these.
func (p *parser) follows(any string) bool {
	if p.pos+1 >= len(p.src) {
		return false
	}
	for i := 0; i < len(any); i++ {
		if p.src[p.pos+1] == any[i] {
			return true
		}
	}
	return false
}

// space passes over what does not matter, and over ends of lines where these do not, and
// returns the next byte; that of a comment where the end of its line matters.
func (p *parser) space() byte {
	for {
		switch c := p.next(); {
		case c == ' ' || c == '\t':
			p.pos++
		case c == '\n' && !p.lines:
			p.newline()
		case p.comment() && !p.lines:
			if !p.skipComment() {
				return c
			}
		default:
			return c
		}
	}
}

// blank passes over empty lines and comments and returns the next byte.
func (p *parser) blank() byte {
	p.lines = false
	c := p.space()
	p.lines = true
	return c
}

func (p *parser) newline() {
	p.pos++
	p.line++
	p.lineStart = p.pos
}

// comment reports whether a comment of one line begins here.
func (p *parser) comment() bool {
	return p.next() == '#' || p.next() == '/' && p.follows("/")
}

// skipComment passes over a comment with the end of its line. It does not move if there
// is none, or if ParseConfig may count the lines otherwise.
func (p *parser) skipComment() bool {
	n := strings.IndexByte(p.src[p.pos:], '\n')
	if n < 0 || strings.IndexByte(p.src[p.pos:p.pos+n], '\r') >= 0 || !utf8.ValidString(p.src[p.pos:p.pos+n]) {
		return false
	}
	p.pos += n
	p.newline()
	return true
}

// lineEnd passes over the end of a line, with a comment before it, or is at the end of
// the file.
func (p *parser) lineEnd() bool {
	switch c := p.space(); {
	case c == '\n':
		p.newline()
		return true
	case p.comment():
		return p.skipComment()
	}
	return p.pos == len(p.src)
}

// token passes over n bytes, which are a token of their own.
func (p *parser) token(n int) hcl.Range {
	start := p.at()
	p.pos += n
	p.end = p.at()
	return p.between(start, p.end)
}

func letter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' }
func digit(c byte) bool  { return '0' <= c && c <= '9' }

// word passes over a name.
func (p *parser) word() (string, hcl.Range) {
	i := p.pos
	for i < len(p.src) && (letter(p.src[i]) || digit(p.src[i]) || p.src[i] == '-') {
		i++
	}
	text := p.src[p.pos:i]
	return text, p.token(i - p.pos)
}

// quoted passes over a string without escapes or templates.
func (p *parser) quoted() (string, hcl.Range, bool) {
	open := p.token(1)
	text, _, ok := p.literal()
	if !ok || p.next() != '"' {
		return "", hcl.Range{}, false
	}
	p.token(1)
	return text, p.between(open.Start, p.end), true
}
