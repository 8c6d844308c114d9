// Package view renders for people and for programs: plans, diagnostics, states,
// outputs and the progress of an apply. It is the only package that knows
// colours, columns and words such as "will be created".
//
// Nothing here prints a sensitive value: whatever is marked, or declared
// sensitive by its schema, is rendered as (sensitive value), and a property test
// looks for a planted value in the output of every renderer.
package view

import (
	"io"
	"strings"

	"github.com/mitchellh/colorstring"

	"github.com/stowage-iac/stowage/lang/schema"
)

// View is how to render. The zero value is plain text of unlimited width.
type View struct {
	// Color allows escape sequences for colour and underlining.
	Color bool
	// Width is the terminal's width in columns, 0 when there is none to wrap to.
	Width int
	// Schemas of the kinds of resources, by kind. A kind without one is rendered by its value's type alone.
	Schemas map[string]*schema.Block
	// CompactWarnings shows of warnings their summaries and places only, unless there
	// are errors among them.
	CompactWarnings bool
}

// paint surrounds text with a colour (a name of colorstring: red, bold, …). The
// text itself is never parsed: brackets in it stay what they are.
func (v View) paint(color, text string) string {
	if !v.Color || text == "" {
		return text
	}
	return escape(color) + text + escape("reset")
}

// escape is the sequence that begins a colour.
func escape(color string) string { return "\x1b[" + colorstring.DefaultColors[color] + "m" }

// Bold emphasises text where the terminal can.
func (v View) Bold(text string) string { return v.paint("bold", text) }

// Success emphasises good news.
func (v View) Success(text string) string { return v.paint("green", text) }

// Failure emphasises bad news.
func (v View) Failure(text string) string { return v.paint("red", text) }

// wrap breaks text into lines of at most width columns at spaces. Lines that
// begin with a space are code or lists and stay as they are.
func wrap(text string, width int) string {
	if width <= 0 {
		return text
	}
	var out []string
	for _, line := range strings.Split(text, "\n") {
		if strings.HasPrefix(line, " ") {
			out = append(out, line)
			continue
		}
		out = append(out, wrapLine(line, width)...)
	}
	return strings.Join(out, "\n")
}

func wrapLine(line string, width int) []string {
	var lines []string
	var current strings.Builder
	used := 0
	for _, word := range strings.Fields(line) {
		n := columns(word)
		if used > 0 && used+1+n > width {
			lines = append(lines, current.String())
			current.Reset()
			used = 0
		}
		if used > 0 {
			current.WriteByte(' ')
			used++
		}
		current.WriteString(word)
		used += n
	}
	return append(lines, current.String())
}

// columns is the number of terminal columns that s takes, escape sequences not counted.
func columns[T string | []byte](s T) int {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' {
			return columnsOf(string(s))
		}
	}
	return len(s)
}

func columnsOf(s string) int {
	n, escape := 0, false
	for _, r := range s {
		switch {
		case escape:
			escape = r != 'm'
		case r == '\x1b':
			escape = true
		case wide(r):
			n += 2
		case r >= ' ' && !zeroWidth(r):
			n++
		}
	}
	return n
}

func zeroWidth(r rune) bool {
	return r >= 0x300 && r <= 0x36f || r >= 0x200b && r <= 0x200f || r >= 0xfe00 && r <= 0xfe0f
}

// wide tells the characters of two columns: CJK and emoji.
func wide(r rune) bool {
	return r >= 0x1100 && (r <= 0x115f || r >= 0x2e80 && r <= 0xa4cf || r >= 0xac00 && r <= 0xd7a3 ||
		r >= 0xf900 && r <= 0xfaff || r >= 0xfe30 && r <= 0xfe6f || r >= 0xff00 && r <= 0xff60 ||
		r >= 0x1f300 && r <= 0x1faff || r >= 0x20000 && r <= 0x3fffd)
}

// Table writes rows in columns.
func (v View) Table(w io.Writer, rows [][]string) error {
	_, err := io.WriteString(w, table("", rows))
	return err
}
