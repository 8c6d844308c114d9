package view

import (
	"fmt"
	"io"
	"strings"
)

const (
	hideCursor = "\x1b[?25l"
	showCursor = "\x1b[?25h"
	clearBelow = "\x1b[J"
)

// screen keeps a few lines at the bottom of a terminal and redraws them in
// place. Before it moves up it asks for the width again, since a terminal that
// was made narrower has wrapped the lines that are there.
type screen struct {
	out    io.Writer
	size   func() (columns, rows int)
	drawn  []int // columns of the lines that are on the screen
	last   string
	hidden bool
}

// draw writes the finished text, which scrolls away, and below it the live lines.
func (s *screen) draw(finished string, live []string) {
	width, height := s.size()
	live = fit(live, width, height)
	text := strings.Join(live, "\n")
	if finished == "" && text == s.last && s.rows(width) == len(s.drawn) {
		return
	}
	var b strings.Builder
	if !s.hidden {
		b.WriteString(hideCursor)
		s.hidden = true
	}
	b.WriteString(s.home(width))
	if finished != "" {
		b.WriteString(finished + "\r\n")
	}
	s.drawn = s.drawn[:0]
	for _, l := range live {
		b.WriteString(l + "\r\n")
		s.drawn = append(s.drawn, columns(l))
	}
	s.last = text
	io.WriteString(s.out, b.String())
}

// home moves the cursor to where the live lines begin and clears them.
func (s *screen) home(width int) string {
	up := s.rows(width)
	if up == 0 {
		return "\r" + clearBelow
	}
	return fmt.Sprintf("\r\x1b[%dA", up) + clearBelow
}

// rows is how many rows the drawn lines take at a width.
func (s *screen) rows(width int) int {
	n := 0
	for _, c := range s.drawn {
		n += max(1, (c+width-1)/width)
	}
	return n
}

// end clears the live lines and shows the cursor again.
func (s *screen) end() {
	width, _ := s.size()
	out := s.home(width)
	if s.hidden {
		out += showCursor
	}
	s.drawn, s.last, s.hidden = nil, "", false
	io.WriteString(s.out, out)
}

// fit cuts live lines to the width and their number to the height, so that they can be drawn over again.
func fit(live []string, width, height int) []string {
	if most := max(1, height-2); len(live) > most {
		rest := len(live) - (most - 1)
		live = append(append([]string{}, live[:most-1]...), fmt.Sprintf("… and %d more", rest))
	}
	out := make([]string, len(live))
	for i, l := range live {
		out[i] = cut(l, width-1)
	}
	return out
}

// cut shortens text to n columns.
func cut(s string, n int) string {
	if columns(s) <= n {
		return s
	}
	used := 0
	for i, r := range s {
		c := columns(string(r))
		if used+c > n-1 {
			return s[:i] + "…"
		}
		used += c
	}
	return s
}
