package ssh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"
)

// connect logs in to h, through its jump hosts.
func connect(ctx context.Context, h hop, o Options) (*link, error) {
	dial := (&net.Dialer{Timeout: o.ConnectTimeout}).DialContext
	var via *sharedJump
	if n := len(h.jumps); n > 0 {
		last := h.jumps[n-1]
		last.jumps = h.jumps[:n-1]
		last.node = "jump host " + last.String()
		jump, err := jumps.use(ctx, last, o)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", h.node, err)
		}
		via = jump
		dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			return jump.link.dialThrough(ctx, network, address, o.ConnectTimeout)
		}
	}
	l, err := login(ctx, h, o, dial)
	if err != nil {
		if via != nil {
			via.release()
		}
		return nil, err
	}
	if via != nil {
		context.AfterFunc(l.alive, via.release)
	}
	return l, nil
}

// login makes the connection and the handshake. A server that hangs up before
// the key exchange is asked again a few times: sshd does so at random when many
// logins come at once (MaxStartups).
func login(ctx context.Context, h hop, o Options, dial dialFunc) (*link, error) {
	pause := 200 * time.Millisecond
	for attempt := 1; ; attempt++ {
		l, err := loginOnce(ctx, h, o, dial)
		var early *hangUp
		if err == nil || attempt == 5 || !errors.As(err, &early) {
			return l, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(pause):
		}
		pause *= 2
	}
}

type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// hangUp is a connection that the server closed before the key exchange.
type hangUp struct{ cause error }

func (e *hangUp) Error() string {
	return fmt.Sprintf("the server closed the connection before the key exchange: %v", e.cause)
}
func (e *hangUp) Unwrap() error { return e.cause }

func loginOnce(ctx context.Context, h hop, o Options, dial dialFunc) (*link, error) {
	keys, err := newHostKeys(h)
	if err != nil {
		return nil, err
	}
	raw, err := dial(ctx, "tcp", h.address())
	if err != nil {
		return nil, unreachable(ctx, h, err)
	}
	conn := &meteredConn{Conn: raw}
	watch := watchHandshake(ctx, conn, o.ConnectTimeout)
	creds := &credentials{hop: h, options: o, ctx: ctx, asking: watch.pause}
	defer creds.close()

	var keyErr error
	exchanged := false
	cc, chans, reqs, err := ssh.NewClientConn(conn, h.address(), &ssh.ClientConfig{
		User:              h.user,
		Auth:              []ssh.AuthMethod{ssh.PublicKeysCallback(creds.signers)},
		HostKeyAlgorithms: keys.algorithms(),
		HostKeyCallback: func(name string, remote net.Addr, key ssh.PublicKey) error {
			keyErr = keys.check(name, remote, key)
			exchanged = keyErr == nil
			return keyErr
		},
	})
	expired := watch.stop()
	if err != nil {
		conn.Close()
		switch {
		case keyErr != nil:
			return nil, keyErr
		case ctx.Err() != nil:
			return nil, fmt.Errorf("%s: connect to %s: %w", h.node, h.address(), context.Cause(ctx))
		case expired:
			return nil, unreachable(ctx, h, fmt.Errorf("no answer to the handshake within %v", o.ConnectTimeout))
		case creds.fatal != nil:
			return nil, creds.fatal
		case exchanged:
			return nil, creds.failed(err)
		case errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET):
			return nil, unreachable(ctx, h, &hangUp{err})
		}
		return nil, unreachable(ctx, h, err)
	}
	return newLink(h.node, ssh.NewClient(cc, chans, reqs), conn, o.KeepAlive), nil
}

// unreachable wraps the reason why no connection came about.
func unreachable(ctx context.Context, h hop, cause error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s: connect to %s: %w", h.node, h.address(), context.Cause(ctx))
	}
	hint := "check address and port, and that the host is up"
	var dns *net.DNSError
	var refused *ssh.OpenChannelError
	switch {
	case errors.As(cause, &dns):
		hint = "check the spelling of address"
	case errors.Is(cause, syscall.ECONNREFUSED):
		hint = "no SSH server listens there: check port, and that sshd runs"
	case errors.As(cause, &refused):
		hint = "the jump host cannot reach it or forbids forwarding (AllowTcpForwarding)"
	}
	return fmt.Errorf("%s: %w: %s: %w: %s", h.node, ErrUnreachable, h.address(), cause, hint)
}

// handshakeWatch closes a connection whose handshake takes too long or whose
// context ends.
type handshakeWatch struct {
	timer   *time.Timer
	timeout time.Duration
	expired atomic.Bool
	unhook  func() bool
}

func watchHandshake(ctx context.Context, conn net.Conn, timeout time.Duration) *handshakeWatch {
	w := &handshakeWatch{timeout: timeout}
	w.timer = time.AfterFunc(timeout, func() {
		w.expired.Store(true)
		conn.Close()
	})
	w.unhook = context.AfterFunc(ctx, func() { conn.Close() })
	return w
}

// pause stops the clock while a person types a passphrase.
func (w *handshakeWatch) pause() (resume func()) {
	w.timer.Stop()
	return func() { w.timer.Reset(w.timeout) }
}

// stop ends the watch and says whether time ran out.
func (w *handshakeWatch) stop() bool {
	w.timer.Stop()
	w.unhook()
	return w.expired.Load()
}

// meteredConn counts what the peer sent, as a sign of life.
type meteredConn struct {
	net.Conn
	read atomic.Int64
}

func (c *meteredConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.read.Add(int64(n))
	return n, err
}
