// Package selector is the language of label expressions: "zone in (a, b) and !spot".
//
//	expression = term { ("or" | "||") term }
//	term       = factor { ("and" | "&&" | ",") factor }
//	factor     = ("not" | "!") factor | "(" expression ")" | test
//	test       = key [ ("=" | "==" | "!=") value | ["not"] "in" "(" value { "," value } ")" | "notin" "(" … ")" ]
//
// A key alone asks whether the label exists. As in Kubernetes, != and notin also
// hold where the label is absent. Keys and values are words of letters, digits,
// and - _ . / or, for anything else, quoted strings.
package selector

import (
	"fmt"
	"slices"
	"strings"
)

// Expr is a parsed expression. The zero value matches everything. Immutable.
type Expr struct {
	root node
}

// node is one operation of an expression.
type node interface {
	match(labels map[string]string) bool
	write(b *strings.Builder)
}

type (
	all    []node
	anyOf  []node
	not    struct{ of node }
	exists string
	within struct { // key in (values); with negated: notin
		key     string
		values  []string
		negated bool
	}
)

// Match reports whether labels satisfy the expression.
func (e *Expr) Match(labels map[string]string) bool {
	return e == nil || e.root == nil || e.root.match(labels)
}

func (a all) match(l map[string]string) bool {
	return !slices.ContainsFunc(a, func(n node) bool { return !n.match(l) })
}

func (a anyOf) match(l map[string]string) bool {
	return slices.ContainsFunc(a, func(n node) bool { return n.match(l) })
}

func (n not) match(l map[string]string) bool { return !n.of.match(l) }

func (e exists) match(l map[string]string) bool {
	_, ok := l[string(e)]
	return ok
}

func (w within) match(l map[string]string) bool {
	v, ok := l[w.key]
	return (ok && slices.Contains(w.values, v)) != w.negated
}

// Keys are the labels that the expression asks for, sorted.
func (e *Expr) Keys() []string {
	var keys []string
	var walk func(n node)
	walk = func(n node) {
		switch n := n.(type) {
		case all:
			for _, c := range n {
				walk(c)
			}
		case anyOf:
			for _, c := range n {
				walk(c)
			}
		case not:
			walk(n.of)
		case exists:
			keys = append(keys, string(n))
		case within:
			keys = append(keys, n.key)
		}
	}
	if e != nil {
		walk(e.root)
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// String is the expression in its usual form; parsing it gives the same expression.
func (e *Expr) String() string {
	if e == nil || e.root == nil {
		return ""
	}
	var b strings.Builder
	e.root.write(&b)
	return b.String()
}

func (a all) write(b *strings.Builder)   { writeList(b, a, " and ") }
func (a anyOf) write(b *strings.Builder) { writeList(b, a, " or ") }

func writeList(b *strings.Builder, list []node, between string) {
	for n, c := range list {
		if n > 0 {
			b.WriteString(between)
		}
		writeInner(b, c)
	}
}

// writeInner puts a list within a list into parentheses.
func writeInner(b *strings.Builder, n node) {
	switch n.(type) {
	case all, anyOf:
		b.WriteByte('(')
		n.write(b)
		b.WriteByte(')')
	default:
		n.write(b)
	}
}

func (n not) write(b *strings.Builder) {
	b.WriteByte('!')
	writeInner(b, n.of)
}

func (e exists) write(b *strings.Builder) { b.WriteString(quote(string(e))) }

func (w within) write(b *strings.Builder) {
	b.WriteString(quote(w.key))
	if len(w.values) == 1 {
		b.WriteString(map[bool]string{false: " = ", true: " != "}[w.negated])
		b.WriteString(quote(w.values[0]))
		return
	}
	b.WriteString(map[bool]string{false: " in (", true: " notin ("}[w.negated])
	for n, v := range w.values {
		if n > 0 {
			b.WriteString(", ")
		}
		b.WriteString(quote(v))
	}
	b.WriteByte(')')
}

// quote leaves plain words as they are.
func quote(s string) string {
	plain := s != "" && !isKeyword(s) && strings.IndexFunc(s, func(r rune) bool { return !isWord(r) }) < 0
	if plain {
		return s
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// Error says what is wrong and where.
type Error struct {
	Text   string
	Column int // from 1, in bytes
	Why    string
}

// Error quotes the expression, and names the column.
func (e *Error) Error() string {
	return fmt.Sprintf("the label expression %q, column %d: %s", e.Text, e.Column, e.Why)
}
