package cli

import (
	"errors"
	"io"
	"os"
	"sync"

	"golang.org/x/term"
)

// Editor reads lines from a terminal on which they can be edited: with the
// cursor, the lines before (up and down), and completion with the tab key.
type Editor struct {
	t       *term.Terminal
	restore func()
}

// Complete returns what may stand in the place of the word that ends at the
// cursor: the words, each whole, and where the word begins in before.
type Complete func(before string) (words []string, start int)

// Edit prepares the terminal. Close gives it back as it was. The process must not
// write to it by other ways meanwhile.
func (t *Terminal) Edit(complete Complete) (*Editor, error) {
	in, ok := t.In.(*os.File)
	if !ok || !t.Interactive() || !t.outTTY {
		return nil, errors.New("standard input and output are not a terminal, or questions are turned off")
	}
	state, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return nil, err
	}
	var once sync.Once
	e := &Editor{restore: func() { once.Do(func() { term.Restore(int(in.Fd()), state) }) }}
	AtExit(e.restore)
	e.t = term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{t.In, t.Out}, "")
	if w, h, err := term.GetSize(int(in.Fd())); err == nil && w > 0 {
		e.t.SetSize(w, h)
	}
	e.t.AutoCompleteCallback = func(line string, pos int, key rune) (string, int, bool) {
		if key != '\t' {
			return "", 0, false
		}
		words, start := complete(line[:pos])
		if len(words) == 0 {
			return line, pos, true
		}
		with := commonPrefix(words)
		if len(words) > 1 && with == line[start:pos] {
			e.offer(words)
		}
		return line[:start] + with + line[pos:], start + len(with), true
	}
	return e, nil
}

// offer shows the possible words above the line that is edited.
func (e *Editor) offer(words []string) {
	text := ""
	for _, w := range words {
		text += w + "  "
	}
	// The callback holds the terminal's lock; the line is redrawn after it.
	go e.t.Write([]byte(text + "\n"))
}

func commonPrefix(words []string) string {
	with := words[0]
	for _, w := range words[1:] {
		n := 0
		for n < len(with) && n < len(w) && with[n] == w[n] {
			n++
		}
		with = with[:n]
	}
	return with
}

// ReadLine reads a line, without its end; io.EOF after ctrl-C or ctrl-D.
func (e *Editor) ReadLine(prompt string) (string, error) {
	e.t.SetPrompt(prompt)
	line, err := e.t.ReadLine()
	if errors.Is(err, term.ErrPasteIndicator) {
		err = nil
	}
	return line, err
}

// Write shows text.
func (e *Editor) Write(p []byte) (int, error) { return e.t.Write(p) }

// Close gives the terminal back.
func (e *Editor) Close() { e.restore() }
