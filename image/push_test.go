package image

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/containerd/containerd/v2/core/leases"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/stowage-iac/stowage/api"
)

func chainOf(t testing.TB, diffIDs []string) string {
	t.Helper()
	var hashes []v1.Hash
	for _, d := range diffIDs {
		h, err := v1.NewHash(d)
		if err != nil {
			t.Fatal(err)
		}
		hashes = append(hashes, h)
	}
	chain := chainIDs(hashes)
	return chain[len(chain)-1]
}

// write makes files below a new directory: name, content, name, content …
func write(t testing.TB, pairs ...string) string {
	t.Helper()
	dir := t.TempDir()
	for n := 0; n < len(pairs); n += 2 {
		p := filepath.Join(dir, pairs[n])
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(pairs[n+1]), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func noise(size int) string {
	b := make([]byte, size)
	rand.Read(b)
	return string(b)
}

const here = "linux/amd64"

func mustBuild(t testing.TB, s Spec) *Image {
	t.Helper()
	if s.Name == "" {
		s.Name = "web"
	}
	if s.Platforms == nil {
		s.Platforms = []string{here}
	}
	if s.CacheDir == "" {
		s.CacheDir = t.TempDir()
	}
	i, err := Build(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func mustMissing(t testing.TB, c *containerd, images ...*Image) []int64 {
	t.Helper()
	m, err := Missing(t.Context(), c.host(), here, images...)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func mustPush(t testing.TB, c *containerd, i *Image) Pushed {
	t.Helper()
	p, err := Push(t.Context(), c.host(), i, PushOptions{Platform: here, Labels: map[string]string{api.LabelCluster: "c1"}})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func size(t testing.TB, i *Image) int64 {
	t.Helper()
	n, err := i.Size(here)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// An image of two layers goes to a host, is unpacked there, and runs out of what
// it is made of: nothing more is sent the second time.
func TestPush(t *testing.T) {
	c := startContainerd(t, "shared")
	dir := write(t, "a/x", "one", "b/y", "two", "b/z/deep", noise(1<<20))
	img := mustBuild(t, Spec{BaseDir: dir, Copies: []Copy{{Source: "a", To: "/"}, {Source: "b", To: "/srv/b"}}})

	if m := mustMissing(t, c, img); m[0] != size(t, img) {
		t.Errorf("missing %d of %d on an empty host", m[0], size(t, img))
	}
	if m := mustMissing(t, c, img, img); m[1] != 0 {
		t.Errorf("the same image twice is missing twice: %v", m)
	}
	var mu sync.Mutex
	var last, total int64
	p, err := Push(t.Context(), c.host(), img, PushOptions{Platform: here, Labels: map[string]string{api.LabelCluster: "c1"},
		Progress: func(sent, all int64) { mu.Lock(); last, total = sent, all; mu.Unlock() }})
	if err != nil {
		t.Fatal(err)
	}
	if p.Sent != size(t, img) || last != p.Sent || total != p.Sent || p.Blobs != 4 {
		t.Errorf("pushed %+v, progress %d of %d, the image has %d", p, last, total, size(t, img))
	}
	tree := c.tree(t, img.Ref)
	if tree["/x"] != "one" || tree["/srv/b/y"] != "two" || len(tree["/srv/b/z/deep"]) != 1<<20 || len(tree) != 3 {
		t.Errorf("unpacked: %v", slices.Collect(mapsKeys(tree)))
	}
	if m := mustMissing(t, c, img); m[0] != 0 {
		t.Errorf("missing %d after the push", m[0])
	}
	if p := mustPush(t, c, img); p.Sent != 0 || p.Blobs != 0 {
		t.Errorf("the second push: %+v", p)
	}
	ctx := inNamespace(t.Context(), api.ContainerdNamespace)
	if l, err := c.client.LeasesService().List(ctx); err != nil || len(l) != 0 {
		t.Errorf("leases left: %v, %v", l, err)
	}
	i, err := c.client.ImageService().Get(ctx, img.Ref)
	if err != nil || i.Labels[api.LabelCluster] != "c1" {
		t.Errorf("record %+v, %v", i, err)
	}

	// Collected are only what no image needs.
	collect(t, c)
	if m := mustMissing(t, c, img); m[0] != 0 {
		t.Errorf("the collector took %d bytes of a pushed image", m[0])
	}
	c.tree(t, img.Ref)
	c.drop(t, img.Ref)
	if m := mustMissing(t, c, img); m[0] != size(t, img) {
		t.Errorf("without its record %d of %d are missing", m[0], size(t, img))
	}
}

func mapsKeys(m map[string]string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// collect runs containerd's garbage collector.
func collect(t *testing.T, c *containerd) {
	t.Helper()
	ctx := inNamespace(t.Context(), api.ContainerdNamespace)
	l, err := c.client.LeasesService().Create(ctx, leases.WithRandomID())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.client.LeasesService().Delete(ctx, l, leases.SynchronousDelete); err != nil {
		t.Fatal(err)
	}
}

// One changed layer of 1 MB moves only that.
func TestPushOfAChangedLayer(t *testing.T) {
	c := startContainerd(t, "shared")
	dir := write(t, "big/x", noise(20<<20), "small/y", noise(1<<20))
	spec := Spec{BaseDir: dir, Copies: []Copy{{Source: "big", To: "/big"}, {Source: "small", To: "/small"}}}
	mustPush(t, c, mustBuild(t, spec))
	if err := os.WriteFile(filepath.Join(dir, "small/y"), []byte(noise(1<<20)), 0o644); err != nil {
		t.Fatal(err)
	}
	img := mustBuild(t, spec)
	want := mustMissing(t, c, img)[0]
	p := mustPush(t, c, img)
	if p.Sent != want || p.Blobs != 3 || p.Sent > 1<<20+8192 {
		t.Errorf("pushed %+v, the plan said %d", p, want)
	}
}

// Only what the host's platform needs goes there.
func TestPushOfOnePlatformOfTwo(t *testing.T) {
	c := startContainerd(t, "shared")
	dir := write(t, "amd64", noise(1<<20), "arm64", noise(2<<20))
	img := mustBuild(t, Spec{BaseDir: dir, Platforms: []string{"linux/arm64", here}, Copies: []Copy{
		{Source: "amd64", To: "/bin/app", Platform: here}, {Source: "arm64", To: "/bin/app", Platform: "linux/arm64"}}})
	if !slices.Equal(img.Platforms, []string{here, "linux/arm64"}) {
		t.Errorf("platforms %v", img.Platforms)
	}
	p := mustPush(t, c, img)
	if p.Sent != size(t, img) || p.Sent > 1<<20+8192 {
		t.Errorf("pushed %+v", p)
	}
	collect(t, c)
	if tree := c.tree(t, img.Ref); len(tree["/bin/app"]) != 1<<20 {
		t.Errorf("%d files", len(tree))
	}
	_, err := Push(t.Context(), c.host(), img, PushOptions{Platform: "linux/riscv64"})
	if !errors.Is(err, ErrPlatform) || !strings.Contains(err.Error(), "linux/arm64") {
		t.Errorf("another platform: %v", err)
	}
}

// Content of another namespace is taken over where containerd shares it, and sent where it does not.
func TestContentOfOtherNamespaces(t *testing.T) {
	for _, policy := range []string{"shared", "isolated"} {
		t.Run(policy, func(t *testing.T) {
			c := startContainerd(t, policy)
			img := mustBuild(t, Spec{BaseDir: write(t, "x", noise(1<<20)), Copies: []Copy{{Source: "x", To: "/x"}}})
			copyTo(t, c, img, "other")
			layers, _ := img.Layers(here)
			want := size(t, img) - layers[0].Size
			if policy == "isolated" {
				want = size(t, img)
			}
			if got := mustMissing(t, c, img)[0]; got != want {
				t.Errorf("missing %d, want %d", got, want)
			}
			if p := mustPush(t, c, img); p.Sent != want {
				t.Errorf("sent %d, want %d", p.Sent, want)
			}
			c.tree(t, img.Ref)
		})
	}
}

// copyTo puts the image's layers into a namespace.
func copyTo(t *testing.T, c *containerd, img *Image, namespace string) {
	t.Helper()
	d, err := connect(c.host())
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	ctx := inNamespace(t.Context(), namespace)
	if err := c.client.NamespaceService().Create(ctx, namespace, nil); err != nil {
		t.Fatal(err)
	}
	v, err := img.variant(here)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range v.layers {
		writeContent(t, c, ctx, l)
	}
}

// cut is a connection that dies after so many bytes, as a killed process's does.
type cut struct {
	net.Conn
	left *atomic.Int64
}

func (c cut) Write(p []byte) (int, error) {
	if c.left.Add(-int64(len(p))) < 0 {
		c.Conn.Close()
		return 0, net.ErrClosed
	}
	return c.Conn.Write(p)
}

// Cut off at any point, a push leaves no image record, and the next one sends only the rest.
func TestPushCutOff(t *testing.T) {
	c := startContainerd(t, "shared")
	dir := write(t, "a", noise(3<<20), "b", noise(6<<20))
	img := mustBuild(t, Spec{BaseDir: dir, Copies: []Copy{{Source: "a", To: "/a"}, {Source: "b", To: "/b"}}})
	total := size(t, img)
	for _, limit := range []int64{2_000, 1 << 20, 3 << 20, 5 << 20, 2 << 20, 9<<20 - 1000} {
		var left atomic.Int64
		left.Store(limit)
		refused := false
		_, err := Push(t.Context(), Host{Containerd: func(ctx context.Context) (net.Conn, error) {
			if refused {
				return nil, errors.New("the host is gone")
			}
			refused = true
			conn, err := c.dial(ctx)
			return cut{conn, &left}, err
		}}, img, PushOptions{Platform: here})
		if err == nil {
			break // the rest fitted
		}
		if names := c.names(t); len(names) != 0 {
			t.Fatalf("cut after %d bytes: image records %v", limit, names)
		}
		collect(t, c) // what has arrived is kept by the lease
		if left := mustMissing(t, c, img)[0]; limit > 2_000 && left >= total {
			t.Errorf("cut after %d bytes: %d are missing, as before", limit, left)
		} else {
			total = left
		}
	}
	want := mustMissing(t, c, img)[0]
	if p := mustPush(t, c, img); p.Sent != want {
		t.Errorf("the last push sent %d, missing were %d", p.Sent, want)
	}
	if tree := c.tree(t, img.Ref); len(tree["/a"]) != 3<<20 || len(tree["/b"]) != 6<<20 {
		t.Error("the image is not whole")
	}
}

// Two pushes of the same image at once both succeed.
func TestPushesAtOnce(t *testing.T) {
	c := startContainerd(t, "shared")
	img := mustBuild(t, Spec{BaseDir: write(t, "x", noise(8<<20)), Copies: []Copy{{Source: "x", To: "/x"}}})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if _, err := Push(t.Context(), c.host(), img, PushOptions{Platform: here}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	c.tree(t, img.Ref)
}

// A host without containerd, and one that vanishes, are errors that say so.
func TestPushErrors(t *testing.T) {
	img := mustBuild(t, Spec{BaseDir: write(t, "x", "x"), Copies: []Copy{{Source: "x", To: "/x"}}})
	gone := Host{Containerd: func(context.Context) (net.Conn, error) { return nil, errors.New("no such socket") }}
	if _, err := Push(t.Context(), gone, img, PushOptions{Platform: here}); err == nil || !strings.Contains(err.Error(), "containerd cannot be reached") || !strings.Contains(err.Error(), "no such socket") {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Push(ctx, gone, img, PushOptions{Platform: here}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// Source files that change between plan and apply are noticed, not shipped.
func TestSourceChangedSincePlan(t *testing.T) {
	c := startContainerd(t, "shared")
	dir, cacheDir := write(t, "x", "old"), t.TempDir()
	img := mustBuild(t, Spec{BaseDir: dir, Copies: []Copy{{Source: "x", To: "/x"}}, CacheDir: cacheDir})
	if err := os.RemoveAll(filepath.Join(cacheDir, "blobs")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(cacheDir, "blobs"), 0o700); err != nil {
		t.Fatal(err)
	}
	os.WriteFile(filepath.Join(dir, "x"), []byte("new"), 0o644)
	if _, err := Push(t.Context(), c.host(), img, PushOptions{Platform: here}); err == nil || !strings.Contains(err.Error(), "changed since the plan") {
		t.Errorf("got %v", err)
	}
	if len(c.names(t)) != 0 {
		t.Error("there is an image record")
	}
}
