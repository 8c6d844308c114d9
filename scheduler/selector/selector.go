// Package selector is the language of label expressions: "zone in (a, b) and !spot".
package selector

// Expr is a parsed expression. The zero value matches everything.
type Expr struct{}

// Parse parses an expression; "" matches everything. Errors are *Error.
func Parse(text string) (*Expr, error) { return nil, nil }

// Match reports whether labels satisfy the expression.
func (e *Expr) Match(labels map[string]string) bool { return false }

// Error says what is wrong and where.
type Error struct {
	Text   string
	Column int // from 1, in bytes
	Why    string
}

func (e *Error) Error() string { return e.Why }
