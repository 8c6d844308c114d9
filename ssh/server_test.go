package ssh

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/stowage-iac/stowage/api"
)

// sshd is a small SSH server in this process. It runs commands on this machine,
// as sshd would, and does what a test tells it to: refuse, drop, freeze.
type sshd struct {
	t        *testing.T
	addr     string // 127.0.0.1:port
	hostKeys []ssh.Signer

	authorized []ssh.PublicKey
	noForward  bool // AllowStreamLocalForwarding no
	maxSession int  // 0: any number
	uid        int  // 0: as we are

	hangUps atomic.Int32 // connections to close before a word is said
	logins  atomic.Int32

	close func()

	mu      sync.Mutex
	conns   []net.Conn
	perConn map[*ssh.ServerConn]int
}

func startServer(t *testing.T, options ...func(*sshd)) *sshd {
	t.Helper()
	s := &sshd{t: t, perConn: map[*ssh.ServerConn]int{}}
	for _, o := range options {
		o(s)
	}
	if s.hostKeys == nil {
		s.hostKeys = []ssh.Signer{newSigner(t, "ed25519")}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = l.Addr().String()
	go s.accept(l)
	s.close = func() {
		l.Close()
		s.drop()
	}
	t.Cleanup(s.close)
	return s
}

func newSigner(t *testing.T, kind string) ssh.Signer {
	t.Helper()
	var key any
	var err error
	switch kind {
	case "ed25519":
		_, key, err = ed25519.GenerateKey(rand.Reader)
	case "ecdsa":
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "rsa":
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

func (s *sshd) port() int {
	_, p, _ := net.SplitHostPort(s.addr)
	n, _ := strconv.Atoi(p)
	return n
}

// knownLine is the line of a known_hosts file for one of the server's keys.
func (s *sshd) knownLine(i int) string {
	return fmt.Sprintf("[127.0.0.1]:%d %s", s.port(), ssh.MarshalAuthorizedKey(s.hostKeys[i].PublicKey()))
}

// drop closes every connection, as a network that fails.
func (s *sshd) drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		c.Close()
	}
	s.conns = nil
}

func (s *sshd) open() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.perConn)
}

func (s *sshd) accept(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		if s.hangUps.Add(-1) >= 0 {
			c.Close()
			continue
		}
		s.mu.Lock()
		s.conns = append(s.conns, c)
		s.mu.Unlock()
		go s.serve(c)
	}
}

func (s *sshd) serve(c net.Conn) {
	config := &ssh.ServerConfig{PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		for _, a := range s.authorized {
			if bytes.Equal(a.Marshal(), key.Marshal()) {
				return nil, nil
			}
		}
		return nil, errors.New("not authorized")
	}}
	for _, k := range s.hostKeys {
		config.AddHostKey(k)
	}
	conn, channels, requests, err := ssh.NewServerConn(c, config)
	if err != nil {
		c.Close()
		return
	}
	s.logins.Add(1)
	s.mu.Lock()
	s.perConn[conn] = 0
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.perConn, conn)
	}()
	go ssh.DiscardRequests(requests)
	for ch := range channels {
		switch ch.ChannelType() {
		case "session":
			if !s.enter(conn) {
				ch.Reject(ssh.ConnectionFailed, "open failed")
				continue
			}
			go func() {
				defer s.leave(conn)
				s.session(ch)
			}()
		case "direct-streamlocal@openssh.com":
			var target struct {
				Path, Reserved string
				Reserved2      uint32
			}
			ssh.Unmarshal(ch.ExtraData(), &target)
			if s.noForward {
				ch.Reject(ssh.ConnectionFailed, "open failed")
				continue
			}
			go forwardTo(ch, "unix", target.Path)
		case "direct-tcpip":
			var target struct {
				Host     string
				Port     uint32
				From     string
				FromPort uint32
			}
			ssh.Unmarshal(ch.ExtraData(), &target)
			go forwardTo(ch, "tcp", net.JoinHostPort(target.Host, fmt.Sprint(target.Port)))
		default:
			ch.Reject(ssh.UnknownChannelType, "no")
		}
	}
}

func (s *sshd) enter(c *ssh.ServerConn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.maxSession > 0 && s.perConn[c] >= s.maxSession {
		return false
	}
	s.perConn[c]++
	return true
}

func (s *sshd) leave(c *ssh.ServerConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.perConn[c]; ok {
		s.perConn[c]--
	}
}

func forwardTo(ch ssh.NewChannel, network, address string) {
	c, err := net.Dial(network, address)
	if err != nil {
		ch.Reject(ssh.ConnectionFailed, "open failed")
		return
	}
	channel, requests, err := ch.Accept()
	if err != nil {
		c.Close()
		return
	}
	go ssh.DiscardRequests(requests)
	go func() {
		io.Copy(c, channel)
		c.(interface{ CloseWrite() error }).CloseWrite()
	}()
	io.Copy(channel, c)
	channel.Close()
	c.Close()
}

// session runs one command, as `$SHELL -c` does.
func (s *sshd) session(ch ssh.NewChannel) {
	channel, requests, err := ch.Accept()
	if err != nil {
		return
	}
	defer channel.Close()
	for r := range requests {
		if r.Type != "exec" {
			r.Reply(false, nil)
			continue
		}
		var line struct{ Command string }
		ssh.Unmarshal(r.Payload, &line)
		r.Reply(true, nil)
		go ssh.DiscardRequests(requests)
		status := s.exec(channel, line.Command)
		channel.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{uint32(status)}))
		return
	}
}

func (s *sshd) exec(channel ssh.Channel, line string) int {
	helper := fmt.Sprintf("env %s=1 %s", helperVariable, os.Args[0])
	c := exec.Command("sh", "-c", strings.ReplaceAll(line, api.Binary, helper))
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if s.uid != 0 {
		c.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(s.uid), Gid: uint32(s.uid)}
	}
	c.Dir = "/"
	in, _ := c.StdinPipe()
	c.Stdout, c.Stderr = channel, channel.Stderr()
	if err := c.Start(); err != nil {
		fmt.Fprintln(channel.Stderr(), err)
		return 127
	}
	go func() {
		io.Copy(in, channel)
		in.Close()
	}()
	if err := c.Wait(); err != nil {
		return c.ProcessState.ExitCode()
	}
	return 0
}

// helperVariable makes the test binary act as `stowaged dial-stdio`.
const helperVariable = "STOWAGE_TEST_DIAL_STDIO"

func TestMain(m *testing.M) {
	if os.Getenv(helperVariable) == "" {
		os.Exit(m.Run())
	}
	c, err := net.Dial("unix", os.Args[2])
	if err != nil {
		fmt.Fprintln(os.Stderr, "stowaged:", err)
		os.Exit(1)
	}
	go func() {
		io.Copy(c, os.Stdin)
		c.(*net.UnixConn).CloseWrite()
	}()
	io.Copy(os.Stdout, c)
}

// person is someone with a home directory who logs in to servers.
type person struct {
	t    *testing.T
	home string
	key  ssh.Signer
	file string // of the key
}

func newPerson(t *testing.T) *person {
	t.Helper()
	u := &person{t: t, home: t.TempDir()}
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	u.key, _ = ssh.NewSignerFromKey(private)
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	u.file = u.write("id_ed25519", string(pem.EncodeToMemory(block)))
	return u
}

// write writes a file below ~/.ssh.
func (u *person) write(name, text string) string {
	u.t.Helper()
	path := filepath.Join(u.home, ".ssh", name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		u.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		u.t.Fatal(err)
	}
	return path
}

func (u *person) read(name string) string {
	u.t.Helper()
	b, err := os.ReadFile(filepath.Join(u.home, ".ssh", name))
	if err != nil {
		u.t.Fatal(err)
	}
	return string(b)
}

// trusts adds servers to known_hosts, and the user to their authorized keys.
func (u *person) trusts(servers ...*sshd) {
	var lines []string
	for _, s := range servers {
		s.authorized = append(s.authorized, u.key.PublicKey())
		lines = append(lines, s.knownLine(0))
	}
	u.write("known_hosts", strings.Join(lines, ""))
}

func (u *person) options() Options { return Options{Home: u.home, AgentSocket: "none"} }

func (u *person) config(s *sshd) Config {
	return Config{Name: "web", Address: "127.0.0.1", Port: s.port(), User: "root"}
}

func (u *person) dial(s *sshd) (Host, error) { return u.dialWith(u.config(s), u.options()) }

func (u *person) dialWith(c Config, o Options) (Host, error) {
	h, err := Dial(u.t.Context(), c, o)
	if err == nil {
		u.t.Cleanup(func() { h.Close() })
	}
	return h, err
}

func (u *person) mustDial(s *sshd) Host {
	u.t.Helper()
	h, err := u.dial(s)
	if err != nil {
		u.t.Fatal(err)
	}
	return h
}

// mentionsAll fails unless err is target and says all of want.
func mentionsAll(t *testing.T, err, target error, want ...string) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Fatalf("error %v, want %v", err, target)
	}
	missing := slices.DeleteFunc(want, func(w string) bool { return strings.Contains(err.Error(), w) })
	if len(missing) > 0 {
		t.Errorf("error does not mention %q:\n%v", missing, err)
	}
}
