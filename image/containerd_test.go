package image

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/fsnotify/fsnotify"
	digest "github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/stowage-iac/stowage/api"
)

// containerd is a private one, of the installed binary, below a temporary directory.
type containerd struct {
	socket string
	client *client.Client
}

// startContainerd runs one until the test ends. Without the binary or without root the test fails.
func startContainerd(t testing.TB, policy string) *containerd {
	t.Helper()
	bin, err := exec.LookPath("containerd")
	if err != nil || os.Getuid() != 0 {
		t.Fatal("containerd is missing (make deps), or this is not root")
	}
	dir, err := os.MkdirTemp("", "stowage-containerd-") // a short path: sockets allow 108 bytes
	if err != nil {
		t.Fatal(err)
	}
	c := &containerd{socket: filepath.Join(dir, "c.sock")}
	config := `version = 2
root = "` + dir + `/root"
state = "` + dir + `/state"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]
[grpc]
address = "` + c.socket + `"
[plugins."io.containerd.metadata.v1.bolt"]
content_sharing_policy = "` + policy + `"
`
	file := filepath.Join(dir, "config.toml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	watch, err := fsnotify.NewWatcher()
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Close()
	if err := watch.Add(dir); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin, "--config", file, "--log-level", "warn")
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { cmd.Wait(); close(ended) }()
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		<-ended
		if t.Failed() {
			t.Logf("containerd: %s", log.String())
		}
		os.RemoveAll(dir)
	})
	for listening := false; !listening; {
		select {
		case e := <-watch.Events:
			listening = e.Name == c.socket
		case <-ended:
			t.Fatalf("containerd ended: %s", log.String())
		}
	}
	if c.client, err = client.New(c.socket); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.client.Close() })
	return c
}

func (c *containerd) dial(ctx context.Context) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "unix", c.socket)
}

// host is one without a stowaged.
func (c *containerd) host() Host { return Host{Containerd: c.dial} }

// ctx is for the client, in a namespace.
func inNamespace(ctx context.Context, name string) context.Context {
	return namespaces.WithNamespace(ctx, name)
}

// drop deletes the record of an image, as an agent does whose pods need it no more, and
// waits for the collector.
func (c *containerd) drop(t testing.TB, ref string) {
	t.Helper()
	err := c.client.ImageService().Delete(inNamespace(t.Context(), api.ContainerdNamespace), ref, images.SynchronousDelete())
	if err != nil {
		t.Fatal(err)
	}
}

// names lists the image records of our namespace.
func (c *containerd) names(t testing.TB) []string {
	t.Helper()
	list, err := c.client.ImageService().List(inNamespace(t.Context(), api.ContainerdNamespace))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, i := range list {
		names = append(names, i.Name)
	}
	return names
}

// tree mounts an image's unpacked file system and reads it: path → content.
func (c *containerd) tree(t testing.TB, ref string) map[string]string {
	t.Helper()
	ctx := inNamespace(t.Context(), api.ContainerdNamespace)
	img, err := c.client.GetImage(ctx, ref)
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := img.IsUnpacked(ctx, "overlayfs"); err != nil || !ok {
		t.Fatalf("%s is unpacked: %v, %v", ref, ok, err)
	}
	diffIDs, err := img.RootFS(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var hashes []string
	for _, d := range diffIDs {
		hashes = append(hashes, d.String())
	}
	top := chainOf(t, hashes)
	sn := c.client.SnapshotService("overlayfs")
	mounts, err := sn.View(ctx, "test-view", top)
	if err != nil {
		t.Fatal(err)
	}
	defer sn.Remove(ctx, "test-view")
	dir := t.TempDir()
	for _, m := range mounts {
		if err := m.Mount(dir); err != nil {
			t.Fatal(err)
		}
	}
	defer syscall.Unmount(dir, 0)
	files := map[string]string{}
	filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, _ := os.ReadFile(p)
		files[strings.TrimPrefix(p, dir)] = string(data)
		return nil
	})
	return files
}

// writeContent puts a blob into the content store of the context's namespace, to stay.
func writeContent(t testing.TB, c *containerd, ctx context.Context, b blob) {
	t.Helper()
	r, err := b.reader(ctx, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	desc := ocispec.Descriptor{Digest: digest.Digest(b.desc.Digest.String()), Size: b.desc.Size}
	if err := content.WriteBlob(ctx, c.client.ContentStore(), "test", r, desc,
		content.WithLabels(map[string]string{"containerd.io/gc.root": "test"})); err != nil {
		t.Fatal(err)
	}
}
