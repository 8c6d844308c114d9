package ssh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"
)

// Dial connects to a host and makes sure of root's rights on it. The connection
// is kept alive; when it drops, the next use makes a new one. Errors wrap one of
// ErrUnreachable, ErrUnknownHostKey, ErrHostKeyChanged, ErrAuth, ErrPassphrase, ErrNoSudo.
func Dial(ctx context.Context, c Config, o Options) (Host, error) {
	if c.Name == "" {
		c.Name = c.Address
	}
	if c.Local {
		return Local(c), nil
	}
	o = o.withDefaults()
	h, err := resolve(c, o)
	if err != nil {
		return nil, err
	}
	r := &remote{name: c.Name, hop: h, options: o, slots: newSlots(), connecting: make(chan struct{}, 1)}
	if _, err := r.connected(ctx); err != nil {
		return nil, err
	}
	return r, nil
}

// remote is a Host behind SSH.
type remote struct {
	name       string
	hop        hop
	options    Options
	slots      *slots
	connecting chan struct{} // held by whoever makes a connection

	mu     sync.Mutex
	link   *link
	sudo   bool
	closed bool

	forwards   atomic.Bool // a socket was forwarded: the server allows it
	noForwards atomic.Bool // the server forbids it
}

func (r *remote) Name() string { return r.name }

// Close ends the connection. A command that runs is interrupted.
func (r *remote) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	if r.link != nil {
		r.link.close(ErrClosed)
	}
	return nil
}

// connected gives the living connection, or makes one.
func (r *remote) connected(ctx context.Context) (*link, error) {
	if l, err := r.current(); l != nil || err != nil {
		return l, err
	}
	if err := take(ctx, r.connecting); err != nil {
		return nil, fmt.Errorf("%s: connect to %s: %w", r.name, r.hop.address(), context.Cause(ctx))
	}
	defer func() { <-r.connecting }()
	if l, err := r.current(); l != nil || err != nil {
		return l, err
	}
	l, err := connect(ctx, r.hop, r.options)
	if err != nil {
		return nil, err
	}
	sudo, err := r.rights(ctx, l)
	if err != nil {
		l.close(nil)
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		l.close(nil)
		return nil, fmt.Errorf("%s: %w", r.name, ErrClosed)
	}
	r.link, r.sudo = l, sudo
	return l, nil
}

func (r *remote) current() (*link, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, fmt.Errorf("%s: %w", r.name, ErrClosed)
	}
	if r.link != nil && !r.link.dead() {
		return r.link, nil
	}
	return nil, nil
}

// rightsScript says how to become root. It is also the session that must be
// opened before anything is forwarded (see link.warm).
const rightsScript = `if [ "$(id -u)" = 0 ]; then echo root
elif ! command -v sudo >/dev/null 2>&1; then echo missing
elif sudo -n sh -c : 2>/dev/null; then echo sudo
else echo refused; fi`

func (r *remote) rights(ctx context.Context, l *link) (sudo bool, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, 3*r.options.ConnectTimeout, errors.New("the login shell does not answer"))
	defer cancel()
	var out, stderr strings.Builder
	s, err := l.session(ctx)
	if err == nil {
		defer s.Close()
		stop := context.AfterFunc(ctx, func() { s.Close() })
		defer stop()
		s.Stdout, s.Stderr = &out, &stderr
		err = s.Run("sh -c " + Quote(preamble+"\n"+rightsScript))
	}
	login := r.hop.user
	switch {
	case ctx.Err() != nil:
		return false, fmt.Errorf("%s: first command on %s: %w", r.name, r.hop.address(), context.Cause(ctx))
	case l.dead():
		return false, l.lost("the first command")
	case err != nil:
		return false, fmt.Errorf("%s: %s cannot run commands as %s: %w: %s", r.name, r.hop.address(), login, err, lastLine(stderr.String()))
	}
	// A shell profile may print something of its own before.
	switch lastLine(out.String()) {
	case "root":
		return false, nil
	case "sudo":
		return true, nil
	case "missing":
		return false, fmt.Errorf("%s: %w: %s is not root and sudo is not installed: log in as root (user = \"root\"), or install sudo and allow %s to use it", r.name, ErrNoSudo, login, login)
	}
	return false, fmt.Errorf("%s: %w: sudo asks %s for a password or refuses: log in as root (user = \"root\"), or add \"%s ALL=(ALL) NOPASSWD: ALL\" to a file in /etc/sudoers.d there", r.name, ErrNoSudo, login, login)
}

// opened is a session that holds its slot.
type opened struct {
	*ssh.Session
	link    *link
	sudo    bool
	release func()
}

func (o *opened) close() {
	o.Session.Close()
	o.release()
}

// open opens a session, on a new connection where the old one has dropped.
func (r *remote) open(ctx context.Context, stream bool) (*opened, error) {
	release, err := r.slots.acquire(ctx, stream)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.name, err)
	}
	for attempt := 1; ; attempt++ {
		l, err := r.connected(ctx)
		if err != nil {
			release()
			return nil, err
		}
		s, err := l.session(ctx)
		if err == nil {
			r.mu.Lock()
			sudo := r.sudo
			r.mu.Unlock()
			return &opened{Session: s, link: l, sudo: sudo, release: release}, nil
		}
		var refused *ssh.OpenChannelError
		switch {
		case ctx.Err() != nil:
			release()
			return nil, fmt.Errorf("%s: open a session: %w", r.name, context.Cause(ctx))
		case errors.As(err, &refused):
			again, waitErr := r.slots.shrink(ctx)
			if !again {
				release()
				return nil, fmt.Errorf("%s: %s refuses a session: %w", r.name, r.hop.address(), errors.Join(err, waitErr))
			}
		case attempt == 3:
			release()
			return nil, l.lost("the opening of a session")
		default:
			l.close(err) // dropped before anything was started: try a new connection
		}
	}
}

// Run runs a command. It is tried again on a new connection only as long as it
// has not been sent.
func (r *remote) Run(ctx context.Context, cmd Command) (Output, error) {
	token := newToken()
	script, err := compose(cmd, token)
	if err != nil {
		return Output{}, fmt.Errorf("%s: %w", r.name, err)
	}
	s, err := r.open(ctx, false)
	if err != nil {
		return Output{}, err
	}
	defer s.close()
	var out, stderr strings.Builder
	s.Stdout, s.Stderr = &out, &stderr
	if cmd.Stdout != nil {
		s.Stdout = cmd.Stdout
	}
	var in *feed
	if cmd.Stdin != nil {
		pipe, err := s.StdinPipe()
		if err != nil {
			return Output{}, fmt.Errorf("%s: %w", r.name, err)
		}
		in = &feed{to: pipe, from: cmd.Stdin, failed: func(error) { s.Session.Close() }}
	}
	done := make(chan error, 1)
	go func() {
		if err := s.Start(asRoot(script, s.sudo)); err != nil {
			done <- err
			return
		}
		if in != nil {
			go in.run()
		}
		done <- s.Wait()
	}()
	select {
	case err = <-done:
	case <-ctx.Done():
		r.kill(s, token)
		return Output{Stdout: out.String(), Stderr: stderr.String()}, fmt.Errorf("%s: command stopped: %w", r.name, context.Cause(ctx))
	}
	o := Output{Stdout: out.String(), Stderr: stderr.String()}
	if in != nil && in.err() != nil {
		return o, fmt.Errorf("%s: read the command's input: %w", r.name, in.err())
	}
	return o, r.outcome(cmd, s, o, err)
}

// outcome turns the end of a session into the contract's errors.
func (r *remote) outcome(cmd Command, s *opened, o Output, err error) error {
	if err == nil {
		return nil
	}
	exit := &ExitError{Host: r.name, Script: cmd.Script, Status: -1, Output: o}
	var status *ssh.ExitError
	if errors.As(err, &status) {
		if status.Signal() == "" {
			exit.Status = status.ExitStatus()
		}
		if s.sudo && strings.HasPrefix(lastLine(o.Stderr), "sudo: ") {
			return fmt.Errorf("%s: %w: %s", r.name, ErrNoSudo, lastLine(o.Stderr))
		}
		return exit
	}
	r.mu.Lock()
	closed := r.closed
	r.mu.Unlock()
	if closed {
		return fmt.Errorf("%s: %w", r.name, ErrClosed)
	}
	s.link.settle()
	if s.link.dead() {
		return s.link.lost("a command")
	}
	return fmt.Errorf("%s: %w during a command: %w", r.name, ErrConnectionLost, err)
}

// kill ends the processes of a command whose context has ended. Closing the
// session is not enough: without a terminal, nothing tells them.
func (r *remote) kill(s *opened, token string) {
	s.Session.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if s.link.dead() {
		return
	}
	k, err := s.link.session(ctx)
	if err != nil {
		return
	}
	defer k.Close()
	stop := context.AfterFunc(ctx, func() { k.Close() })
	defer stop()
	_ = k.Run(asRoot(killScript(token), s.sudo))
}

// Put writes a file; see Send for how.
func (r *remote) Put(ctx context.Context, path string, mode fs.FileMode, size int64, content io.Reader) error {
	return put(ctx, r, path, mode, size, content)
}

// Dial connects to a unix socket of the host.
func (r *remote) Dial(ctx context.Context, socket string) (net.Conn, error) {
	l, err := r.connected(ctx)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	sudo := r.sudo
	r.mu.Unlock()
	if sudo || r.noForwards.Load() {
		return r.dialStdio(ctx, socket)
	}
	conn, err := r.forward(ctx, l, socket)
	if err == nil {
		r.forwards.Store(true)
		return conn, nil
	}
	var refused *ssh.OpenChannelError
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("%s: dial %s: %w", r.name, socket, context.Cause(ctx))
	case !errors.As(err, &refused):
		// The connection dropped under it: once more on a new one.
		l.close(err)
		if l, err = r.connected(ctx); err != nil {
			return nil, err
		}
		if conn, err = r.forward(ctx, l, socket); err != nil {
			return nil, fmt.Errorf("%s: dial %s: %w", r.name, socket, err)
		}
		return conn, nil
	case r.forwards.Load():
		return nil, fmt.Errorf("%s: %w: %s", r.name, ErrNoSocket, socket)
	}
	return r.dialRefused(ctx, socket)
}

func (r *remote) forward(ctx context.Context, l *link, socket string) (net.Conn, error) {
	return await(ctx, l, func() (net.Conn, error) {
		c, err := l.client.Dial("unix", socket)
		if err != nil {
			return nil, err
		}
		return &forwarded{Conn: c, host: r.name}, nil
	}, func(c net.Conn) { c.Close() })
}

var errConnected = errors.New("the helper on the host is connected")

// dialRefused finds out why a socket was not forwarded: sshd gives the same
// answer when it forbids forwarding as when nothing listens. The helper on the
// host tells: where it can connect, forwarding is forbidden.
func (r *remote) dialRefused(ctx context.Context, socket string) (net.Conn, error) {
	// Failing takes a moment; a peer that keeps the connection open takes for ever.
	probe, cancel := context.WithTimeoutCause(ctx, time.Second, errConnected)
	defer cancel()
	_, err := r.Run(probe, Command{Script: dialStdioLine(socket) + " </dev/null >/dev/null"})
	if err == nil || errors.Is(err, errConnected) {
		r.noForwards.Store(true)
		return r.dialStdio(ctx, socket)
	}
	var exit *ExitError
	if errors.As(err, &exit) {
		return nil, fmt.Errorf("%s: %w: %s (%s)", r.name, ErrNoSocket, socket, lastLine(exit.Output.Stderr))
	}
	return nil, err
}
