package ssh

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// credentials are the keys for one hop, and a record of what was tried with them.
type credentials struct {
	hop     hop
	options Options
	ctx     context.Context
	// asking is called around a question to the user, to stop the clock of the handshake.
	asking func() (done func())

	mu    sync.Mutex
	notes []string // what was tried or skipped, for the error
	fatal error    // why an accepted key could not sign
	agent net.Conn
}

func (c *credentials) note(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.notes = append(c.notes, fmt.Sprintf(format, args...))
}

// close ends the connection to the agent.
func (c *credentials) close() {
	if c.agent != nil {
		c.agent.Close()
	}
}

// signers lists the keys in the order in which they are tried: asked-for keys
// first (through the agent where it has them), then the agent's others, then
// guessed files; encrypted files last, since they may need a person.
func (c *credentials) signers() ([]ssh.Signer, error) {
	agentKeys := c.agentSigners()
	inAgent := make(map[string]ssh.Signer, len(agentKeys))
	for _, s := range agentKeys {
		inAgent[string(s.PublicKey().Marshal())] = s
	}
	var fromFiles, encrypted, rest []ssh.Signer
	used := map[string]bool{}
	if c.hop.key != "" {
		s, err := ssh.ParsePrivateKey([]byte(c.hop.key))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.hop.node, CheckKey(string(c.hop.key)))
		}
		fromFiles = append(fromFiles, s)
	}
	for _, path := range c.hop.identities {
		s, err := c.file(path)
		if err != nil {
			if c.hop.explicit || !errors.Is(err, fs.ErrNotExist) {
				c.note("%s: %v", path, err)
			}
			continue
		}
		id := string(s.PublicKey().Marshal())
		if used[id] {
			continue
		}
		used[id] = true
		if a := inAgent[id]; a != nil {
			fromFiles = append(fromFiles, a)
		} else if lazy, ok := s.(*lazySigner); ok {
			encrypted = append(encrypted, lazy)
		} else {
			fromFiles = append(fromFiles, s)
		}
	}
	for _, s := range agentKeys {
		if !c.hop.identitiesOnly && !used[string(s.PublicKey().Marshal())] {
			rest = append(rest, s)
		}
	}
	var all []ssh.Signer
	if c.hop.explicit {
		all = append(append(fromFiles, rest...), encrypted...)
	} else {
		all = append(append(rest, fromFiles...), encrypted...)
	}
	return c.announced(all), nil
}

// agentSigners are the agent's keys, in its order.
func (c *credentials) agentSigners() []ssh.Signer {
	if c.hop.agentSocket == "" {
		c.note("no agent (SSH_AUTH_SOCK is not set)")
		return nil
	}
	conn, err := (&net.Dialer{}).DialContext(c.ctx, "unix", c.hop.agentSocket)
	if err != nil {
		c.note("agent at %s does not answer: %v", c.hop.agentSocket, err)
		return nil
	}
	c.agent = conn
	signers, err := agent.NewClient(conn).Signers()
	if err != nil {
		c.note("agent at %s: %v", c.hop.agentSocket, err)
		return nil
	}
	if len(signers) == 0 {
		c.note("agent holds no keys")
	}
	return signers
}

// file reads a private key. An encrypted one is decrypted only when the server
// has accepted its public key; that needs the public key: from the file (OpenSSH
// format) or from the .pub file beside it, else the passphrase at once.
func (c *credentials) file(path string) (ssh.Signer, error) {
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	signer, err := ssh.ParsePrivateKey(pem)
	var missing *ssh.PassphraseMissingError
	if !errors.As(err, &missing) {
		return signer, err
	}
	lazy := &lazySigner{public: missing.PublicKey, open: func() (s ssh.Signer, err error) {
		s, err = c.decrypt(path, pem)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.fatal = err
		return s, err
	}}
	if lazy.public == nil {
		if b, err := os.ReadFile(path + ".pub"); err == nil {
			lazy.public, _, _, _, _ = ssh.ParseAuthorizedKey(b)
		}
	}
	if lazy.public == nil {
		return lazy.open()
	}
	return lazy, nil
}

// decrypted remembers the opened keys of this process by their file's content,
// so that a person is asked once for a key that opens many hosts.
var decrypted = struct {
	sync.Mutex
	signers map[string]ssh.Signer
}{signers: map[string]ssh.Signer{}}

func (c *credentials) decrypt(path string, pem []byte) (ssh.Signer, error) {
	if c.asking != nil {
		defer c.asking()()
	}
	decrypted.Lock()
	defer decrypted.Unlock()
	if s := decrypted.signers[string(pem)]; s != nil {
		return s, nil
	}
	var passphrase []byte
	switch env := os.Getenv(PassphraseEnv); {
	case env != "":
		passphrase = []byte(env)
	case c.options.Passphrase != nil:
		p, err := c.options.Passphrase(c.ctx, path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w: %s: %w", c.hop.node, ErrPassphrase, path, err)
		}
		passphrase = p
	default:
		return nil, fmt.Errorf("%s: %w: the private key %s is encrypted: add it to the agent (ssh-add %s) or set %s", c.hop.node, ErrPassphrase, path, path, PassphraseEnv)
	}
	s, err := ssh.ParsePrivateKeyWithPassphrase(pem, passphrase)
	if errors.Is(err, x509.IncorrectPasswordError) {
		return nil, fmt.Errorf("%s: %w: wrong passphrase for the private key %s", c.hop.node, ErrPassphrase, path)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: private key %s: %w", c.hop.node, path, err)
	}
	decrypted.signers[string(pem)] = s
	return s, nil
}

// failed is the error of a login in which no key was accepted.
func (c *credentials) failed(cause error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	tried := strings.Join(c.notes, "; ")
	if tried == "" {
		tried = "nothing"
	}
	return fmt.Errorf("%s: %w: %s accepted none of the keys; tried: %s (%w); add one of them to authorized_keys of %s there, or set private_key or user in the node's ssh block",
		c.hop.node, ErrAuth, c.hop, tried, cause, c.hop.user)
}

// lazySigner opens its key when it has to sign.
type lazySigner struct {
	public ssh.PublicKey
	open   func() (ssh.Signer, error)
}

func (l *lazySigner) PublicKey() ssh.PublicKey { return l.public }

func (l *lazySigner) Sign(rand io.Reader, data []byte) (*ssh.Signature, error) {
	return l.SignWithAlgorithm(rand, data, "")
}

func (l *lazySigner) SignWithAlgorithm(rand io.Reader, data []byte, algorithm string) (*ssh.Signature, error) {
	s, err := l.open()
	if err != nil {
		return nil, err
	}
	return signWith(s, rand, data, algorithm)
}

// announcedSigner notes that its key was shown to the server.
type announcedSigner struct {
	ssh.Signer
	once sync.Once
	tell func()
}

func (c *credentials) announced(signers []ssh.Signer) []ssh.Signer {
	out := make([]ssh.Signer, len(signers))
	for i, s := range signers {
		out[i] = &announcedSigner{Signer: s, tell: func() { c.note("%s", fingerprint(s.PublicKey())) }}
	}
	return out
}

func (a *announcedSigner) PublicKey() ssh.PublicKey {
	a.once.Do(a.tell)
	return a.Signer.PublicKey()
}

func (a *announcedSigner) SignWithAlgorithm(rand io.Reader, data []byte, algorithm string) (*ssh.Signature, error) {
	return signWith(a.Signer, rand, data, algorithm)
}

func signWith(s ssh.Signer, rand io.Reader, data []byte, algorithm string) (*ssh.Signature, error) {
	if as, ok := s.(ssh.AlgorithmSigner); ok && algorithm != "" {
		return as.SignWithAlgorithm(rand, data, algorithm)
	}
	return s.Sign(rand, data)
}
