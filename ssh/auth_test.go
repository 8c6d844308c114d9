package ssh

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// encrypt replaces the user's key file by an encrypted one of a new key.
func (u *person) encrypt(passphrase string) {
	u.t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		u.t.Fatal(err)
	}
	u.key, _ = ssh.NewSignerFromKey(private)
	block, err := ssh.MarshalPrivateKeyWithPassphrase(private, "", []byte(passphrase))
	if err != nil {
		u.t.Fatal(err)
	}
	u.write("id_ed25519", string(pem.EncodeToMemory(block)))
}

// agent runs an agent with n keys, the last of which is returned.
func (u *person) agent(n int) (socket string, last ssh.PublicKey) {
	u.t.Helper()
	ring := agent.NewKeyring()
	for range n {
		public, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			u.t.Fatal(err)
		}
		if err := ring.Add(agent.AddedKey{PrivateKey: private}); err != nil {
			u.t.Fatal(err)
		}
		last, _ = ssh.NewPublicKey(public)
	}
	dir, err := os.MkdirTemp("", "agent") // short: a socket's path is bounded
	if err != nil {
		u.t.Fatal(err)
	}
	u.t.Cleanup(func() { os.RemoveAll(dir) })
	socket = filepath.Join(dir, "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		u.t.Fatal(err)
	}
	u.t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go agent.ServeAgent(ring, c)
		}
	}()
	return socket, last
}

func TestKeyFile(t *testing.T) {
	u := newPerson(t)
	s := startServer(t)
	u.trusts(s)
	u.mustDial(s) // ~/.ssh/id_ed25519 is found

	elsewhere := filepath.Join(t.TempDir(), "key")
	if err := os.Rename(u.file, elsewhere); err != nil {
		t.Fatal(err)
	}
	config := u.config(s)
	config.PrivateKey = elsewhere
	if _, err := u.dialWith(config, u.options()); err != nil {
		t.Error(err)
	}
}

func TestAgent(t *testing.T) {
	u := newPerson(t)
	s := startServer(t)
	u.trusts(s)
	options := u.options()
	socket, last := u.agent(3)
	options.AgentSocket = socket
	s.authorized = []ssh.PublicKey{last}
	if _, err := u.dialWith(u.config(s), options); err != nil {
		t.Error(err)
	}

	// A server that counts tries must not be shown the agent's keys first when one was asked for.
	options.AgentSocket, _ = u.agent(10)
	s.authorized = []ssh.PublicKey{u.key.PublicKey()}
	config := u.config(s)
	config.PrivateKey = u.file
	if _, err := u.dialWith(config, options); err != nil {
		t.Error(err)
	}
}

// The login that fails says what was tried.
func TestNoKeyAccepted(t *testing.T) {
	u := newPerson(t)
	s := startServer(t)
	u.trusts(s)
	s.authorized = nil
	config := u.config(s)
	config.PrivateKey = u.file
	_, err := u.dialWith(config, u.options())
	mentionsAll(t, err, ErrAuth, "web", "root@"+s.addr, fingerprint(u.key.PublicKey()), "no agent", "authorized_keys")

	config.PrivateKey = "/nowhere/key"
	_, err = u.dialWith(config, u.options())
	mentionsAll(t, err, ErrAuth, "/nowhere/key", "no such file")
}

// A passphrase is asked once for a key, and only when the server wants that key.
func TestEncryptedKey(t *testing.T) {
	u := newPerson(t)
	u.encrypt("open sesame")
	first, second := startServer(t), startServer(t)
	u.trusts(first, second)

	_, err := u.dial(first)
	mentionsAll(t, err, ErrPassphrase, "web", u.file, "ssh-add", PassphraseEnv)

	options, asked := u.options(), 0
	options.Passphrase = func(_ context.Context, path string) ([]byte, error) {
		if asked++; path != u.file {
			t.Errorf("asked for %s", path)
		}
		return []byte("wrong"), nil
	}
	_, err = u.dialWith(u.config(first), options)
	mentionsAll(t, err, ErrPassphrase, "wrong passphrase", u.file)

	asked = 0
	options.Passphrase = func(context.Context, string) ([]byte, error) { asked++; return []byte("open sesame"), nil }
	for _, s := range []*sshd{first, second} {
		if _, err := u.dialWith(u.config(s), options); err != nil {
			t.Fatal(err)
		}
	}
	if asked != 1 {
		t.Errorf("asked %d times", asked)
	}

	u.encrypt("another")
	third := startServer(t)
	u.trusts(third)
	third.authorized = nil
	_, err = u.dialWith(u.config(third), options)
	mentionsAll(t, err, ErrAuth)
	if asked != 1 {
		t.Error("asked for a key that the server does not want")
	}
	third.authorized = []ssh.PublicKey{u.key.PublicKey()}
	t.Setenv(PassphraseEnv, "another")
	u.mustDial(third)
}

func TestNoRootRights(t *testing.T) {
	u := newPerson(t)
	s := startServer(t, func(s *sshd) { s.uid = 65534 })
	u.trusts(s)
	config := u.config(s)
	config.User = "nobody"
	_, err := u.dialWith(config, u.options())
	mentionsAll(t, err, ErrNoSudo, "web", "nobody", "sudo")
}

// A key that is given itself is used alone, and is in no message.
func TestKeyItself(t *testing.T) {
	u := newPerson(t)
	s := startServer(t)
	u.trusts(s)
	pem, err := os.ReadFile(u.file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(u.file); err != nil {
		t.Fatal(err)
	}
	config := u.config(s)
	config.Key = Key(pem)
	if _, err := u.dialWith(config, u.options()); err != nil {
		t.Error(err)
	}
	if text := fmt.Sprintf("%v %+v %#v %s", config, config, config, config.Key); strings.Contains(text, string(pem[40:60])) {
		t.Error(text)
	}
	s.authorized = nil
	_, err = u.dialWith(config, u.options())
	mentionsAll(t, err, ErrAuth, fingerprint(u.key.PublicKey()))

	for _, text := range []string{"", "no key", string(pem[:len(pem)/2])} {
		if err := CheckKey(text); err == nil || !strings.Contains(err.Error(), "no private key in PEM") {
			t.Errorf("%q: %v", text, err)
		}
	}
	u.encrypt("open sesame")
	if pem, err = os.ReadFile(u.file); err != nil {
		t.Fatal(err)
	}
	if err := CheckKey(string(pem)); err == nil || !strings.Contains(err.Error(), "encrypted with a passphrase") {
		t.Error(err)
	}
}
