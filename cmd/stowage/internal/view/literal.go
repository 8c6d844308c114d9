package view

import (
	"bytes"
	"regexp"
	"slices"
	"sort"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/lang/schema"
	"github.com/stowage-iac/stowage/lang/testfile"
)

// literals finds the parts of a file, between two offsets, that may hold a sensitive value
// as it stands. Snippets leave them out:
//   - in a configuration the literals in arguments that their schema calls sensitive, and
//     in the defaults of sensitive variables;
//   - in what the error is about, if that is the value of something sensitive;
//   - in a file of values all values: which of its variables are sensitive is not known here.
//
// Where a file breaks the syntax, as in password: "x", what was read of it may be anything.
// There the tokens of each line tell, too.
func literals(file *hcl.File, schemas map[string]*schema.Block, subject hcl.Range, secret bool, from, to int) []hcl.Range {
	body, name := lang.Syntax(file), subject.Filename
	if body == nil || name == "<console>" { // who reads this has typed it
		return nil
	}
	m := masks{src: file.Bytes, from: from, to: to}
	if secret {
		m.tokens(subject.Start.Byte, subject.End.Byte, false)
	}
	if strings.HasSuffix(name, lang.Suffix) || strings.HasSuffix(name, testfile.Suffix) || name == "<stdin>" {
		m.config(body, schemas)
		if lang.Broken(file) {
			m.lines(func(at int) bool { return m.nearSecret(at, schemas) })
		}
	} else {
		m.arguments(body, func(string) bool { return true }, true)
		if lang.Broken(file) {
			m.lines(func(int) bool { return true })
		}
	}
	sort.Slice(m.found, func(i, j int) bool { return m.found[i].Start.Byte < m.found[j].Start.Byte })
	return joined(m.found, file.Bytes)
}

// masks collects what is left out of [from, to) of a source.
type masks struct {
	src      []byte
	from, to int
	found    []hcl.Range
}

func (m *masks) overlap(r hcl.Range) bool { return r.Start.Byte < m.to && m.from < r.End.Byte }

func (m *masks) config(body *hclsyntax.Body, schemas map[string]*schema.Block) {
	for _, block := range body.Blocks {
		if !m.overlap(wholeOf(block)) {
			continue
		}
		if s := schemas[block.Type]; s != nil {
			m.block(block.Body, s)
		}
		if block.Type == "variable" && (isSet(block.Body.Attributes["sensitive"]) || isSet(block.Body.Attributes["ephemeral"])) {
			m.arguments(block.Body, func(name string) bool { return name == "default" }, false)
		}
	}
}

func (m *masks) block(body *hclsyntax.Body, s *schema.Block) {
	m.arguments(body, func(name string) bool { a := s.Attributes[name]; return a != nil && a.Sensitive }, false)
	for _, b := range body.Blocks {
		if nb := s.Blocks[b.Type]; nb != nil && m.overlap(wholeOf(b)) {
			m.block(b.Body, &nb.Block)
		}
	}
}

// arguments leaves out the values of arguments, with references where they can only be texts
// that lack their quotes.
func (m *masks) arguments(body *hclsyntax.Body, sensitive func(name string) bool, references bool) {
	for _, a := range body.Attributes {
		if m.overlap(a.SrcRange) && sensitive(a.Name) {
			m.tokens(a.EqualsRange.End.Byte, a.SrcRange.End.Byte, references)
		}
	}
}

// lines leaves out the values of the lines that may hold secrets, each told by its offset.
func (m *masks) lines(secret func(at int) bool) {
	for at := bytes.LastIndexByte(m.src[:m.from], '\n') + 1; at < m.to; {
		end := m.to
		if n := bytes.IndexByte(m.src[at:end], '\n'); n >= 0 {
			end = at + n + 1
		}
		if text := bytes.TrimSpace(m.src[at:end]); len(text) > 0 && text[0] != '#' && !bytes.HasPrefix(text, []byte("//")) && secret(at) {
			m.tokens(at, end, true)
		}
		at = end
	}
}

// nearSecret reports whether a line of a broken configuration may be one of a block that has
// sensitive arguments: the last word at the beginning of a line, up to it, is not a block that has none.
func (m *masks) nearSecret(at int, schemas map[string]*schema.Block) bool {
	end := len(m.src)
	if n := bytes.IndexByte(m.src[at:], '\n'); n >= 0 {
		end = at + n
	}
	found := beginsBlock.FindAll(m.src[max(0, at-maxLexed):end], -1)
	if len(found) == 0 {
		return true
	}
	word := string(found[len(found)-1])
	if s := schemas[word]; s != nil {
		return hasSensitive(s)
	}
	return !slices.Contains(harmless, word)
}

var (
	beginsBlock = regexp.MustCompile(`(?m)^[^\s#/})\]][^\s{]*`)
	// harmless are the blocks that are no resources and have no sensitive arguments.
	harmless = []string{"check", "data", "host", "import", "locals", "module", "moved", "output", "removed", "run"}
)

// hasSensitive reports whether a block has sensitive arguments.
func hasSensitive(s *schema.Block) bool {
	for _, a := range s.Attributes {
		if a.Sensitive {
			return true
		}
	}
	for _, b := range s.Blocks {
		if hasSensitive(&b.Block) {
			return true
		}
	}
	return false
}

// maxLexed bounds the text of which the tokens are looked at; of a larger one it is only the line shown.
const maxLexed = 1 << 20

// tokens leaves out the literals between two offsets, and words that are not the name of something, if
// they are wanted.
func (m *masks) tokens(from, to int, words bool) {
	begin := bytes.LastIndexByte(m.src[:from], '\n') + 1
	first := len(bytes.TrimSpace(m.src[begin:from])) == 0
	if m.to-from > maxLexed {
		from, words = max(from, m.from), true
	}
	to = min(to, m.to)
	if from >= to {
		return
	}
	tokens, _ := hclsyntax.LexExpression(m.src[from:to], "", hcl.Pos{Line: 1, Column: 1, Byte: from})
	for i, t := range tokens {
		if !m.overlap(t.Range) {
			continue
		}
		switch t.Type {
		case hclsyntax.TokenIdent:
			if !words || isName(tokens[i:], first && i == 0) || slices.Contains([]string{"true", "false", "null"}, string(t.Bytes)) {
				continue
			}
		case hclsyntax.TokenQuotedLit, hclsyntax.TokenStringLit, hclsyntax.TokenNumberLit:
		case hclsyntax.TokenInvalid, hclsyntax.TokenBadUTF8, hclsyntax.TokenApostrophe, hclsyntax.TokenBacktick, hclsyntax.TokenSemicolon:
			if !words {
				continue
			}
		default:
			continue
		}
		m.found = append(m.found, t.Range)
	}
}

// isName reports whether the first of the tokens names a value.
func isName(tokens hclsyntax.Tokens, beginsLine bool) bool {
	switch tokens[min(1, len(tokens)-1)].Type {
	case hclsyntax.TokenEqual, hclsyntax.TokenColon:
		return true
	case hclsyntax.TokenOQuote, hclsyntax.TokenOBrace, hclsyntax.TokenOBrack, hclsyntax.TokenNumberLit:
		return beginsLine
	}
	return false
}

// joined makes one of neighbours with nothing but punctuation between them: parts of one text.
func joined(found []hcl.Range, src []byte) []hcl.Range {
	var out []hcl.Range
	for _, r := range found {
		if n := len(out); n > 0 && !bytes.ContainsAny(src[min(out[n-1].End.Byte, r.Start.Byte):r.Start.Byte], " \t\r\n\",=:(){}[]") {
			out[n-1].End.Byte = max(out[n-1].End.Byte, r.End.Byte)
			continue
		}
		out = append(out, r)
	}
	return out
}

// wholeOf is where a block is; one that is not closed ends with its body.
func wholeOf(b *hclsyntax.Block) hcl.Range { return hcl.RangeOver(b.Range(), b.Body.Range()) }

// isSet reports whether an argument is there and not false.
func isSet(a *hclsyntax.Attribute) bool {
	if a == nil {
		return false
	}
	v, diags := a.Expr.Value(nil)
	return diags.HasErrors() || v.Type() != cty.Bool || !v.IsKnown() || v.IsNull() || v.True()
}

// maskLine splits a source line around [from, to) with the masked bytes replaced. start is the line's offset in its file.
func maskLine(text string, start, from, to int, masks []hcl.Range) (before, middle, after string) {
	var parts [3][]byte
	which := func(i int) int {
		switch {
		case i < from:
			return 0
		case i < to:
			return 1
		}
		return 2
	}
	masked := -1
	for i := 0; i < len(text); i++ {
		m, is := within(masks, start+i)
		if !is {
			parts[which(i)] = append(parts[which(i)], text[i])
			masked = -1
			continue
		}
		if masked != m.Start.Byte {
			parts[which(i)] = append(parts[which(i)], sensitiveText...)
		}
		masked = m.Start.Byte
	}
	return printable(string(parts[0])), printable(string(parts[1])), printable(string(parts[2]))
}

func within(masks []hcl.Range, at int) (hcl.Range, bool) {
	for _, m := range masks {
		if m.Start.Byte <= at && at < m.End.Byte {
			return m, true
		}
	}
	return hcl.Range{}, false
}
