package numbers

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

type lexer func(src []byte, filename string, start hcl.Pos) (hclsyntax.Tokens, hcl.Diagnostics)

// InConfig reports the first number of a configuration file that is beyond the bounds,
// or nil. It must be asked before the file is parsed.
func InConfig(src []byte, filename string) *hcl.Diagnostic {
	return find(src, filename, hclsyntax.LexConfig)
}

// InTemplate is InConfig of a template.
func InTemplate(src []byte, filename string) *hcl.Diagnostic {
	return find(src, filename, hclsyntax.LexTemplate)
}

// InExpression is InConfig of an expression.
func InExpression(src []byte, filename string) *hcl.Diagnostic {
	return find(src, filename, hclsyntax.LexExpression)
}

func find(src []byte, filename string, lex lexer) *hcl.Diagnostic {
	if !suspicious(src) {
		return nil
	}
	tokens, _ := lex(src, filename, hcl.InitialPos)
	for _, t := range tokens {
		if t.Type != hclsyntax.TokenNumberLit {
			continue
		}
		err := Beyond(string(t.Bytes))
		if err != nil {
			return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Number too large or too small", Subject: t.Range.Ptr(),
				Detail: fmt.Sprintf("This is %s.", err)}
		}
	}
	return nil
}

// suspicious is a cheap bound: a number that is refused has many digits, or an exponent
// of four.
func suspicious(src []byte) bool {
	run, inName := 0, false // digits, and whether they are the end of a name
	for i, c := range src {
		switch {
		case '0' <= c && c <= '9':
			if run++; run > MaxExponent {
				return true
			}
			continue
		case c == '.':
			continue
		case (c == 'e' || c == 'E') && run > 0 && !inName && digitsAfter(src[i+1:]) >= 4:
			return true
		}
		run = 0
		inName = c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
	}
	return false
}

// digitsAfter is how many digits an exponent has.
func digitsAfter(src []byte) int {
	n := 0
	for i, c := range src {
		if '0' <= c && c <= '9' {
			n++
		} else if i > 0 || c != '+' && c != '-' {
			break
		}
	}
	return n
}
