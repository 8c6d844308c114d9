package e2e_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/stowage-iac/stowage/test/hosts"
)

// TestHostsThatCannotBeReached: each failure names the host, the cause and what to do,
// and nothing is changed anywhere.
func TestHostsThatCannotBeReached(t *testing.T) {
	lab := hosts.Start(t, hosts.Options{N: 1, Variant: hosts.Bare})
	h := lab.Hosts[0]
	node := func(address, ssh string) string {
		return fmt.Sprintf("node \"a\" {\n  address = %q\n  ssh {\n%s\n  }\n}\n", address, ssh)
	}
	login := fmt.Sprintf("    user        = \"root\"\n    private_key = %q\n    known_hosts = %q\n", lab.Key, lab.KnownHosts)
	for _, tc := range []struct {
		name, config string
		says         []string
	}{
		{"nothing listens", node("127.0.0.1", login+"    port = "+fmt.Sprint(freePort(t))), []string{"node.a", "127.0.0.1", "refused"}},
		{"wrong key", node(h.Addr, strings.Replace(login, lab.Key, otherKey(t), 1)), []string{h.Addr, "private_key"}},
		{"no such key", node(h.Addr, strings.Replace(login, lab.Key, "/no/such/key", 1)), []string{"/no/such/key"}},
		{"unknown host key", node(h.Addr, strings.Replace(login, lab.KnownHosts, emptyFile(t), 1)), []string{h.Addr, "SHA256:", "accept_new"}},
		{"another pinned key", node(h.Addr, login+"    host_key = \""+publicKey(t)+"\""), []string{h.Addr, "SHA256:"}},
		{"no sudo", node(h.Addr, strings.Replace(login, `"root"`, `"nosudo"`, 1)), []string{"nosudo", "sudo"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := newProject(t, map[string]string{"main.stowage.hcl": tc.config})
			p.refused([]string{"plan"}, tc.says...)
			p.refused([]string{"apply", "-auto-approve"}, tc.says...)
		})
	}

	t.Run("changed host key", func(t *testing.T) {
		if err := os.Rename(lab.KnownHosts, lab.KnownHosts+".kept"); err != nil {
			t.Fatal(err)
		}
		kept, err := os.ReadFile(lab.KnownHosts + ".kept")
		if err != nil {
			t.Fatal(err)
		}
		if err := h.SetHostKey(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(lab.KnownHosts, kept, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, accept := range []string{"", "    accept_new = true\n"} {
			p := newProject(t, map[string]string{"main.stowage.hcl": node(h.Addr, login+accept)})
			p.refused([]string{"plan"}, h.Addr, "changed", "SHA256:")
		}
	})
}

// TestNoSpace: a host whose disk is full is refused before anything is changed.
func TestNoSpace(t *testing.T) {
	lab := hosts.Start(t, hosts.Options{N: 1, Variant: hosts.Bare, Disk: 1 << 30})
	h := lab.Hosts[0]
	if err := h.FillDisk(200 << 20); err != nil {
		t.Fatal(err)
	}
	p := newProject(t, map[string]string{"main.stowage.hcl": small, "stowage.vars.hcl": smallVars(lab, h)})
	p.refused([]string{"apply", "-auto-approve"}, "node.a", "disk", "MiB")
	if out, _ := h.Run(t.Context(), "ls /usr/local/bin/stowaged /etc/stowage 2>&1"); !strings.Contains(out, "No such file") {
		t.Errorf("something was installed: %s", out)
	}
}

// TestRefusedPods: what cannot run says why, on which node, and the last good thing
// keeps running.
func TestRefusedPods(t *testing.T) {
	p, h := onOneHost(t, "")

	t.Run("fits nowhere", func(t *testing.T) {
		p.t = t
		p.write("more.stowage.hcl", `pod "big" {
  container "c" {
    image = image.web
    resources { memory = "900Gi" }
  }
}`)
		p.refused([]string{"plan"}, "pod.big", "node.a", "memory")
	})
	t.Run("no such image", func(t *testing.T) {
		p.t = t
		p.write("more.stowage.hcl", fmt.Sprintf(`pod "none" {
  container "c" { image = "127.0.0.1:%d/none:1" }
}`, freePort(t)))
		p.refused([]string{"plan"}, "pod.none", "none:1")
	})
	t.Run("port held by another pod", func(t *testing.T) {
		p.t = t
		p.write("more.stowage.hcl", `pod "other" {
  container "c" {
    image = image.web
    args  = ["sleep", "1000"]
    port "http" {
      container = 80
      host      = 8080
    }
  }
}`)
		p.refused([]string{"plan"}, "pod.other", "8080", "web")
	})
	t.Run("port held by the host", func(t *testing.T) {
		p.t = t
		p.write("more.stowage.hcl", `pod "late" {
  container "c" {
    image = image.web
    args  = ["sleep", "1000"]
    port "ssh" {
      container = 22
      host      = 22
    }
  }
}`)
		p.refused([]string{"apply", "-auto-approve"}, "pod.late", "22", "node.a")
	})
	t.Run("a command that is not there", func(t *testing.T) {
		p.t = t
		p.write("more.stowage.hcl", `pod "bad" {
  container "c" {
    image   = image.web
    command = ["/no/such/command"]
  }
}`)
		p.refused([]string{"apply", "-auto-approve"}, "pod.bad", "/no/such/command")
	})
	p.t = t
	p.write("more.stowage.hcl", "")
	p.must("apply", "-auto-approve")
	p.empty()
	if got, err := page(h.Addr); err != nil || got != "hello" {
		t.Errorf("what ran before does not run any more: %q, %v", got, err)
	}
}

// TestPowerCutDuringApply: the apply fails with the host's name; after the host is
// back the next one finishes.
func TestPowerCutDuringApply(t *testing.T) {
	p, h := onOneHost(t, "")
	p.write("more.stowage.hcl", many)
	cmd := p.command(t.Context(), "apply", "-auto-approve", "-parallelism=2")
	var out lockedBuffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, time.Minute, "a pod is under way", func() error {
		if !strings.Contains(out.String(), "pod.p") || !strings.Contains(out.String(), "Creation complete") {
			return fmt.Errorf("%s", out.String())
		}
		return nil
	})
	if err := h.PowerCut(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Fatalf("the apply ends with 0:\n%s", out.String())
	}
	if !strings.Contains(unwrap(out.String()), h.Addr) {
		t.Errorf("the error does not name the host:\n%s", out.String())
	}
	p.refused([]string{"plan"}, h.Addr)
	if err := h.Boot(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, time.Minute, "the next apply succeeds", func() error {
		if r := p.run("apply", "-auto-approve"); r.code != 0 {
			return fmt.Errorf("%s", r)
		}
		return nil
	})
	p.empty()
	if got, err := page(h.Addr); err != nil || got != "hello" {
		t.Errorf("%q, %v", got, err)
	}
}

// TestTwoAppliesAtOnce: one gets the lock, the other is told who holds it.
func TestTwoAppliesAtOnce(t *testing.T) {
	p, _ := onOneHost(t, "")
	p.write("more.stowage.hcl", many)
	first := p.command(t.Context(), "apply", "-auto-approve", "-parallelism=1")
	var out lockedBuffer
	first.Stdout, first.Stderr = &out, &out
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, time.Minute, "the first apply works", func() error {
		if !bytes.Contains([]byte(out.String()), []byte("Creating")) {
			return fmt.Errorf("%s", out.String())
		}
		return nil
	})
	p.refused([]string{"apply", "-auto-approve"}, "lock", fmt.Sprint(first.Process.Pid))
	if err := first.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	p.empty()
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func emptyFile(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "known_hosts")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// otherKey is a private key that no host lets in.
func otherKey(t *testing.T) string {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "id_ed25519")
	if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func publicKey(t *testing.T) string {
	t.Helper()
	public, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
}
