package markdown

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// code writes text as inline code, on one line. Only HTML's own element keeps a
// table's bars and backquotes out of trouble in all Markdown dialects.
func code(s string) string {
	if s == "" {
		return ""
	}
	return "<code>" + entities(strings.Join(strings.Fields(s), " "), false) + "</code>"
}

// prose writes text that is no code. A mention or an issue's number in it does
// not become one: a space of no width parts it.
func prose(s string) string { return entities(s, true) }

// entities replaces all punctuation that means something to Markdown or HTML
// anywhere. A character that is written as an entity never is markup.
func entities(s string, part bool) string {
	var b strings.Builder
	begins, number := true, false // a line, and it with digits
	for i, r := range s {
		switch {
		case strings.ContainsRune("<>&\"'`|*_[]()~@#\\!:$^{}=", r), begins && strings.ContainsRune("-+", r), r == '.' && (number || strings.HasSuffix(s[:i], "www")):
			fmt.Fprintf(&b, "&#%d;", r)
			if part && strings.ContainsRune("@#!$~", r) {
				b.WriteRune('\u200b')
			}
		case r == '\r' || r == utf8.RuneError:
			b.WriteRune('·')
		default:
			b.WriteRune(r)
		}
		number = (begins || number) && r >= '0' && r <= '9'
		begins = r == '\n' || begins && (r == ' ' || r == '\t')
	}
	return b.String()
}

// short cuts text to n bytes at a character, and marks that.
func short(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}

// longestRun is the length of the longest run of a character.
func longestRun(s string, c byte) int {
	longest, run := 0, 0
	for i := range len(s) {
		if s[i] != c {
			run = 0
			continue
		}
		run++
		longest = max(longest, run)
	}
	return longest
}
