package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	containerd "github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/stowage-iac/stowage/agent/runtime/containerd/containerdtest"
	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/cluster/server"
	"github.com/stowage-iac/stowage/image"
)

const platform = "linux/" + runtime.GOARCH

// layerSize is enough for stowaged to take a layer in, and for several buffers.
const layerSize = 12 << 20

// place is a worker on a containerd of its own, to push to.
type place struct {
	*instance
	d       *containerdtest.Daemon
	running *exec.Cmd
	past    atomic.Int64 // bytes sent to containerd, not through stowaged
}

func newPlace(t *testing.T, settings ...string) *place {
	d := containerdtest.Start(t, settings...)
	p := &place{instance: newInstance(t, api.NodeConfig{Role: api.RoleWorker, Containerd: d.Socket}), d: d}
	p.up()
	return p
}

func (p *place) up() {
	p.running = p.start("run")
	p.healthy()
}

func (p *place) down() {
	kill(p.t, p.running.Process.Pid)
	p.running.Wait()
}

func (p *place) root() string {
	return filepath.Join(p.d.Dir(), "root/io.containerd.content.v1.content")
}

// host is p, its connections wrapped.
func (p *place) host(wrap ...func(net.Conn) net.Conn) image.Host {
	dial := func(socket string) image.Dialer {
		return func(ctx context.Context) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, "unix", socket)
			if err != nil {
				return nil, err
			}
			if socket == p.d.Socket {
				return counted{conn, &p.past}, nil
			}
			for _, w := range wrap {
				conn = w(conn)
			}
			return conn, nil
		}
	}
	return image.Host{Containerd: dial(p.d.Socket), Agent: dial(p.path("run/stowaged.sock"))}
}

// counted counts what is written.
type counted struct {
	net.Conn
	written *atomic.Int64
}

func (c counted) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.written.Add(int64(n))
	return n, err
}

// cut is a connection that dies after so many bytes, and calls then.
type cut struct {
	net.Conn
	left *atomic.Int64
	then func()
}

func (c cut) Write(b []byte) (int, error) {
	if c.left.Add(-int64(len(b))) < 0 {
		c.Conn.Close()
		c.then()
		return 0, net.ErrClosed
	}
	return c.Conn.Write(b)
}

// cutOnce cuts one connection after n bytes; those after it live.
func cutOnce(n int64, then func()) func(net.Conn) net.Conn {
	var left atomic.Int64
	left.Store(n)
	return func(c net.Conn) net.Conn {
		if left.Load() < 0 {
			return c
		}
		return cut{c, &left, then}
	}
}

// fresh is an image of one layer that no host has.
func (p *place) fresh(t *testing.T) *image.Image {
	t.Helper()
	return built(t, t.TempDir(), t.TempDir())
}

// noise writes the file of the layer.
func noise(t *testing.T, dir string) {
	t.Helper()
	b := make([]byte, layerSize)
	rand.Read(b)
	if err := os.WriteFile(filepath.Join(dir, "noise"), b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func built(t *testing.T, dir, cache string) *image.Image {
	t.Helper()
	noise(t, dir)
	img, err := image.Build(t.Context(), image.Spec{Name: "noise", BaseDir: dir, CacheDir: cache, Platforms: []string{platform},
		Copies: []image.Copy{{Source: "noise", To: "/noise"}}})
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func size(t *testing.T, img *image.Image) int64 {
	t.Helper()
	n, err := img.Size(platform)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (p *place) missing(t *testing.T, img *image.Image) int64 {
	t.Helper()
	m, err := image.Missing(t.Context(), p.host(), platform, img)
	if err != nil {
		t.Fatal(err)
	}
	return m[0]
}

// push pushes and checks that containerd has the layer whole, and no part of it is
// left. It returns the bytes sent, and how many of them went straight to containerd.
func (p *place) push(t *testing.T, host image.Host, img *image.Image, o image.PushOptions) (sent, past int64) {
	t.Helper()
	before := p.past.Load()
	o.Platform = platform
	pushed, err := image.Push(t.Context(), host, img, o)
	if err != nil {
		t.Fatal(err)
	}
	c, err := containerd.New(p.d.Socket)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx := namespaces.WithNamespace(t.Context(), api.ContainerdNamespace)
	b, err := content.ReadBlob(ctx, c.ContentStore(), ocispec.Descriptor{Digest: digest.Digest(layer(t, img))})
	if err != nil || digest.FromBytes(b).String() != layer(t, img) {
		t.Fatalf("containerd has %d bytes of the layer, %v", len(b), err)
	}
	info, err := c.ContentStore().Info(ctx, digest.Digest(layer(t, img)))
	if err != nil || info.Labels["containerd.io/uncompressed"] == "" {
		t.Errorf("labels %v, %v", info.Labels, err)
	}
	return pushed.Sent, p.past.Load() - before
}

func layer(t *testing.T, img *image.Image) string {
	t.Helper()
	l, err := img.Layers(platform)
	if err != nil {
		t.Fatal(err)
	}
	return l[0].Digest
}

// part is where the part of the image's layer is; "" where there is none.
func (p *place) part(t *testing.T, img *image.Image) string {
	t.Helper()
	name := filepath.Join(p.root(), "stowage", strings.TrimPrefix(layer(t, img), "sha256:"))
	if _, err := os.Stat(name); err != nil {
		return ""
	}
	return name
}

// abandon begins a push and kills it in the middle of the layer, as the end of the
// CLI does: both of its connections are gone.
func (p *place) abandon(t *testing.T, img *image.Image) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if _, err := image.Push(ctx, p.host(cutOnce(5<<20, cancel)), img, image.PushOptions{Platform: platform}); err == nil {
		t.Fatal("it was not cut off")
	}
	for last := int64(-1); ; <-time.After(50 * time.Millisecond) { // what was on its way still arrives
		st, err := os.Stat(p.part(t, img))
		if err != nil {
			t.Fatal("there is no part: ", err)
		}
		if st.Size() == last {
			return
		}
		last = st.Size()
	}
}

// The bytes of a large layer go to stowaged, and containerd has them all the same,
// whatever happens on the way.
func TestPushThroughStowaged(t *testing.T) {
	p := newPlace(t)
	t.Cleanup(func() { p.output("", "teardown") })
	const little = 64 << 10 // what goes to containerd beside layers

	t.Run("whole", func(t *testing.T) {
		img := p.fresh(t)
		var last, total int64
		sent, past := p.push(t, p.host(), img, image.PushOptions{Progress: func(sent, all int64) { last, total = sent, all }})
		if sent != size(t, img) || last != sent || total != sent || past > little {
			t.Errorf("sent %d of %d, %d past stowaged, progress %d of %d", sent, size(t, img), past, last, total)
		}
		if p.part(t, img) != "" || p.missing(t, img) != 0 {
			t.Errorf("%q is left, %d are missing", p.part(t, img), p.missing(t, img))
		}
	})
	t.Run("killed", func(t *testing.T) {
		img := p.fresh(t)
		p.abandon(t, img)
		missing := p.missing(t, img)
		if missing < 7<<20 || missing > 11<<20 {
			t.Errorf("missing are %d after 5 MiB", missing)
		}
		if sent, past := p.push(t, p.host(), img, image.PushOptions{}); sent != missing || past > little {
			t.Errorf("sent %d, missing were %d; %d past stowaged", sent, missing, past)
		}
	})
	t.Run("connection lost", func(t *testing.T) {
		img := p.fresh(t)
		sent, past := p.push(t, p.host(cutOnce(5<<20, func() {})), img, image.PushOptions{})
		if sent > size(t, img)+1<<20 || past > little {
			t.Errorf("sent %d of %d; %d past stowaged", sent, size(t, img), past)
		}
	})
	t.Run("part damaged", func(t *testing.T) {
		img := p.fresh(t)
		p.abandon(t, img)
		f, err := os.OpenFile(p.part(t, img), os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt(make([]byte, 4096), 1<<20); err != nil {
			t.Fatal(err)
		}
		f.Close()
		if sent, past := p.push(t, p.host(), img, image.PushOptions{}); sent <= size(t, img) || past > little {
			t.Errorf("sent %d; %d past stowaged", sent, past)
		}
	})
	t.Run("stowaged killed", func(t *testing.T) {
		img := p.fresh(t)
		if _, past := p.push(t, p.host(cutOnce(5<<20, p.down)), img, image.PushOptions{}); past < layerSize {
			t.Errorf("only %d went to containerd", past)
		}
		p.up()
		if sent, _ := p.push(t, p.host(), img, image.PushOptions{}); sent != 0 {
			t.Errorf("sent again: %d", sent)
		}
	})
	t.Run("containerd goes on with what it has begun", func(t *testing.T) {
		img := p.fresh(t)
		ctx, cancel := context.WithCancel(t.Context())
		host := p.host()
		host.Agent = nil
		image.Push(ctx, host, img, image.PushOptions{Platform: platform, Progress: func(sent, _ int64) {
			if sent > 3<<20 {
				cancel()
			}
		}})
		cancel()
		missing := p.missing(t, img)
		if sent, past := p.push(t, p.host(), img, image.PushOptions{}); sent != missing || missing > size(t, img)-2<<20 || past < sent {
			t.Errorf("sent %d, missing were %d; %d past stowaged", sent, missing, past)
		}
	})
	t.Run("collected before containerd adopts it", func(t *testing.T) {
		img := p.fresh(t)
		blob := filepath.Join(p.root(), "blobs/sha256", strings.TrimPrefix(layer(t, img), "sha256:"))
		var removed atomic.Bool
		remove := func(c net.Conn) net.Conn {
			return before{c, func() { removed.CompareAndSwap(false, os.Remove(blob) == nil) }}
		}
		if _, past := p.push(t, p.host(remove), img, image.PushOptions{}); past < layerSize || !removed.Load() {
			t.Errorf("%d went to containerd; removed: %v", past, removed.Load())
		}
	})
	t.Run("at once", func(t *testing.T) {
		img := p.fresh(t)
		var all atomic.Int64
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				pushed, err := image.Push(t.Context(), p.host(), img, image.PushOptions{Platform: platform})
				if err != nil {
					t.Error(err)
				}
				all.Add(pushed.Sent)
			})
		}
		wg.Wait()
		p.push(t, p.host(), img, image.PushOptions{})
		if all.Load() > size(t, img)+little {
			t.Errorf("%d bytes were sent", all.Load())
		}
	})
	t.Run("source changed", func(t *testing.T) {
		dir, cache := t.TempDir(), t.TempDir()
		img := built(t, dir, cache)
		blobs := filepath.Join(cache, "blobs") // evicted
		if err := errors.Join(os.RemoveAll(blobs), os.Mkdir(blobs, 0o700)); err != nil {
			t.Fatal(err)
		}
		noise(t, dir)
		before := p.past.Load()
		_, err := image.Push(t.Context(), p.host(), img, image.PushOptions{Platform: platform})
		if err == nil || !strings.Contains(err.Error(), "changed since the plan") || p.past.Load()-before > little {
			t.Errorf("got %v; %d went to containerd", err, p.past.Load()-before)
		}
	})
	t.Run("older stowaged", func(t *testing.T) {
		img := p.fresh(t)
		l, err := net.Listen("unix", p.path("old.sock"))
		if err != nil {
			t.Fatal(err)
		}
		go server.New(server.Options{Log: slog.New(slog.DiscardHandler)}, "").ServeOperator(t.Context(), l)
		host := p.host()
		host.Agent = func(ctx context.Context) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", p.path("old.sock"))
		}
		if _, past := p.push(t, host, img, image.PushOptions{}); past < layerSize {
			t.Errorf("only %d went to containerd", past)
		}
	})
	t.Run("disk full", func(t *testing.T) {
		img := p.fresh(t)
		parts := filepath.Join(p.root(), "stowage")
		if err := errors.Join(os.MkdirAll(parts, 0o700), syscall.Mount("tmpfs", parts, "tmpfs", 0, "size=4m")); err != nil {
			t.Fatal(err)
		}
		_, err := image.Push(t.Context(), p.host(), img, image.PushOptions{Platform: platform})
		if err == nil || !strings.Contains(err.Error(), "the disk is full") || !strings.Contains(err.Error(), p.root()) {
			t.Errorf("got %v", err)
		}
		if left := p.part(t, img); left != "" {
			t.Errorf("%s is left", left)
		}
		if err := syscall.Unmount(parts, 0); err != nil {
			t.Fatal(err)
		}
		p.push(t, p.host(), img, image.PushOptions{})
	})
	t.Run("memory", func(t *testing.T) {
		if rss, _ := resident(t, p.running.Process.Pid); rss > 45 {
			t.Errorf("after all that stowaged has %.0f MB", rss)
		}
	})
	t.Run("teardown", func(t *testing.T) {
		p.abandon(t, p.fresh(t))
		p.down()
		if out, err := p.output("", "teardown"); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if _, err := os.Stat(filepath.Join(p.root(), "stowage")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("parts are left: %v", err)
		}
	})
}

// before calls for each read that has an answer in it, before it is passed on.
type before struct {
	net.Conn
	call func()
}

func (b before) Read(p []byte) (int, error) {
	n, err := b.Conn.Read(p)
	if bytes.Contains(p[:n], []byte("HTTP/1.1 200")) {
		b.call()
	}
	return n, err
}

// A containerd that keeps its namespaces apart gets the bytes itself.
func TestPushToIsolated(t *testing.T) {
	p := newPlace(t, `[plugins."io.containerd.metadata.v1.bolt"]`, `content_sharing_policy = "isolated"`)
	t.Cleanup(func() { p.output("", "teardown") })
	img := p.fresh(t)
	if sent, past := p.push(t, p.host(), img, image.PushOptions{}); sent != size(t, img) || past < sent {
		t.Errorf("sent %d, %d of it past stowaged", sent, past)
	}
	if _, err := os.Stat(filepath.Join(p.root(), "stowage")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("stowaged took something in: %v", err)
	}
}
