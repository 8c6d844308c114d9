// Package format is the canonical layout of configuration files: what
// terraform fmt does, applied to the language.
package format

import (
	"bytes"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
)

// Source returns src, which must be free of syntax errors, in the canonical
// layout: two spaces of indentation a level, aligned equals signs and comments,
// names of blocks in quotes, no template around a lone expression, no blank
// lines at the beginning and end of files and blocks and at most one in between.
// Formatting what is formatted changes nothing.
func Source(src []byte) []byte {
	out := bytes.ReplaceAll(src, []byte("\r\n"), []byte("\n"))
	// Spacing is a matter of tokens and their neighbours: a second round can still
	// find something to do after the first.
	for range 8 {
		next := once(out)
		if bytes.Equal(next, out) {
			break
		}
		out = next
	}
	return out
}

func once(src []byte) []byte {
	file, diags := hclwrite.ParseConfig(src, "", hcl.InitialPos)
	if diags.HasErrors() {
		return src
	}
	normalize(file.Body())
	out := hclwrite.Format(file.Bytes())
	return blankLines(out)
}

// normalize rewrites what spacing alone does not reach.
func normalize(body *hclwrite.Body) {
	for name, attr := range body.Attributes() {
		if inner := unwrapped(attr.Expr().BuildTokens(nil)); inner != nil {
			body.SetAttributeRaw(name, inner)
		}
	}
	for _, block := range body.Blocks() {
		// SetLabels writes names that are bare words in quotes.
		if labels := block.Labels(); len(labels) > 0 && bareLabels(block) {
			block.SetLabels(labels)
		}
		normalize(block.Body())
	}
}

func bareLabels(block *hclwrite.Block) bool {
	for i, t := range block.BuildTokens(nil) {
		switch {
		case t.Type == hclsyntax.TokenOBrace:
			return false
		case i > 0 && t.Type == hclsyntax.TokenIdent:
			return true
		}
	}
	return false
}

// unwrapped returns the tokens of EXPR if the tokens are "${EXPR}" on one line, or nil.
func unwrapped(tokens hclwrite.Tokens) hclwrite.Tokens {
	n := len(tokens)
	if n < 5 ||
		tokens[0].Type != hclsyntax.TokenOQuote || string(tokens[1].Bytes) != "${" ||
		string(tokens[n-2].Bytes) != "}" || tokens[n-2].Type != hclsyntax.TokenTemplateSeqEnd ||
		tokens[n-1].Type != hclsyntax.TokenCQuote {
		return nil
	}
	inner := tokens[2 : n-2]
	depth := 0
	for _, t := range inner {
		switch t.Type {
		case hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl:
			depth++
		case hclsyntax.TokenTemplateSeqEnd:
			if depth--; depth < 0 {
				return nil // "${a}${b}"
			}
		case hclsyntax.TokenNewline, hclsyntax.TokenComment, hclsyntax.TokenOHeredoc:
			return nil
		}
	}
	return inner
}

// blankLines removes blank lines at the beginning and end of the file and of
// blocks, and all but one of several. Text in heredocs stays as it is.
func blankLines(src []byte) []byte {
	tokens, _ := hclsyntax.LexConfig(src, "", hcl.InitialPos)
	var out bytes.Buffer
	out.Grow(len(src))
	heredoc, newlines := 0, 2 // newlines before the token; the file begins as after a blank line
	copied := 0
	opened := false // the last token that counts opened a block
	for i, t := range tokens {
		switch t.Type {
		case hclsyntax.TokenOHeredoc:
			heredoc++
		case hclsyntax.TokenCHeredoc:
			heredoc--
		}
		if heredoc > 0 || t.Type != hclsyntax.TokenNewline {
			newlines, opened = 0, t.Type == hclsyntax.TokenOBrace
			if t.Type == hclsyntax.TokenComment && bytes.HasSuffix(t.Bytes, []byte("\n")) {
				newlines = 1 // a comment to the end of the line contains it
			}
			continue
		}
		newlines++
		next := nextToken(tokens, i)
		drop := newlines > 2 || newlines == 2 && (opened || next == hclsyntax.TokenCBrace || next == hclsyntax.TokenEOF)
		if drop {
			out.Write(src[copied:lineStart(src, t.Range.Start.Byte, copied)])
			copied = t.Range.End.Byte
		}
	}
	out.Write(src[copied:])
	trimmed := bytes.TrimRight(out.Bytes(), "\n \t")
	if len(trimmed) == 0 {
		return nil
	}
	return append(trimmed, '\n')
}

// lineStart goes back from a newline over the spaces of its empty line.
func lineStart(src []byte, at, floor int) int {
	for at > floor && (src[at-1] == ' ' || src[at-1] == '\t') {
		at--
	}
	return at
}

// nextToken is the type of the next token after i that is no newline.
func nextToken(tokens hclsyntax.Tokens, i int) hclsyntax.TokenType {
	for _, t := range tokens[i+1:] {
		if t.Type != hclsyntax.TokenNewline {
			return t.Type
		}
	}
	return hclsyntax.TokenEOF
}
