// Package program runs a program of the machine that stowage runs on: without a
// shell, without a terminal, with bounded output and time, and with all that it
// starts ended when it has to end.
package program

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Call is one run of a program.
type Call struct {
	Args []string // the program and its arguments; a name without a slash is looked up in PATH
	Dir  string
	// Stdin is given to the program, which need not read it.
	Stdin []byte
	// Timeout ends it; 0: only the context does.
	Timeout time.Duration
	// MaxOutput bounds its standard output, in bytes.
	MaxOutput int
}

// Error tells how a program failed.
type Error struct {
	Program string
	Why     string // a clause: exited with code 1
	Stderr  string // the end of what it said, without blank lines around; may be ""
}

// Error is one sentence without its end.
func (e *Error) Error() string {
	s := fmt.Sprintf("%q %s", e.Program, e.Why)
	if e.Stderr != "" {
		s += ": " + strings.TrimRight(e.Stderr, ".")
	}
	return s
}

var errTooMuch = errors.New("too much output")

// Run runs the program and returns what it wrote to standard output. The error is
// an *Error.
func (c Call) Run(ctx context.Context) ([]byte, error) {
	if len(c.Args) == 0 || c.Args[0] == "" {
		return nil, &Error{Why: "is no program"}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if c.Timeout > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, c.Timeout)
		defer stop()
	}
	cmd := exec.CommandContext(ctx, c.Args[0], c.Args[1:]...)
	cmd.Dir = c.Dir
	// A session of its own: one signal reaches all that the program starts, and what
	// asks at the terminal fails at once instead of waiting for an answer.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	if c.Stdin != nil {
		cmd.Stdin = bytes.NewReader(c.Stdin)
	}
	out := &head{max: c.MaxOutput, full: func() { cancel(errTooMuch) }}
	said := &tail{max: 4 << 10}
	cmd.Stdout, cmd.Stderr = out, said
	err := cmd.Run()
	if err == nil && !errors.Is(context.Cause(ctx), errTooMuch) {
		return out.b.Bytes(), nil
	}
	if errors.Is(err, exec.ErrWaitDelay) { // it has ended, and what it started holds its output
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	}
	return nil, &Error{Program: c.Args[0], Why: c.why(ctx, err), Stderr: said.text()}
}

// why is a clause about the program.
func (c Call) why(ctx context.Context, err error) string {
	var exit *exec.ExitError
	switch {
	case errors.Is(context.Cause(ctx), errTooMuch):
		return fmt.Sprintf("was ended because it wrote more than %d MiB to its standard output", c.MaxOutput>>20)
	case errors.Is(ctx.Err(), context.DeadlineExceeded) && c.Timeout > 0:
		return fmt.Sprintf("was ended because it took longer than %s", c.Timeout)
	case ctx.Err() != nil:
		return "was ended because the run was interrupted"
	case errors.Is(err, exec.ErrNotFound):
		return "cannot be run: there is no such program in PATH"
	case errors.Is(err, exec.ErrWaitDelay):
		return "has ended, but something that it started goes on and holds its standard output"
	case errors.As(err, &exit):
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			return fmt.Sprintf("was ended by the signal %q", status.Signal())
		}
		return fmt.Sprintf("exited with code %d", exit.ExitCode())
	case errors.Is(err, exec.ErrDot):
		return "cannot be run: it is in the current directory only; write ./ before its name"
	}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return "cannot be run: " + errno.Error()
	}
	return "cannot be run: " + err.Error()
}

// head keeps what is written up to max, then ends the program.
type head struct {
	b    bytes.Buffer // not embedded: its ReadFrom knows no bound
	max  int
	full func()
}

func (h *head) Write(p []byte) (int, error) {
	if h.b.Len()+len(p) > h.max {
		h.full()
		return 0, errTooMuch
	}
	return h.b.Write(p)
}

// tail keeps the end of what is written.
type tail struct {
	mu  sync.Mutex
	b   []byte
	max int
	cut bool
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(p)
	if len(p) > t.max {
		p, t.cut = p[len(p)-t.max:], true
	}
	t.b = append(t.b, p...)
	if over := len(t.b) - t.max; over > 0 {
		t.b, t.cut = append(t.b[:0], t.b[over:]...), true
	}
	return n, nil
}

func (t *tail) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := strings.TrimSpace(strings.ToValidUTF8(string(t.b), "�"))
	if t.cut {
		s = "…" + s
	}
	return s
}
