package image

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// sshd is a server on the loopback interface, of the installed binary.
type sshd struct {
	port    string
	keyFile string
	client  *ssh.Client
}

func startSSHD(t testing.TB) *sshd {
	t.Helper()
	bin, err := exec.LookPath("/usr/sbin/sshd")
	if err != nil || os.Getuid() != 0 {
		t.Fatal("sshd is missing (make deps), or this is not root")
	}
	dir := t.TempDir()
	hostKey, _ := newSSHKey(t, filepath.Join(dir, "host"))
	_, user := newSSHKey(t, filepath.Join(dir, "user"))
	authorized := filepath.Join(dir, "authorized")
	if err := os.WriteFile(authorized, ssh.MarshalAuthorizedKey(user.PublicKey()), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	l.Close()
	os.MkdirAll("/run/sshd", 0o755)
	cmd := exec.Command(bin, "-D", "-e", "-f", "/dev/null", "-p", port, "-h", hostKey, "-o", "ListenAddress=127.0.0.1",
		"-o", "AuthorizedKeysFile="+authorized, "-o", "StrictModes=no", "-o", "PermitRootLogin=yes", "-o", "UsePAM=no", "-o", "PidFile=none")
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	buf := make([]byte, 4096)
	for seen := ""; !strings.Contains(seen, "listening"); {
		n, err := log.Read(buf)
		if err != nil {
			t.Fatalf("sshd: %s", seen)
		}
		seen += string(buf[:n])
	}
	go func() {
		for {
			if _, err := log.Read(buf); err != nil {
				return
			}
		}
	}()
	s := &sshd{port: port, keyFile: filepath.Join(dir, "user")}
	s.client, err = ssh.Dial("tcp", "127.0.0.1:"+port, &ssh.ClientConfig{User: "root", Auth: []ssh.AuthMethod{ssh.PublicKeys(user)},
		HostKeyCallback: ssh.InsecureIgnoreHostKey()}) // a server of this test's own, on the loopback interface
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.client.Close() })
	session, err := s.client.NewSession() // sshd sets TCP_NODELAY with the first session only
	if err != nil {
		t.Fatal(err)
	}
	if err := session.Run("true"); err != nil {
		t.Fatal(err)
	}
	return s
}

func newSSHKey(t testing.TB, file string) (string, ssh.Signer) {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return file, signer
}

// cat is the floor: OpenSSH's client carries the bytes into a file.
func (s *sshd) cat(t testing.TB, data []byte, to string) time.Duration {
	t.Helper()
	cmd := exec.Command("ssh", "-F", "/dev/null", "-p", s.port, "-i", s.keyFile, "-o", "StrictHostKeyChecking=no",
		"-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "root@127.0.0.1", "cat > "+to)
	cmd.Stdin = bytes.NewReader(data)
	start := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return time.Since(start)
}

// A push through an SSH tunnel beside `ssh cat` of the same bytes; sending and
// unpacking are told apart.
func BenchmarkPushThroughSSH(b *testing.B) {
	c, s := startContainerd(b, "shared"), startSSHD(b)
	const size = 200 << 20
	var sending, unpacking []float64 // floor ÷ push, pair by pair: the machine's load changes
	for b.Loop() {
		data := []byte(noise(size))
		to := filepath.Join(b.TempDir(), "floor")
		took := s.cat(b, data, to)
		os.Remove(to)
		spec := Spec{BaseDir: b.TempDir()}
		for n := range 4 {
			name := fmt.Sprint(n)
			if err := os.WriteFile(filepath.Join(spec.BaseDir, name), data[n*size/4:(n+1)*size/4], 0o644); err != nil {
				b.Fatal(err)
			}
			spec.Copies = append(spec.Copies, Copy{Source: name, To: "/" + name})
		}
		img := mustBuild(b, spec)
		start := time.Now()
		var sentAt time.Time
		p, err := Push(b.Context(), Host{Containerd: func(ctx context.Context) (net.Conn, error) { return s.client.DialContext(ctx, "unix", c.socket) }},
			img, PushOptions{Platform: here, Progress: func(sent, total int64) {
				if sentAt.IsZero() && total-sent < 8192 {
					sentAt = time.Now()
				}
			}})
		if err != nil {
			b.Fatal(err)
		}
		whole := time.Since(start)
		sending = append(sending, took.Seconds()/sentAt.Sub(start).Seconds())
		unpacking = append(unpacking, took.Seconds()/whole.Seconds())
		b.Logf("%d MB: ssh cat %v, sent in %v, with unpacking %v", p.Sent>>20, took, sentAt.Sub(start), whole)
		c.drop(b, img.Ref)
	}
	slices.Sort(sending)
	slices.Sort(unpacking)
	b.ReportMetric(sending[len(sending)/2], "×ssh-cat")
	b.ReportMetric(unpacking[len(unpacking)/2], "×ssh-cat-with-unpack")
}
