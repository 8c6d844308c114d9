// Package nesting bounds how deep configuration files and templates nest.
// Parsing and evaluation recurse, some 4 kB of stack per level, and Go ends the
// process at 1 GB of stack: there is no error to return from there.
package nesting

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// Max is the number of levels that are accepted.
const Max = 10_000

// InConfig returns where a configuration file nests deeper than Max, or nil.
func InConfig(src []byte, filename string) *hcl.Range {
	if !mayBeTooDeep(src) {
		return nil
	}
	tokens, _ := hclsyntax.LexConfig(src, filename, hcl.InitialPos)
	return tooDeep(tokens)
}

// InTemplate returns where a template nests deeper than Max, or nil.
func InTemplate(src []byte, filename string) *hcl.Range {
	if !mayBeTooDeep(src) {
		return nil
	}
	tokens, _ := hclsyntax.LexTemplate(src, filename, hcl.InitialPos)
	return tooDeep(tokens)
}

// InExpression returns where an expression nests deeper than Max, or nil.
func InExpression(src []byte, filename string) *hcl.Range {
	if !mayBeTooDeep(src) {
		return nil
	}
	tokens, _ := hclsyntax.LexExpression(src, filename, hcl.InitialPos)
	return tooDeep(tokens)
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
