package ssh

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
	"golang.org/x/sys/unix"
)

// hostKeys verifies the key of one hop.
type hostKeys struct {
	hop    hop
	pinned ssh.PublicKey
	known  ssh.HostKeyCallback // nil: no known_hosts file
	names  map[string]string   // temporary file → the file that it stands for
}

// newHostKeys reads what is known of the hop's key. close removes temporary files.
func newHostKeys(h hop) (*hostKeys, error) {
	k := &hostKeys{hop: h}
	if h.hostKey != "" {
		key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(h.hostKey))
		if err != nil {
			return nil, fmt.Errorf("%s: host_key is no public key (%w): write it as in known_hosts, e.g. \"ssh-ed25519 AAAA…\"", h.node, err)
		}
		k.pinned = key
		return k, nil
	}
	return k, k.load()
}

// load reads the known_hosts files. Lines that cannot be parsed are skipped, as
// OpenSSH does: one broken line must not make every host unknown.
func (k *hostKeys) load() error {
	k.names = map[string]string{}
	var files []string
	for _, path := range k.hop.knownHosts {
		b, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", k.hop.node, err)
		}
		clean, changed := dropUnparsable(b)
		if !changed {
			files = append(files, path)
			continue
		}
		tmp, err := os.CreateTemp("", "known_hosts-*")
		if err != nil {
			return err
		}
		defer os.Remove(tmp.Name())
		_, err = tmp.Write(clean)
		if err = errors.Join(err, tmp.Close()); err != nil {
			return err
		}
		k.names[tmp.Name()] = path
		files = append(files, tmp.Name())
	}
	if len(files) == 0 {
		return nil
	}
	known, err := knownhosts.New(files...)
	if err != nil {
		return fmt.Errorf("%s: %w", k.hop.node, err)
	}
	k.known = known
	return nil
}

// dropUnparsable blanks the lines that are no known_hosts entries, keeping line numbers.
func dropUnparsable(b []byte) ([]byte, bool) {
	lines := bytes.Split(b, []byte("\n"))
	changed := false
	for i, line := range lines {
		trimmed := bytes.TrimSpace(line)
		if len(trimmed) == 0 || trimmed[0] == '#' {
			continue
		}
		if _, _, _, _, _, err := ssh.ParseKnownHosts(trimmed); err != nil {
			lines[i], changed = nil, true
		}
	}
	return bytes.Join(lines, []byte("\n")), changed
}

// algorithms orders the host key algorithms so that the server shows a key that
// is known, if it has one: known types first, then the rest, so that a host
// whose known key is gone is reported as changed rather than as incompatible.
func (k *hostKeys) algorithms() []string {
	supported := ssh.SupportedAlgorithms().HostKeys
	var known []ssh.PublicKey
	var ordered []string
	seen := map[string]bool{}
	add := func(algos ...string) {
		for _, a := range algos {
			if !seen[a] {
				seen[a] = true
				ordered = append(ordered, a)
			}
		}
	}
	if k.pinned != nil {
		known = append(known, k.pinned)
	}
	var keyErr *knownhosts.KeyError
	if k.known != nil && errors.As(k.known(k.hop.keyAddress(), dummyAddr{}, dummyKey{}), &keyErr) {
		for _, w := range keyErr.Want {
			if !k.isAuthority(w) {
				known = append(known, w.Key)
				continue
			}
			for _, a := range supported {
				if strings.Contains(a, "-cert-") {
					add(a)
				}
			}
		}
	}
	for _, key := range known {
		if key.Type() == ssh.KeyAlgoRSA {
			add(ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256)
		} else {
			add(key.Type())
		}
	}
	add(supported...)
	return ordered
}

// check is the ssh.HostKeyCallback of the hop.
func (k *hostKeys) check(_ string, _ net.Addr, key ssh.PublicKey) error {
	if k.pinned != nil {
		if bytes.Equal(k.pinned.Marshal(), key.Marshal()) {
			return nil
		}
		return k.changed(fmt.Sprintf("host_key pins %s", fingerprint(k.pinned)), key,
			"set host_key to the new key if the host was reinstalled")
	}
	err := k.lookUp(key)
	if !errors.Is(err, ErrUnknownHostKey) || !k.hop.acceptNew {
		return err
	}
	return k.accept(key)
}

func (k *hostKeys) lookUp(key ssh.PublicKey) error {
	if k.known == nil {
		return k.unknown(key)
	}
	err := k.known(k.hop.keyAddress(), dummyAddr{}, key)
	var revoked *knownhosts.RevokedError
	var keyErr *knownhosts.KeyError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &revoked):
		return k.changed(fmt.Sprintf("%s revokes this key", k.place(revoked.Revoked)), key,
			"do not connect before you know why")
	case errors.As(err, &keyErr):
		var known []string
		for _, w := range keyErr.Want {
			if k.isAuthority(w) {
				continue
			}
			known = append(known, fmt.Sprintf("%s has %s", k.place(w), fingerprint(w.Key)))
		}
		if len(known) == 0 {
			return k.unknown(key)
		}
		return k.changed(strings.Join(known, ", "), key,
			fmt.Sprintf("if the host was reinstalled, run ssh-keygen -R '%s' -f %s and connect again", knownhosts.Normalize(k.hop.keyAddress()), k.file(keyErr.Want[0].Filename)))
	}
	return fmt.Errorf("%s: %s: host key: %w", k.hop.node, k.hop.address(), err)
}

func (k *hostKeys) unknown(key ssh.PublicKey) error {
	return fmt.Errorf("%s: %w: %s shows %s, which is not in %s: compare it with `ssh-keyscan` or the host's console, then add it there, or set host_key or accept_new = true in the node's ssh block",
		k.hop.node, ErrUnknownHostKey, k.hop.address(), fingerprint(key), strings.Join(k.hop.knownHosts, " or "))
}

func (k *hostKeys) changed(known string, key ssh.PublicKey, todo string) error {
	return fmt.Errorf("%s: %w: %s shows %s but %s; someone may be listening in: %s",
		k.hop.node, ErrHostKeyChanged, k.hop.address(), fingerprint(key), known, todo)
}

// accept appends the key to the first known_hosts file, under a lock, after
// looking again: another connection may have accepted one meanwhile.
func (k *hostKeys) accept(key ssh.PublicKey) error {
	path := k.hop.knownHosts[0]
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("%s: accept host key: %w", k.hop.node, err)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("%s: accept host key: %w", k.hop.node, err)
	}
	defer f.Close()
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		return fmt.Errorf("%s: accept host key: lock %s: %w", k.hop.node, path, err)
	}
	if err := k.load(); err != nil {
		return err
	}
	if err := k.lookUp(key); !errors.Is(err, ErrUnknownHostKey) {
		return err
	}
	line := knownhosts.Line([]string{knownhosts.Normalize(k.hop.keyAddress())}, key) + "\n"
	if st, err := f.Stat(); err == nil && st.Size() > 0 {
		last := make([]byte, 1)
		if _, err := f.ReadAt(last, st.Size()-1); err == nil && last[0] != '\n' {
			line = "\n" + line
		}
	}
	_, err = f.WriteString(line)
	if err = errors.Join(err, f.Sync()); err != nil {
		return fmt.Errorf("%s: accept host key: %w", k.hop.node, err)
	}
	return k.load()
}

func (k *hostKeys) file(name string) string {
	if real, ok := k.names[name]; ok {
		return real
	}
	return name
}

func (k *hostKeys) place(key knownhosts.KnownKey) string {
	return fmt.Sprintf("%s:%d", k.file(key.Filename), key.Line)
}

// isAuthority says whether the line trusts a certificate authority rather than a key.
func (k *hostKeys) isAuthority(key knownhosts.KnownKey) bool {
	b, err := os.ReadFile(k.file(key.Filename))
	lines := bytes.Split(b, []byte("\n"))
	return err == nil && key.Line <= len(lines) && bytes.HasPrefix(bytes.TrimSpace(lines[key.Line-1]), []byte("@cert-authority"))
}

// fingerprint is a key's type and SHA-256, as ssh-keygen -l prints it.
func fingerprint(key ssh.PublicKey) string { return key.Type() + " " + ssh.FingerprintSHA256(key) }

// dummyAddr stands for the peer where only the name counts (behind a jump host
// the TCP peer is not the host).
type dummyAddr struct{}

func (dummyAddr) Network() string { return "tcp" }
func (dummyAddr) String() string  { return "0.0.0.0:0" }

// dummyKey equals no key: asking for it lists the known ones.
type dummyKey struct{}

func (dummyKey) Type() string                        { return "none" }
func (dummyKey) Marshal() []byte                     { return []byte("none") }
func (dummyKey) Verify([]byte, *ssh.Signature) error { return errors.New("no key") }
