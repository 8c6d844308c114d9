package ssh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/stowage-iac/stowage/api"
)

// dialStdioLine is the helper on the host that connects its standard input and output to a socket.
func dialStdioLine(socket string) string {
	return "exec " + api.Binary + " dial-stdio " + Quote(socket)
}

// dialStdio connects to a socket through the helper.
func (r *remote) dialStdio(ctx context.Context, socket string) (net.Conn, error) {
	s, err := r.open(ctx, true)
	if err != nil {
		return nil, err
	}
	in, err1 := s.StdinPipe()
	out, err2 := s.StdoutPipe()
	if err := errors.Join(err1, err2); err != nil {
		s.close()
		return nil, fmt.Errorf("%s: dial %s: %w", r.name, socket, err)
	}
	c := &stdioConn{host: r.name, socket: socket, in: in, out: out, wait: s.Wait, end: s.close}
	s.Stderr = &c.stderr
	script, err := compose(Command{Script: dialStdioLine(socket)}, "")
	if err != nil {
		s.close()
		return nil, err
	}
	if _, err := await(ctx, s.link, func() (struct{}, error) { return struct{}{}, s.Start(asRoot(script, s.sudo)) }, func(struct{}) {}); err != nil {
		s.close()
		return nil, fmt.Errorf("%s: dial %s: %w", r.name, socket, err)
	}
	return c, nil
}

// stdioConn is a connection through the helper's standard input and output.
type stdioConn struct {
	deadlines
	host, socket string
	in           io.WriteCloser
	out          io.Reader
	stderr       lockedBuffer
	wait         func() error // the helper's end; called once, after out has ended
	end          func()
	once, closed sync.Once
	failure      error
}

// Read reads. When the helper could not connect, the first Read says why.
func (c *stdioConn) Read(p []byte) (int, error) {
	n, err := c.out.Read(p)
	if err != nil {
		if e := c.expired(); e != nil {
			return n, e
		}
		c.once.Do(func() { c.failure = c.wait() })
		if c.failure != nil {
			return n, fmt.Errorf("%s: %w: %s: %s", c.host, ErrNoSocket, c.socket, reason(c.stderr.String(), c.failure))
		}
	}
	return n, err
}

func reason(stderr string, err error) string {
	if line := lastLine(stderr); line != "" {
		return line
	}
	return err.Error()
}

func (c *stdioConn) Write(p []byte) (int, error) {
	n, err := c.in.Write(p)
	if e := c.expired(); err != nil && e != nil {
		return n, e
	}
	return n, err
}

// CloseWrite ends the sending side.
func (c *stdioConn) CloseWrite() error { return c.in.Close() }

func (c *stdioConn) Close() error {
	c.closed.Do(func() {
		c.stop()
		c.in.Close()
		c.end()
	})
	return nil
}

func (c *stdioConn) LocalAddr() net.Addr  { return &net.UnixAddr{Net: "unix"} }
func (c *stdioConn) RemoteAddr() net.Addr { return &net.UnixAddr{Net: "unix", Name: c.socket} }

// SetDeadline closes the connection when t comes; see deadlines.
func (c *stdioConn) SetDeadline(t time.Time) error { c.set(t, func() { c.Close() }); return nil }

// SetReadDeadline is SetDeadline.
func (c *stdioConn) SetReadDeadline(t time.Time) error { return c.SetDeadline(t) }

// SetWriteDeadline is SetDeadline.
func (c *stdioConn) SetWriteDeadline(t time.Time) error { return c.SetDeadline(t) }

// forwarded is a socket forwarded by the server.
type forwarded struct {
	net.Conn
	deadlines
	host string
}

func (c *forwarded) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if e := c.expired(); err != nil && e != nil {
		return n, e
	}
	return n, err
}

func (c *forwarded) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if e := c.expired(); err != nil && e != nil {
		return n, e
	}
	return n, err
}

// CloseWrite ends the sending side.
func (c *forwarded) CloseWrite() error {
	if w, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return nil
}

func (c *forwarded) Close() error {
	c.stop()
	return c.Conn.Close()
}

// SetDeadline closes the connection when t comes; see deadlines.
func (c *forwarded) SetDeadline(t time.Time) error { c.set(t, func() { c.Conn.Close() }); return nil }

// SetReadDeadline is SetDeadline.
func (c *forwarded) SetReadDeadline(t time.Time) error { return c.SetDeadline(t) }

// SetWriteDeadline is SetDeadline.
func (c *forwarded) SetWriteDeadline(t time.Time) error { return c.SetDeadline(t) }

// deadlines gives a deadline to a channel, which has none of its own: when it
// passes, the connection is closed and os.ErrDeadlineExceeded returned. Setting
// a later one before that is fine; using the connection after is not.
type deadlines struct {
	mu    sync.Mutex
	timer *time.Timer
	past  bool
}

func (d *deadlines) set(t time.Time, closeConn func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	if t.IsZero() {
		return
	}
	d.timer = time.AfterFunc(time.Until(t), func() {
		d.mu.Lock()
		d.past = true
		d.mu.Unlock()
		closeConn()
	})
}

func (d *deadlines) stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
	}
}

func (d *deadlines) expired() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.past {
		return os.ErrDeadlineExceeded
	}
	return nil
}

// lockedBuffer collects what one goroutine writes and another reads.
type lockedBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
