// Package nesting bounds what the parsing of configuration files and templates costs:
// how deep they nest, and what takes time by the square of its size. Parsing and
// evaluation recurse, some 4 kB of stack per level, and Go ends the process at 1 GB of
// stack: there is no error to return from there.
package nesting

import (
	"bytes"
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

const (
	// Max is the number of levels that are accepted.
	Max = 10_000
	// maxOpeners is how many beginnings of comments may follow the last end of one. The
	// scanner looks for the end of each, which may be in a text, up to the end of the file.
	maxOpeners = 100
	// maxCost bounds the cost of texts: four seconds, as measured with texts of 25,000 lines of
	// 40 bytes and of 128,000 lines of 2.
	maxCost = 1 << 35
)

// InConfig returns why a configuration file is not parsed, or nil.
func InConfig(src []byte, filename string) *hcl.Diagnostic {
	return find(src, filename, hclsyntax.LexConfig, bytes.Contains(src, []byte("<<")))
}

// InTemplate returns why a template is not parsed, or nil.
func InTemplate(src []byte, filename string) *hcl.Diagnostic {
	return find(src, filename, hclsyntax.LexTemplate, true)
}

// InExpression returns why an expression is not parsed, or nil.
func InExpression(src []byte, filename string) *hcl.Diagnostic {
	return find(src, filename, hclsyntax.LexExpression, bytes.Contains(src, []byte("<<")))
}

// EndsInComment reports whether the beginning of a configuration file ends within a comment.
func EndsInComment(head []byte, filename string) bool {
	return bytes.LastIndex(head, []byte("/*")) > bytes.LastIndex(head, []byte("*/")) && comment(head, filename, hclsyntax.LexConfig) != nil
}

type lexer func(src []byte, filename string, start hcl.Pos) (hclsyntax.Tokens, hcl.Diagnostics)

func find(src []byte, filename string, lex lexer, texts bool) *hcl.Diagnostic {
	if at := unclosed(src, filename, lex); at != nil {
		return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Unclosed comment", Subject: at,
			Detail: "A comment begins here, and no */ ends it."}
	}
	texts = texts && cost(bytes.Count(src, []byte("\n")), len(src)) > maxCost
	if !texts && !mayBeTooDeep(src) {
		return nil
	}
	tokens, _ := lex(src, filename, hcl.InitialPos)
	if at := tooDeep(tokens); at != nil {
		return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Nested too deeply", Subject: at,
			Detail: fmt.Sprintf("Expressions and blocks nest more than %d levels here. Use locals for parts of it.", Max)}
	}
	if !texts {
		return nil
	}
	if at, lines, size := tooLong(tokens); at != nil {
		return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Text too long", Subject: at,
			Detail: fmt.Sprintf("A text of %d lines with %d bytes begins here: it would take long to parse. Put it into a file of its own, and read that with file().", lines, size)}
	}
	return nil
}

// unclosed returns the beginning of a comment without an end, where as many may begin within
// it that it takes time by the square of the file to search for the end of each.
func unclosed(src []byte, filename string, lex lexer) *hcl.Range {
	if bytes.Count(src[bytes.LastIndex(src, []byte("*/"))+1:], []byte("/*")) <= maxOpeners {
		return nil
	}
	return comment(src, filename, lex)
}

// comment returns the beginning of the comment in which a source ends, which takes all of
// the rest once there is an end behind the source.
func comment(src []byte, filename string, lex lexer) *hcl.Range {
	closed := append(append(make([]byte, 0, len(src)+3), src...), "\n*/"...)
	tokens, _ := lex(closed, filename, hcl.InitialPos)
	for _, t := range tokens {
		if t.Type == hclsyntax.TokenComment && t.Range.End.Byte > len(src) && bytes.HasPrefix(t.Bytes, []byte("/*")) {
			return &hcl.Range{Filename: filename, Start: t.Range.Start, End: t.Range.Start}
		}
	}
	return nil
}

// cost is that of a text without interpolations: the parser makes it of its lines one by one,
// and moves all that follow each time.
func cost(lines, size int) int { return lines * (size + 3*lines) }

// tooLong returns the text with which those of a file cost more than maxCost.
func tooLong(tokens hclsyntax.Tokens) (at *hcl.Range, lines, size int) {
	before := 0 // what the texts before cost
	for i := 0; i < len(tokens); i++ {
		if !isText(tokens[i]) {
			continue
		}
		first := tokens[i].Range
		for lines, size = 0, 0; i < len(tokens) && isText(tokens[i]); i++ {
			lines, size = lines+1, size+len(tokens[i].Bytes)
		}
		if before += cost(lines, size); before > maxCost {
			return &hcl.Range{Filename: first.Filename, Start: first.Start, End: first.Start}, lines, size
		}
	}
	return nil, 0, 0
}

func isText(t hclsyntax.Token) bool {
	return t.Type == hclsyntax.TokenStringLit || t.Type == hclsyntax.TokenQuotedLit
}

func tooDeep(tokens hclsyntax.Tokens) *hcl.Range {
	// Each open bracket is a level, and so is each operator, closed bracket (a call,
	// an index) or template directive before the expression ends: all of these nest
	// in the tree. A comma ends an expression, the end of a line only outside of
	// parentheses, tuples and interpolations.
	type level struct {
		open hclsyntax.TokenType
		ops  int
	}
	levels := []level{{open: hclsyntax.TokenOBrace}}
	depth := 0
	for _, t := range tokens {
		top := &levels[len(levels)-1]
		switch t.Type {
		case hclsyntax.TokenOParen, hclsyntax.TokenOBrack, hclsyntax.TokenOBrace,
			hclsyntax.TokenOQuote, hclsyntax.TokenOHeredoc,
			hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl:
			levels = append(levels, level{open: t.Type})
			depth++
		case hclsyntax.TokenCParen, hclsyntax.TokenCBrack, hclsyntax.TokenCBrace,
			hclsyntax.TokenCQuote, hclsyntax.TokenCHeredoc, hclsyntax.TokenTemplateSeqEnd:
			if len(levels) == 1 {
				continue
			}
			depth -= top.ops + 1
			if top.open != hclsyntax.TokenTemplateInterp {
				levels[len(levels)-2].ops++
				depth++
			}
			levels = levels[:len(levels)-1]
		case hclsyntax.TokenComma:
			depth -= top.ops
			top.ops = 0
		case hclsyntax.TokenNewline:
			if top.open == hclsyntax.TokenOBrace {
				depth -= top.ops
				top.ops = 0
			}
		case hclsyntax.TokenIdent, hclsyntax.TokenNumberLit, hclsyntax.TokenQuotedLit,
			hclsyntax.TokenStringLit, hclsyntax.TokenDot, hclsyntax.TokenEqual, hclsyntax.TokenComment:
		default:
			top.ops++
			depth++
		}
		if depth > Max {
			return t.Range.Ptr()
		}
	}
	return nil
}

// mayBeTooDeep is a cheap bound: every level costs at least one of these bytes.
func mayBeTooDeep(src []byte) bool {
	if len(src) <= Max {
		return false
	}
	n := 0
	for _, b := range src {
		switch b {
		case '(', '[', '{', '"', '!', '?', '+', '-', '*', '/', '%', '<', '>', '=', '&', '|', ':':
			n++
		}
	}
	return n > Max
}
