package view

import (
	"strconv"
	"strings"
	"sync"
)

// terminal is a small model of a terminal: it wraps, scrolls, obeys the escape
// sequences that screen uses, and wraps its lines anew when it is resized.
type terminal struct {
	mu            sync.Mutex
	columns, rows int
	lines         []line // logical lines, as written between line feeds
	row, col      int    // of the cursor, in screen rows from the first line
	hidden        bool
	everything    strings.Builder
}

type line []rune

func newTerminal(columns, rows int) *terminal {
	return &terminal{columns: columns, rows: rows, lines: []line{nil}}
}

func (t *terminal) size() (int, int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.columns, t.rows
}

func (t *terminal) cursor() bool { return !t.hidden }

func (t *terminal) all() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.everything.String()
}

// heights are the screen rows of each logical line.
func (t *terminal) height(i int) int { return max(1, (len(t.lines[i])+t.columns-1)/t.columns) }

// locate is the logical line of a screen row, and the row within it.
func (t *terminal) locate(row int) (int, int) {
	for i := range t.lines {
		if h := t.height(i); row < h {
			return i, row
		} else {
			row -= h
		}
	}
	for ; row > 0; row-- {
		t.lines = append(t.lines, nil)
	}
	t.lines = append(t.lines, nil)
	return len(t.lines) - 1, 0
}

// resize keeps the cursor in its logical line, as terminals do.
func (t *terminal) resize(columns int) {
	i, sub := t.locate(t.row)
	offset := sub*t.columns + t.col
	t.columns = columns
	t.row = 0
	for k := range i {
		t.row += t.height(k)
	}
	t.row, t.col = t.row+offset/columns, offset%columns
}

func (t *terminal) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.everything.Write(p)
	runes := []rune(string(p))
	for k := 0; k < len(runes); k++ {
		switch r := runes[k]; r {
		case '\r':
			t.col = 0
		case '\n':
			t.row++
			t.locate(t.row)
		case '\x1b':
			end := k + 2
			for !(runes[end] >= 'A' && runes[end] <= 'Z' || runes[end] >= 'a' && runes[end] <= 'z') {
				end++
			}
			t.obey(string(runes[k+2:end]), runes[end])
			k = end
		default:
			t.put(r)
		}
	}
	return len(p), nil
}

func (t *terminal) obey(arg string, command rune) {
	switch command {
	case 'A':
		n, _ := strconv.Atoi(arg)
		t.row = max(0, t.row-n)
	case 'J':
		i, sub := t.locate(t.row)
		t.lines = t.lines[:i+1]
		t.lines[i] = t.lines[i][:min(len(t.lines[i]), sub*t.columns+t.col)]
	case 'l':
		t.hidden = true
	case 'h':
		t.hidden = false
	}
}

func (t *terminal) put(r rune) {
	i, sub := t.locate(t.row)
	at := sub*t.columns + t.col
	for len(t.lines[i]) <= at {
		t.lines[i] = append(t.lines[i], ' ')
	}
	t.lines[i][at] = r
	// The last column stays the cursor's row until the next character, as on real terminals.
	if t.col++; t.col > t.columns {
		t.row, t.col = t.row+1, t.col-t.columns
	}
}

// text is what is on the terminal, scrolled-away lines included.
func (t *terminal) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var b strings.Builder
	for i, l := range t.lines {
		if i < len(t.lines)-1 || len(l) > 0 {
			b.WriteString(strings.TrimRight(string(l), " ") + "\n")
		}
	}
	return b.String()
}
