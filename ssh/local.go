package ssh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// Local is this machine as a Host. Where the user is not root, everything goes
// through `sudo -n`; without it, every method returns ErrNoSudo.
func Local(c Config) Host {
	if c.Name == "" {
		c.Name = "local"
	}
	return &local{name: c.Name, sudo: os.Geteuid() != 0}
}

type local struct {
	name string
	sudo bool
}

func (l *local) Name() string { return l.name }
func (l *local) Close() error { return nil }

// command is the process that runs a script as root.
func (l *local) command(ctx context.Context, script string) *exec.Cmd {
	args := []string{"sh", "-c", script}
	if l.sudo {
		args = append([]string{"sudo", "-n"}, args...)
	}
	c := exec.CommandContext(ctx, args[0], args[1:]...)
	// A group of its own: a Ctrl-C in the terminal is the CLI's to handle.
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return c
}

// Run runs a command.
func (l *local) Run(ctx context.Context, cmd Command) (Output, error) {
	token := newToken()
	script, err := compose(cmd, token)
	if err != nil {
		return Output{}, fmt.Errorf("%s: %w", l.name, err)
	}
	if err := context.Cause(ctx); err != nil {
		return Output{}, fmt.Errorf("%s: command stopped: %w", l.name, err)
	}
	var out, stderr strings.Builder
	c := l.command(ctx, script)
	c.Stdout, c.Stderr = &out, &stderr
	if cmd.Stdout != nil {
		c.Stdout = cmd.Stdout
	}
	var in *feed
	if cmd.Stdin != nil {
		pipe, err := c.StdinPipe()
		if err != nil {
			return Output{}, fmt.Errorf("%s: %w", l.name, err)
		}
		in = &feed{to: pipe, from: cmd.Stdin}
	}
	c.Cancel = func() error {
		l.kill(token)
		return c.Process.Kill()
	}
	c.WaitDelay = 5 * time.Second
	if in != nil {
		in.failed = func(error) { _ = c.Cancel() }
	}
	if err := c.Start(); err != nil {
		return Output{}, l.startError(err)
	}
	if in != nil {
		go in.run()
	}
	err = c.Wait()
	o := Output{Stdout: out.String(), Stderr: stderr.String()}
	if in != nil && in.err() != nil {
		return o, fmt.Errorf("%s: read the command's input: %w", l.name, in.err())
	}
	return o, l.outcome(ctx, cmd, o, err)
}

func (l *local) startError(err error) error {
	if l.sudo && errors.Is(err, exec.ErrNotFound) {
		return fmt.Errorf("%s: %w: this machine has no sudo: run stowage as root, or install sudo", l.name, ErrNoSudo)
	}
	return fmt.Errorf("%s: %w", l.name, err)
}

func (l *local) outcome(ctx context.Context, cmd Command, o Output, err error) error {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("%s: command stopped: %w", l.name, context.Cause(ctx))
	case !errors.As(err, &exit):
		return fmt.Errorf("%s: %w", l.name, err)
	case l.sudo && strings.HasPrefix(lastLine(o.Stderr), "sudo: "):
		return fmt.Errorf("%s: %w: %s: run stowage as root, or allow this user to use sudo without a password", l.name, ErrNoSudo, lastLine(o.Stderr))
	}
	return &ExitError{Host: l.name, Script: cmd.Script, Status: exit.ExitCode(), Output: o}
}

func (l *local) kill(token string) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = l.command(ctx, killScript(token)).Run()
}

// Put writes a file; see Send for how.
func (l *local) Put(ctx context.Context, path string, mode fs.FileMode, size int64, content io.Reader) error {
	return put(ctx, l, path, mode, size, content)
}

// Dial connects to a unix socket of this machine.
func (l *local) Dial(ctx context.Context, socket string) (net.Conn, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, "unix", socket)
	switch {
	case err == nil:
		return c, nil
	case ctx.Err() != nil:
		return nil, fmt.Errorf("%s: dial %s: %w", l.name, socket, context.Cause(ctx))
	case l.sudo && errors.Is(err, fs.ErrPermission):
		return l.dialStdio(socket)
	}
	return nil, fmt.Errorf("%s: %w: %s (%w)", l.name, ErrNoSocket, socket, err)
}

// dialStdio connects to a socket that only root may use.
func (l *local) dialStdio(socket string) (net.Conn, error) {
	c := l.command(context.Background(), dialStdioLine(socket))
	in, err1 := c.StdinPipe()
	out, err2 := c.StdoutPipe()
	conn := &stdioConn{host: l.name, socket: socket, in: in, out: out, wait: c.Wait}
	c.Stderr = &conn.stderr
	if err := errors.Join(err1, err2); err != nil {
		return nil, fmt.Errorf("%s: dial %s: %w", l.name, socket, err)
	}
	if err := c.Start(); err != nil {
		return nil, l.startError(err)
	}
	// The helper ends by itself when its input does; sudo's child is not ours to kill.
	conn.end = func() { go conn.once.Do(func() { conn.failure = c.Wait() }) }
	return conn, nil
}
