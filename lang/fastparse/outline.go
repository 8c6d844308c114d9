package fastparse

import (
	"hash/maphash"
	"strings"
	"sync"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hcled"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang/numbers"
)

// Outlined is a file whose blocks are parsed as far as was needed.
type Outlined struct {
	Blocks   []*hclsyntax.Block // those that were parsed, in the order of the file
	Sketches []*Sketch          // the others
	src      []byte
	filename string
}

// Sketch is a block that was not parsed: where it is, and which of its literals may differ
// from those of another block that reads the same otherwise.
type Sketch struct {
	Kind, Label string
	in          *parser // of its file, at no place in particular
	start       place   // of the kind
	label, end  int32   // positions of the label's text and of the end of the block
	hash        uint64  // of all but label and gaps
	gaps        []gap
}

// gap is a literal that may be another in a block of the same shape.
type gap struct {
	start, end int32 // of the text, without quotes
	number     bool  // a whole number, else a text
}

// Outline is Config that does not parse the blocks of a kind that sketch accepts, as far as
// it can tell what is in them. It says nothing of whether these would parse. nil if the rest
// is left to ParseConfig.
func Outline(src []byte, filename string, sketch func(kind string) bool) *Outlined {
	p := &parser{src: string(src), filename: filename, line: 1, lines: true, numbers: map[string]cty.Value{}}
	out := &Outlined{src: src, filename: filename}
	body := &hclsyntax.Body{Attributes: hclsyntax.Attributes{}}
	shared := &parser{src: p.src, filename: filename, numbers: map[string]cty.Value{}}
	for {
		c := p.blank()
		switch {
		case p.pos == len(p.src):
			out.Blocks = body.Blocks
			return out
		case !letter(c):
			return nil
		}
		start := p.here()
		if kind, _ := p.word(); sketch(kind) {
			if s := p.sketch(kind, start); s != nil {
				s.in = shared
				out.Sketches = append(out.Sketches, s)
				continue
			}
		}
		p.back(start)
		if !p.item(body) || len(body.Attributes) > 0 {
			return nil
		}
	}
}

// File is the whole file, parsed when somebody asks what is in it.
func (o *Outlined) File() *hcl.File {
	b := &lazyBody{o: o}
	return &hcl.File{Body: b, Bytes: o.src, Nav: b}
}

var seed = maphash.MakeSeed()

// sketch passes over a block from after its kind, with the end of its line. It returns nil
// where it is not sure what it sees.
func (p *parser) sketch(kind string, start place) *Sketch {
	if p.space() != '"' {
		return nil
	}
	label, _, ok := p.quoted()
	if !ok || p.space() != '{' {
		return nil
	}
	s := &Sketch{Kind: kind, Label: label, start: start, label: int32(p.end.Byte - 1 - len(label))}
	from := int(s.label) + len(label)
	s.hash = maphash.String(seed, p.src[start.pos:s.label])
	leave := func(a, b int, number bool) {
		s.hash = s.hash*0x9E3779B97F4A7C15 ^ maphash.String(seed, p.src[from:a])
		s.gaps = append(s.gaps, gap{int32(a), int32(b), number})
		from = b
	}
	if !p.within(leave) {
		return nil
	}
	s.end = int32(p.pos)
	s.hash = s.hash*0x9E3779B97F4A7C15 ^ maphash.String(seed, p.src[from:p.pos])
	if !p.lineEnd() {
		return nil
	}
	return s
}

// within passes over a block from its opening to its closing brace, and tells of the
// literals that stand where a value does: after =, a comma or the bracket of a list.
func (p *parser) within(literal func(start, end int, number bool)) bool {
	var open [maxDepth]byte // the brackets around; 'i' for that of an index
	depth := 0
	last := byte(0) // that matters before this one: 'a' after a word
	src := p.src
	for p.pos < len(src) {
		c := src[p.pos]
		value := last == '=' || last == ',' || last == '['
		switch {
		case c == ' ' || c == '\t':
			p.pos++
			continue
		case c == '\n':
			p.newline()
			continue
		case letter(c):
			for p.pos++; p.pos < len(src) && (letter(src[p.pos]) || digit(src[p.pos]) || src[p.pos] == '-'); {
				p.pos++
			}
			last = 'a'
			continue
		case digit(c):
			start := p.pos
			for p.pos++; p.pos < len(src) && digit(src[p.pos]); {
				p.pos++
			}
			if p.pos-start > numbers.MaxExponent {
				return false
			}
			if value && !p.isKey() && !letter(p.next()) && p.next() != '.' {
				literal(start, p.pos, true)
			}
			last = 'a'
			continue
		case c == '"':
			start := p.pos + 1
			plain, ok := p.skipString()
			if !ok {
				return false
			}
			if value && plain && !p.isKey() {
				literal(start, p.pos-1, false)
			}
		case c == '[' && (last == 'a' || last == '"' || last == ']' || last == '}'):
			c = 'i'
			fallthrough
		case c == '{' || c == '[':
			if depth == maxDepth {
				return false
			}
			open[depth] = c
			depth++
			p.pos++
		case c == '}' || c == ']':
			if depth == 0 || (open[depth-1] == '{') != (c == '}') {
				return false
			}
			depth--
			p.pos++
			if depth == 0 {
				return true
			}
		case c == '=' || c == ',' || c == '.':
			p.pos++
		default:
			return false
		}
		last = c
	}
	return false
}

// isKey reports whether what comes next makes a key of an object of what was before.
func (p *parser) isKey() bool {
	rest := strings.TrimLeft(p.src[p.pos:min(len(p.src), p.pos+64)], " \t")
	return rest == "" || rest[0] == '=' || rest[0] == ':'
}

// skipString passes over a string; plain is false if there are values in it. It gives up on
// escapes, and on values with strings or objects in them.
func (p *parser) skipString() (plain, ok bool) {
	plain = true
	for p.pos++; p.pos < len(p.src); p.pos++ {
		switch c := p.src[p.pos]; {
		case c == '"':
			p.pos++
			return plain, true
		case c == '$' && p.follows("{"):
			plain = false
			n := strings.IndexByte(p.src[p.pos:], '}')
			if n < 0 || strings.ContainsAny(p.src[p.pos+2:p.pos+n], "\"{\n\r") {
				return false, false
			}
			p.pos += n
		case c < ' ' || c > '~' || c == '\\' || c == '$' || c == '%':
			return false, false
		}
	}
	return false, false
}

// Range is that of the kind and the label, as Block.DefRange.
func (s *Sketch) Range() hcl.Range {
	p := *s.in
	p.back(s.start)
	start := p.at()
	p.pos = int(s.label) + len(s.Label) + 1
	return p.between(start, p.at())
}

// Same reports whether two blocks read the same but for their labels and gaps.
func (s *Sketch) Same(as *Sketch) bool {
	if s.hash != as.hash || len(s.gaps) != len(as.gaps) || !same(s, as, s.start.pos, as.start.pos, s.label, as.label) {
		return false
	}
	a, b := int(s.label)+len(s.Label), int(as.label)+len(as.Label)
	for i, g := range s.gaps {
		if g.number != as.gaps[i].number || !same(s, as, a, b, g.start, as.gaps[i].start) {
			return false
		}
		a, b = int(g.end), int(as.gaps[i].end)
	}
	return same(s, as, a, b, s.end, as.end)
}

func same(s, as *Sketch, a, b int, aEnd, bEnd int32) bool {
	return s.in.src[a:aEnd] == as.in.src[b:bEnd]
}

// Hash is equal for blocks that are the same.
func (s *Sketch) Hash() uint64 { return s.hash }

// Gaps is how many literals may differ.
func (s *Sketch) Gaps() int { return len(s.gaps) }

// Gap is the position of a literal's text in the file, and the text.
func (s *Sketch) Gap(i int) (start int, text string, number bool) {
	g := s.gaps[i]
	return int(g.start), s.in.src[g.start:g.end], g.number
}

// Parse parses the block, with the ranges that it has in its file. nil if ParseConfig has to.
func (s *Sketch) Parse() *hclsyntax.Block {
	p := *s.in
	p.lines, p.numbers = true, map[string]cty.Value{}
	p.back(s.start)
	kind, rng := p.word()
	b, ok := p.block(kind, rng)
	if !ok || p.pos != int(s.end) {
		return nil
	}
	return b
}

// lazyBody is the body of a file that was outlined, and what leads to its blocks.
type lazyBody struct {
	o     *Outlined
	once  sync.Once
	whole *hcl.File
}

// Body is what is in a parsed or outlined file; nil if it is none of HCL's own syntax.
func Body(file *hcl.File) *hclsyntax.Body {
	switch b := file.Body.(type) {
	case *hclsyntax.Body:
		return b
	case *lazyBody:
		return Body(b.file())
	}
	return nil
}

func (b *lazyBody) file() *hcl.File {
	b.once.Do(func() {
		if b.whole = Config(b.o.src, b.o.filename); b.whole == nil {
			b.whole, _ = hclsyntax.ParseConfig(b.o.src, b.o.filename, hcl.InitialPos)
		}
	})
	return b.whole
}

// Content implements hcl.Body.
func (b *lazyBody) Content(s *hcl.BodySchema) (*hcl.BodyContent, hcl.Diagnostics) {
	return b.file().Body.Content(s)
}

// PartialContent implements hcl.Body.
func (b *lazyBody) PartialContent(s *hcl.BodySchema) (*hcl.BodyContent, hcl.Body, hcl.Diagnostics) {
	return b.file().Body.PartialContent(s)
}

// JustAttributes implements hcl.Body.
func (b *lazyBody) JustAttributes() (hcl.Attributes, hcl.Diagnostics) {
	return b.file().Body.JustAttributes()
}

// MissingItemRange implements hcl.Body.
func (b *lazyBody) MissingItemRange() hcl.Range { return b.file().Body.MissingItemRange() }

// ContextString is what hcled.ContextString asks for.
func (b *lazyBody) ContextString(offset int) string { return hcled.ContextString(b.file(), offset) }

// ContextDefRange is what hcled.ContextDefRange asks for.
func (b *lazyBody) ContextDefRange(offset int) hcl.Range {
	return hcled.ContextDefRange(b.file(), offset)
}
