package ssh

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// Who the host is decides before anything is said to it.
func TestHostKeys(t *testing.T) {
	other := newSigner(t, "ed25519").PublicKey()
	otherLine := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(other)))
	for _, c := range []struct {
		name   string
		known  func(s *sshd) string
		config func(c *Config, s *sshd)
		want   error
		says   func(s *sshd) []string
	}{
		{name: "known", known: func(s *sshd) string { return s.knownLine(0) }},
		{name: "known by a hash", known: func(s *sshd) string {
			return knownhosts.Line([]string{knownhosts.HashHostname(knownhosts.Normalize(s.addr))}, s.hostKeys[0].PublicKey())
		}},
		{name: "known, among lines that nobody understands", known: func(s *sshd) string {
			return "some nonsense\n[127.0.0.1]:1 1024 35 1234\n" + s.knownLine(0)
		}},
		{name: "unknown", want: ErrUnknownHostKey, says: func(s *sshd) []string {
			return []string{"web", s.addr, fingerprint(s.hostKeys[0].PublicKey()), "known_hosts", "accept_new"}
		}},
		{name: "known under another port only", known: func(s *sshd) string {
			return knownhosts.Line([]string{"127.0.0.1"}, s.hostKeys[0].PublicKey())
		}, want: ErrUnknownHostKey},
		{name: "changed", known: func(s *sshd) string {
			return "# comment\n" + knownhosts.Line([]string{knownhosts.Normalize(s.addr)}, other)
		}, want: ErrHostKeyChanged, says: func(s *sshd) []string {
			return []string{"web", "known_hosts:2", fingerprint(other), fingerprint(s.hostKeys[0].PublicKey()), "ssh-keygen -R"}
		}},
		{name: "changed, below a line that nobody understands", known: func(s *sshd) string {
			return "some nonsense\n" + knownhosts.Line([]string{knownhosts.Normalize(s.addr)}, other)
		}, want: ErrHostKeyChanged, says: func(s *sshd) []string { return []string{".ssh/known_hosts:2"} }},
		{name: "changed, although new ones are accepted", known: func(s *sshd) string {
			return knownhosts.Line([]string{knownhosts.Normalize(s.addr)}, other)
		}, config: func(c *Config, _ *sshd) { c.AcceptNew = true }, want: ErrHostKeyChanged},
		{name: "revoked", known: func(s *sshd) string {
			return "@revoked " + knownhosts.Normalize(s.addr) + " " + strings.SplitN(s.knownLine(0), " ", 2)[1]
		},
			want: ErrHostKeyChanged, says: func(*sshd) []string { return []string{"revokes"} }},
		{name: "only its authority is known, and it has no certificate", known: func(s *sshd) string {
			return "@cert-authority " + knownhosts.Normalize(s.addr) + " " + otherLine
		}, want: ErrUnknownHostKey},
		{name: "pinned", config: func(c *Config, s *sshd) {
			c.HostKey = string(ssh.MarshalAuthorizedKey(s.hostKeys[0].PublicKey()))
		}},
		{name: "pinned to another", known: func(s *sshd) string { return s.knownLine(0) },
			config: func(c *Config, _ *sshd) { c.HostKey = otherLine }, want: ErrHostKeyChanged,
			says: func(*sshd) []string { return []string{fingerprint(other), "host_key"} }},
	} {
		t.Run(c.name, func(t *testing.T) {
			u := newPerson(t)
			s := startServer(t, func(s *sshd) { s.authorized = append(s.authorized, u.key.PublicKey()) })
			if c.known != nil {
				u.write("known_hosts", c.known(s))
			}
			config := u.config(s)
			if c.config != nil {
				c.config(&config, s)
			}
			_, err := u.dialWith(config, u.options())
			if c.want == nil {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			var says []string
			if c.says != nil {
				says = c.says(s)
			}
			mentionsAll(t, err, c.want, says...)
			if n := s.logins.Load(); n != 0 {
				t.Errorf("logged in %d times", n)
			}
		})
	}
}

// A host has several keys; the client must ask for the one that is known.
func TestHostKnownByOneOfItsKeys(t *testing.T) {
	keys := []ssh.Signer{newSigner(t, "rsa"), newSigner(t, "ecdsa"), newSigner(t, "ed25519")}
	for i, key := range keys {
		t.Run(key.PublicKey().Type(), func(t *testing.T) {
			u := newPerson(t)
			s := startServer(t, func(s *sshd) { s.hostKeys, s.authorized = keys, []ssh.PublicKey{u.key.PublicKey()} })
			u.write("known_hosts", s.knownLine(i))
			u.mustDial(s)
		})
	}
}

// A host that shows a certificate of a known authority is known.
func TestHostCertificate(t *testing.T) {
	ca, key := newSigner(t, "ed25519"), newSigner(t, "ed25519")
	cert := &ssh.Certificate{Key: key.PublicKey(), CertType: ssh.HostCert, ValidPrincipals: []string{"127.0.0.1"}, ValidBefore: ssh.CertTimeInfinity}
	if err := cert.SignCert(strings.NewReader(strings.Repeat("x", 100)), ca); err != nil {
		t.Fatal(err)
	}
	certified, err := ssh.NewCertSigner(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	u := newPerson(t)
	s := startServer(t, func(s *sshd) {
		s.hostKeys, s.authorized = []ssh.Signer{key, certified}, []ssh.PublicKey{u.key.PublicKey()}
	})
	u.write("known_hosts", "@cert-authority "+knownhosts.Normalize(s.addr)+" "+string(ssh.MarshalAuthorizedKey(ca.PublicKey())))
	u.mustDial(s)
}

// An unknown key that is accepted is remembered: once, whoever else is at it.
func TestAcceptNew(t *testing.T) {
	u := newPerson(t)
	s := startServer(t, func(s *sshd) { s.authorized = append(s.authorized, u.key.PublicKey()) })
	u.write("known_hosts", "other.example.com "+strings.TrimSpace(string(ssh.MarshalAuthorizedKey(newSigner(t, "ed25519").PublicKey()))))
	config := u.config(s)
	config.AcceptNew = true
	var all sync.WaitGroup
	for range 5 {
		all.Go(func() {
			if _, err := u.dialWith(config, u.options()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	lines := strings.Split(strings.TrimSpace(u.read("known_hosts")), "\n")
	if len(lines) != 2 || lines[1]+"\n" != s.knownLine(0) {
		t.Errorf("known_hosts: %q", lines)
	}
	config.AcceptNew = false
	if _, err := u.dialWith(config, u.options()); err != nil {
		t.Error(err)
	}

	config.AcceptNew, config.KnownHosts = true, filepath.Join(u.home, "new", "hosts")
	if _, err := u.dialWith(config, u.options()); err != nil {
		t.Fatal(err)
	}
	st, err := os.Stat(config.KnownHosts)
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("a new known_hosts file: %v, %v", st, err)
	}
}
