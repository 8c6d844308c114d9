package ssh

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"golang.org/x/crypto/ssh"
)

// link is one logged-in connection. It ends when the peer closes it, when the
// peer shows no sign of life, or by close.
type link struct {
	node   string
	client *ssh.Client
	conn   *meteredConn
	alive  context.Context // ends with the link; its cause is why
	end    context.CancelCauseFunc
}

func newLink(node string, client *ssh.Client, conn *meteredConn, interval time.Duration) *link {
	l := &link{node: node, client: client, conn: conn}
	l.alive, l.end = context.WithCancelCause(context.Background())
	go func() { l.close(client.Wait()) }()
	go l.keepAlive(interval)
	return l
}

// close ends the link. The first cause counts.
func (l *link) close(cause error) {
	if cause == nil {
		cause = ErrClosed
	}
	l.end(cause)
	// The raw connection: a polite goodbye would wait for a peer that may be gone.
	l.conn.Close()
}

func (l *link) dead() bool { return l.alive.Err() != nil }

// keepAlive asks for a sign of life when nothing came for an interval; anything
// that arrives counts, since replies queue behind bulk data.
func (l *link) keepAlive(interval time.Duration) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	seen, silent, asking := l.conn.read.Load(), 0, make(chan struct{}, 1)
	for {
		select {
		case <-l.alive.Done():
			return
		case <-tick.C:
		}
		if now := l.conn.read.Load(); now != seen {
			seen, silent = now, 0
			continue
		}
		if silent++; silent >= 3 {
			l.close(fmt.Errorf("no sign of life for %v", time.Duration(silent)*interval))
			return
		}
		select {
		case asking <- struct{}{}:
			go func() {
				_, _, _ = l.client.SendRequest("keepalive@openssh.com", true, nil)
				<-asking
			}()
		default:
		}
	}
}

// lost is the error of something that the link's end interrupted.
func (l *link) lost(during string) error {
	return fmt.Errorf("%s: %w during %s: %w", l.node, ErrConnectionLost, during, context.Cause(l.alive))
}

// await runs a blocking open on the link until it ends, ctx ends or the link
// ends; what is opened too late is given to discard.
func await[T any](ctx context.Context, l *link, open func() (T, error), discard func(T)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		v, err := open()
		done <- result{v, err}
	}()
	var zero T
	var err error
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-l.alive.Done():
		err = context.Cause(l.alive)
	}
	go func() {
		if r := <-done; r.err == nil {
			discard(r.value)
		}
	}()
	return zero, err
}

// session opens a session.
func (l *link) session(ctx context.Context) (*ssh.Session, error) {
	return await(ctx, l, l.client.NewSession, func(s *ssh.Session) { s.Close() })
}

// dialThrough connects onwards from a jump host.
func (l *link) dialThrough(ctx context.Context, network, address string, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, errors.New("timed out"))
	defer cancel()
	return await(ctx, l, func() (net.Conn, error) { return l.client.Dial(network, address) },
		func(c net.Conn) { c.Close() })
}

// warm opens a session and runs nothing of note in it. sshd turns off Nagle's
// algorithm only with the first session: without it, whatever is forwarded
// through the connection uploads at a tenth of the speed.
func (l *link) warm() {
	ctx, cancel := context.WithTimeout(l.alive, 5*time.Second)
	defer cancel()
	s, err := l.session(ctx)
	if err != nil {
		return // a jump host may forbid sessions
	}
	defer s.Close()
	stop := context.AfterFunc(ctx, func() { s.Close() })
	defer stop()
	_ = s.Run("true")
}

// settle waits a moment for the news that the link has died, which may come
// after the news that one of its sessions has.
func (l *link) settle() {
	select {
	case <-l.alive.Done():
	case <-time.After(100 * time.Millisecond):
	}
}
