package hosts

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// hostKeyFile is the only host key that the sshd of a host uses.
const hostKeyFile = "/etc/ssh/ssh_host_ed25519_key"

// users can log in with the lab's key: root, deploy (sudo without a password)
// and nosudo.
var users = []struct {
	name, home string
	uid        int
}{{"root", "/root", 0}, {"deploy", "/home/deploy", 1000}, {"nosudo", "/home/nosudo", 1001}}

// Dial opens an SSH connection to the host as a user, checking the host's key.
func (h *Host) Dial(ctx context.Context, user string) (*ssh.Client, error) {
	client, err := h.dial(ctx, user)
	if err != nil {
		return nil, h.fail("ssh as "+user, err)
	}
	return client, nil
}

func (h *Host) dial(ctx context.Context, user string) (*ssh.Client, error) {
	signer, err := readSigner(h.lab.Key)
	if err != nil {
		return nil, err
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(h.HostKey()))
	if err != nil {
		return nil, err
	}
	address := net.JoinHostPort(h.Addr, "22")
	conn, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	c, channels, requests, err := ssh.NewClientConn(conn, address, &ssh.ClientConfig{
		User:              user,
		Auth:              []ssh.AuthMethod{ssh.PublicKeys(signer)},
		HostKeyCallback:   ssh.FixedHostKey(key),
		HostKeyAlgorithms: []string{key.Type()},
	})
	if err != nil {
		conn.Close()
		return nil, errors.Join(err, context.Cause(ctx))
	}
	conn.SetDeadline(time.Time{})
	return ssh.NewClient(c, channels, requests), nil
}

// Run runs a shell command in the host as root, through SSH, and returns its
// standard output. The error of a command that failed has what it wrote to
// standard error and wraps an *ssh.ExitError. It returns when all that the
// command started has closed its output, or when ctx ends.
func (h *Host) Run(ctx context.Context, command string) (string, error) {
	return h.RunAs(ctx, "root", command)
}

// RunAs is Run as another user: deploy may use sudo, nosudo may not.
func (h *Host) RunAs(ctx context.Context, user, command string) (string, error) {
	client, err := h.Dial(ctx, user)
	if err != nil {
		return "", err
	}
	defer client.Close()
	stop := context.AfterFunc(ctx, func() { client.Close() })
	defer stop()
	session, err := client.NewSession()
	if err != nil {
		return "", h.fail("run "+command, err)
	}
	var stdout, stderr bytes.Buffer
	session.Stdout, session.Stderr = &stdout, &stderr
	if err := session.Run(command); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return stdout.String(), h.fail("run "+command, fmt.Errorf("%w: %s", err, strings.TrimSpace(stderr.String())))
	}
	return stdout.String(), nil
}

// answers reports whether sshd greets a caller.
func (h *Host) answers(ctx context.Context) bool {
	conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", net.JoinHostPort(h.Addr, "22"))
	if err != nil {
		return false
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(5 * time.Second))
	greeting := make([]byte, 4)
	n, _ := conn.Read(greeting)
	return string(greeting[:n]) == "SSH-"
}

// SetHostKey gives the host a new SSH host key, as a reinstalled machine has.
// HostKey returns the new one; the lab's known_hosts keeps the old one, as the
// user's would.
func (h *Host) SetHostKey(ctx context.Context) error {
	if err := h.setHostKey(ctx); err != nil {
		return h.fail("set host key", err)
	}
	return h.lab.write()
}

func (h *Host) setHostKey(ctx context.Context) error {
	if !h.Running() {
		return h.newHostKey()
	}
	client, err := h.dial(ctx, "root") // sshd still shows the old key
	if err != nil {
		return err
	}
	defer client.Close()
	if err := h.newHostKey(); err != nil {
		return err
	}
	session, err := client.NewSession()
	if err != nil {
		return err
	}
	if out, err := session.CombinedOutput("systemctl reload ssh"); err != nil {
		return fmt.Errorf("systemctl reload ssh: %w: %s", err, out)
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		client, err := h.dial(ctx, "root")
		if err == nil {
			return client.Close()
		}
		if pause(ctx, 10*time.Millisecond) != nil {
			return err
		}
	}
}

// newHostKey writes a fresh host key to the disk.
func (h *Host) newHostKey() error {
	private, public, err := newKey(h.Name)
	if err != nil {
		return err
	}
	if err := h.disk.write(hostKeyFile, private, 0o600); err != nil {
		return err
	}
	if err := h.disk.write(hostKeyFile+".pub", []byte(public+"\n"), 0o644); err != nil {
		return err
	}
	h.keyMu.Lock()
	defer h.keyMu.Unlock()
	h.hostKey = public
	return nil
}

// authorize lets the lab's key in, for every user.
func (h *Host) authorize(public string) error {
	for _, user := range users {
		dir := user.home + "/.ssh"
		if err := h.disk.write(dir+"/authorized_keys", []byte(public+"\n"), 0o600); err != nil {
			return err
		}
		for _, path := range []string{dir, dir + "/authorized_keys"} {
			if err := os.Chown(h.disk.root()+path, user.uid, user.uid); err != nil {
				return err
			}
		}
		if err := os.Chmod(h.disk.root()+dir, 0o700); err != nil {
			return err
		}
	}
	return nil
}

// newKey makes an ed25519 key: OpenSSH's private format, and "ssh-ed25519 …".
func newKey(comment string) (private []byte, public string, err error) {
	pub, priv, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, "", err
	}
	block, err := ssh.MarshalPrivateKey(priv, comment)
	if err != nil {
		return nil, "", err
	}
	sshPub, err := ssh.NewPublicKey(pub)
	if err != nil {
		return nil, "", err
	}
	return pem.EncodeToMemory(block), strings.TrimSpace(string(ssh.MarshalAuthorizedKey(sshPub))), nil
}

func readSigner(path string) (ssh.Signer, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return ssh.ParsePrivateKey(data)
}

// knownHosts is the text of a known_hosts file with every host of the lab.
func knownHosts(hosts []*Host) (string, error) {
	var b strings.Builder
	for _, h := range hosts {
		key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(h.HostKey()))
		if err != nil {
			return "", err
		}
		fmt.Fprintln(&b, knownhosts.Line([]string{h.Addr}, key))
	}
	return b.String(), nil
}
