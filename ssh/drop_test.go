package ssh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// A connection that drops between two uses is made again, unseen.
func TestReconnects(t *testing.T) {
	u := newPerson(t)
	s := startServer(t)
	u.trusts(s)
	h := u.mustDial(s)
	for range 3 {
		s.drop()
		if out, err := h.Run(t.Context(), Command{Script: "echo back"}); err != nil || out.Stdout != "back\n" {
			t.Fatalf("%+v, %v", out, err)
		}
	}
	socket := filepath.Join(shortDir(t), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s.drop()
	c, err := h.Dial(t.Context(), socket)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

// A command that was cut off is not run again: it may have done its work.
func TestCommandCutOff(t *testing.T) {
	u := newPerson(t)
	s := startServer(t)
	u.trusts(s)
	h := u.mustDial(s)
	started := filepath.Join(t.TempDir(), "started")
	done := make(chan error, 1)
	go func() {
		_, err := h.Run(t.Context(), Command{Script: "echo x >> " + started + "; sleep 0.3"})
		done <- err
	}()
	for {
		if _, err := os.Stat(started); err == nil {
			break
		}
	}
	s.drop()
	mentionsAll(t, <-done, ErrConnectionLost, "web")
	if _, err := h.Run(t.Context(), Command{Script: "sleep 0.3"}); err != nil {
		t.Fatal(err)
	}
	if b, _ := os.ReadFile(started); string(b) != "x\n" {
		t.Errorf("ran %d times", len(b)/2)
	}
}

// proxy stands between a client and a server, and can stop passing anything on.
type proxy struct {
	addr   string
	frozen chan struct{}
	freeze func()
}

func startProxy(t *testing.T, to string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{addr: l.Addr().String(), frozen: make(chan struct{})}
	p.freeze = sync.OnceFunc(func() { close(p.frozen) })
	t.Cleanup(func() { l.Close(); p.freeze() })
	go func() {
		for {
			a, err := l.Accept()
			if err != nil {
				return
			}
			b, err := net.Dial("tcp", to)
			if err != nil {
				a.Close()
				continue
			}
			t.Cleanup(func() { a.Close(); b.Close() })
			go p.pass(a, b)
			go p.pass(b, a)
		}
	}()
	return p
}

func (p *proxy) pass(to, from net.Conn) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		select {
		case <-p.frozen:
			return
		default:
		}
		if err != nil {
			to.Close()
			return
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

// A peer that has vanished without a word is noticed after three keepalives.
func TestDeadPeer(t *testing.T) {
	u := newPerson(t)
	s := startServer(t)
	u.trusts(s)
	p := startProxy(t, s.addr)
	host, port, _ := net.SplitHostPort(p.addr)
	config := Config{Name: "web", Address: host, User: "root", HostKey: strings.SplitN(s.knownLine(0), " ", 2)[1]}
	fmt.Sscan(port, &config.Port)
	options := u.options()
	options.KeepAlive = 50 * time.Millisecond
	h, err := u.dialWith(config, options)
	if err != nil {
		t.Fatal(err)
	}
	// Silence alone is not death: the server answers.
	if _, err := h.Run(t.Context(), Command{Script: "sleep 0.4"}); err != nil {
		t.Fatal(err)
	}
	started := filepath.Join(t.TempDir(), "started")
	go func() {
		for {
			if _, err := os.Stat(started); err == nil {
				p.freeze()
				return
			}
		}
	}()
	begin := time.Now()
	_, err = h.Run(t.Context(), Command{Script: "touch " + started + "; sleep 0.5"})
	mentionsAll(t, err, ErrConnectionLost, "web", "no sign of life")
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("noticed after %v", took)
	}
}

// A server may allow fewer sessions than OpenSSH does by default.
func TestFewSessions(t *testing.T) {
	for _, most := range []int{1, 3} {
		t.Run(fmt.Sprint(most), func(t *testing.T) {
			u := newPerson(t)
			s := startServer(t, func(s *sshd) { s.maxSession = most })
			u.trusts(s)
			h := u.mustDial(s)
			var all sync.WaitGroup
			for range 20 {
				all.Go(func() {
					if _, err := h.Run(t.Context(), Command{Script: "sleep 0.01"}); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
			if n := s.logins.Load(); n != 1 {
				t.Errorf("%d logins", n)
			}
		})
	}
}

// Long streams leave room for commands.
func TestStreamsLeaveRoom(t *testing.T) {
	u := newPerson(t)
	s := startServer(t, func(s *sshd) { s.noForward, s.maxSession = true, 10 })
	u.trusts(s)
	h := u.mustDial(s)
	socket := filepath.Join(shortDir(t), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go io.Copy(c, c)
		}
	}()
	for range maxStreams {
		c, err := h.Dial(t.Context(), socket)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if c, err := h.Dial(ctx, socket); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("one stream too many: %v, %v", c, err)
	}
	if _, err := h.Run(t.Context(), Command{Script: "true"}); err != nil {
		t.Error(err)
	}
}

// sshd hangs up at random when many log in at once.
func TestServerHangsUpAtFirst(t *testing.T) {
	u := newPerson(t)
	s := startServer(t)
	u.trusts(s)
	s.hangUps.Store(2)
	u.mustDial(s)
}

func TestUnreachable(t *testing.T) {
	u := newPerson(t)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	options := u.options()
	options.ConnectTimeout = 100 * time.Millisecond
	for _, c := range []struct{ name, addr, jump, says string }{
		{"refused", closed.Addr().String(), "", "refused"},
		{"silent", silent.Addr().String(), "", "no answer to the handshake within 100ms"},
		{"no such name", "no.such.host.invalid:22", "", "no.such.host.invalid"},
		{"the jump host refuses", "10.0.0.1:22", closed.Addr().String(), "jump host"},
	} {
		t.Run(c.name, func(t *testing.T) {
			host, port, _ := net.SplitHostPort(c.addr)
			config := Config{Name: "web", Address: host, User: "root", Jump: c.jump}
			fmt.Sscan(port, &config.Port)
			_, err := u.dialWith(config, options)
			mentionsAll(t, err, ErrUnreachable, "web", c.says)
			if c.jump == "" {
				mentionsAll(t, err, ErrUnreachable, c.addr)
			}
		})
	}
}

// The key of every host on the way is verified.
func TestJumpHostsAreVerified(t *testing.T) {
	u := newPerson(t)
	jump, s := startServer(t), startServer(t)
	config := u.config(s)
	config.Jump = "root@" + jump.addr

	u.trusts(jump, s)
	u.write("known_hosts", s.knownLine(0))
	_, err := u.dialWith(config, u.options())
	mentionsAll(t, err, ErrUnknownHostKey, "web", "jump host root@"+jump.addr)

	u.write("known_hosts", jump.knownLine(0))
	_, err = u.dialWith(config, u.options())
	mentionsAll(t, err, ErrUnknownHostKey, "web", s.addr)
}

// Many nodes behind one bastion log in there once, and the last one leaves.
func TestJumpHostIsShared(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	u := newPerson(t)
	jump := startServer(t)
	servers := []*sshd{jump}
	for range 5 {
		servers = append(servers, startServer(t))
	}
	u.trusts(servers...)
	var mu sync.Mutex
	var open []Host
	var all sync.WaitGroup
	for _, s := range servers[1:] {
		all.Go(func() {
			config := u.config(s)
			config.Jump = "root@" + jump.addr
			h, err := Dial(t.Context(), config, u.options())
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			open = append(open, h)
		})
	}
	all.Wait()
	if n := jump.logins.Load(); n != 1 {
		t.Errorf("%d logins at the jump host", n)
	}
	// When the jump host's connection drops, all of them come back through one new one.
	jump.drop()
	for _, h := range open {
		if _, err := h.Run(t.Context(), Command{Script: "true"}); err != nil {
			t.Error(err)
		}
	}
	if n := jump.logins.Load(); n != 2 {
		t.Errorf("%d logins at the jump host after a drop", n)
	}
	for _, h := range open {
		h.Close()
	}
	for jump.open() > 0 {
	}
	for _, s := range servers {
		s.close()
	}
}

func TestClosed(t *testing.T) {
	u := newPerson(t)
	s := startServer(t)
	u.trusts(s)
	h := u.mustDial(s)
	h.Close()
	_, err := h.Run(t.Context(), Command{Script: "true"})
	mentionsAll(t, err, ErrClosed, "web")
	_, err = h.Dial(t.Context(), "/s")
	mentionsAll(t, err, ErrClosed, "web")
}
