// Package containerdtest starts a private containerd for a test: the installed
// binary with root, state and socket in a temporary directory. It needs root.
package containerdtest

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	client "github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/opencontainers/go-digest"
)

// Daemon is a containerd of a test's own.
type Daemon struct {
	Socket string
	dir    string
	cmd    *exec.Cmd
	log    *os.File
}

// Start starts a daemon that ends with the test. Its containers must be removed
// before. settings are more lines of its configuration.
func Start(t testing.TB, settings ...string) *Daemon {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	if _, err := exec.LookPath("containerd"); err != nil {
		t.Skip("needs containerd: ", err)
	}
	dir, err := os.MkdirTemp("", "cd") // short: socket paths are limited
	if err != nil {
		t.Fatal(err)
	}
	d := &Daemon{Socket: filepath.Join(dir, "c.sock"), dir: dir}
	config := fmt.Sprintf("version = 2\nroot = %q\nstate = %q\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\", \"io.containerd.snapshotter.v1.btrfs\", \"io.containerd.snapshotter.v1.zfs\", \"io.containerd.snapshotter.v1.devmapper\", \"io.containerd.snapshotter.v1.aufs\"]\n[debug]\nlevel = \"warn\"\n[grpc]\naddress = %q\n",
		filepath.Join(dir, "root"), filepath.Join(dir, "state"), d.Socket)
	config += strings.Join(settings, "\n")
	if err := os.WriteFile(d.path("config.toml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	if d.log, err = os.Create(d.path("log")); err != nil {
		t.Fatal(err)
	}
	d.Up(t)
	t.Cleanup(func() {
		if d.cmd != nil {
			_ = d.cmd.Process.Signal(syscall.SIGTERM)
			_ = d.cmd.Wait()
		}
		if t.Failed() {
			b, _ := os.ReadFile(d.path("log"))
			t.Logf("containerd's log ends:\n%s", b[max(0, len(b)-1500):])
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return d
}

func (d *Daemon) path(name string) string { return filepath.Join(d.dir, name) }

// Dir is the directory that holds everything the daemon writes.
func (d *Daemon) Dir() string { return d.dir }

// Up starts the daemon and waits until it answers.
func (d *Daemon) Up(t testing.TB) {
	t.Helper()
	d.cmd = exec.Command("containerd", "-c", d.path("config.toml"))
	d.cmd.Stdout, d.cmd.Stderr = d.log, d.log
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for begin := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		if c, err := net.Dial("unix", d.Socket); err == nil {
			c.Close()
			return
		}
		if time.Since(begin) > 20*time.Second {
			b, _ := os.ReadFile(d.path("log"))
			t.Fatalf("containerd did not start:\n%s", b)
		}
	}
}

// Kill ends the daemon with SIGKILL. Its shims and containers live on.
func (d *Daemon) Kill(t testing.TB) {
	t.Helper()
	if err := d.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = d.cmd.Wait()
	d.cmd = nil
}

// Import imports an image into a namespace under ref NAME@digest, and returns the ref.
func (d *Daemon) Import(t testing.TB, namespace, name string, i Image) string {
	t.Helper()
	return ImportTo(t, d.Socket, namespace, name, i)
}

// ImportTo is Import for the daemon at any socket.
func ImportTo(t testing.TB, socket, namespace, name string, i Image) string {
	t.Helper()
	c, err := client.New(socket)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx := namespaces.WithNamespace(context.Background(), namespace)
	ctx, done, err := c.WithLease(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer done(ctx)
	b := i.build()
	for _, blob := range b.blobs {
		labels := content.WithLabels(blob.labels)
		err := content.WriteBlob(ctx, c.ContentStore(), digest.FromBytes(blob.content).String(), bytes.NewReader(blob.content), blob.descriptor(), labels)
		if err != nil {
			t.Fatal(err)
		}
	}
	ref := name + "@" + b.manifest.Digest.String()
	img := images.Image{Name: ref, Target: b.manifest}
	if _, err := c.ImageService().Create(ctx, img); err != nil {
		t.Fatal(err)
	}
	return ref
}
