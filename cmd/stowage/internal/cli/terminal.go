package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"
)

// Terminal is what a command talks to. Results go to Out, everything else to Err.
type Terminal struct {
	In       io.Reader
	Out, Err io.Writer
	Getenv   func(string) string
	// Input allows questions; false by -input=false or STOWAGE_INPUT=0.
	Input bool
	// Automation: nobody reads advice on what to type next (STOWAGE_IN_AUTOMATION).
	Automation bool
	// Context is the name that -context gives; "" without it.
	Context string

	inTTY, outTTY, errTTY bool
	noColor               bool
	lines                 *bufio.Reader
}

// Process is the terminal of this process.
func Process() *Terminal {
	t := &Terminal{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Getenv: os.Getenv, Input: true,
		Automation: os.Getenv("STOWAGE_IN_AUTOMATION") != "",
		inTTY:      term.IsTerminal(int(os.Stdin.Fd())),
		outTTY:     term.IsTerminal(int(os.Stdout.Fd())),
		errTTY:     term.IsTerminal(int(os.Stderr.Fd())),
		noColor:    os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb",
	}
	switch os.Getenv("STOWAGE_INPUT") {
	case "0", "false":
		t.Input = false
	}
	return t
}

// setContext takes the name that -context gives.
func (t *Terminal) setContext(name string) error {
	if name == "" {
		return errors.New("it is the name of a context")
	}
	t.Context = name
	return nil
}

// NoColor turns colours off.
func (t *Terminal) NoColor() { t.noColor = true }

// OutColor and ErrColor report whether colours are wanted there.
func (t *Terminal) OutColor() bool { return t.outTTY && !t.noColor }

// ErrColor is OutColor of standard error.
func (t *Terminal) ErrColor() bool { return t.errTTY && !t.noColor }

// Interactive reports whether somebody can answer a question.
func (t *Terminal) Interactive() bool { return t.Input && t.inTTY }

// ErrSize returns a function that asks for the size of the terminal on standard
// error, or nil when there is none that lines can be redrawn on.
func (t *Terminal) ErrSize() func() (columns, rows int) {
	f, ok := t.Err.(*os.File)
	if !ok || !t.errTTY || t.Getenv("TERM") == "dumb" {
		return nil
	}
	return func() (int, int) {
		w, h, err := term.GetSize(int(f.Fd()))
		if err != nil || w <= 0 || h <= 0 {
			return 80, 24
		}
		return w, h
	}
}

// ErrWidth is the width to wrap text on standard error to, 0 when it is no terminal.
func (t *Terminal) ErrWidth() int {
	size := t.ErrSize()
	if size == nil {
		return 0
	}
	w, _ := size()
	return min(w, 120)
}

// Ask prints a question and reads a line of the answer, without its end.
func (t *Terminal) Ask(question string) (string, error) {
	fmt.Fprint(t.Err, question)
	if t.lines == nil {
		t.lines = bufio.NewReader(t.In)
	}
	line, err := t.lines.ReadString('\n')
	for len(line) > 0 && (line[len(line)-1] == '\n' || line[len(line)-1] == '\r') {
		line = line[:len(line)-1]
	}
	if err != nil && line == "" {
		return "", err
	}
	return line, nil
}

// Secret prints a question and reads an answer that is not echoed. It needs an
// interactive terminal.
func (t *Terminal) Secret(question string) ([]byte, error) {
	f, ok := t.In.(*os.File)
	if !ok || !t.Interactive() {
		return nil, errors.New("standard input is not a terminal, or questions are turned off")
	}
	fmt.Fprint(t.Err, question)
	answer, err := term.ReadPassword(int(f.Fd()))
	fmt.Fprintln(t.Err)
	return answer, err
}

// Usage writes one line about a wrong command line and returns Failed.
func (t *Terminal) Usage(format string, args ...any) int {
	writeLine(t.Err, format, args...)
	return Failed
}
