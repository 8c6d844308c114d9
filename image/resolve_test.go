package image

import (
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

var quiet = log.New(io.Discard, "", 0)

// registryAt runs a registry in this process and returns host:port.
func registryAt(t *testing.T) string {
	s := httptest.NewServer(registry.New(registry.Logger(quiet)))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

// serve puts an image into a registry of its own and returns its reference.
func serve(t *testing.T, img v1.Image) string {
	t.Helper()
	ref := registryAt(t) + "/team/base:1"
	if err := remote.Write(parse(t, ref), img); err != nil {
		t.Fatal(err)
	}
	return ref
}

func platformImage(t *testing.T, arch string, size int64) v1.Image {
	t.Helper()
	img, err := random.Image(size, 1)
	if err != nil {
		t.Fatal(err)
	}
	img, err = mutate.ConfigFile(img, &v1.ConfigFile{OS: "linux", Architecture: arch, RootFS: mustRootFS(t, img)})
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// A tag of several platforms becomes a digest; a host gets its own platform straight from the registry.
func TestResolve(t *testing.T) {
	c := startContainerd(t, "shared")
	amd, arm := platformImage(t, "amd64", 100_000), platformImage(t, "arm64", 200_000)
	idx := mutate.AppendManifests(empty.Index,
		mutate.IndexAddendum{Add: amd, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "amd64"}}},
		mutate.IndexAddendum{Add: arm, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "arm64", Variant: "v8"}}},
		mutate.IndexAddendum{Add: platformImage(t, "x", 1), Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "unknown", Architecture: "unknown"}}})
	host := registryAt(t)
	ref := parse(t, host+"/team/app:1")
	if err := remote.WriteIndex(ref, idx); err != nil {
		t.Fatal(err)
	}
	img, err := Resolve(t.Context(), ref.String())
	if err != nil {
		t.Fatal(err)
	}
	want, _ := idx.Digest()
	if img.Digest != want.String() || img.Ref != host+"/team/app@"+want.String() {
		t.Errorf("resolved to %s", img.Ref)
	}
	if got := strings.Join(img.Platforms, " "); got != "linux/amd64 linux/arm64" {
		t.Errorf("platforms %s", got)
	}
	p := mustPush(t, c, img)
	if p.Sent != size(t, img) || p.Sent > 150_000 {
		t.Errorf("pushed %+v of %d", p, size(t, img))
	}
	c.tree(t, img.Ref)
	again, err := Resolve(t.Context(), img.Ref)
	if err != nil || again.Ref != img.Ref {
		t.Errorf("by digest: %+v, %v", again, err)
	}
}

// Names are containerd's: Docker Hub's short forms are written out.
func TestLocalNames(t *testing.T) {
	for ref, want := range map[string]string{
		"nginx":                  "docker.io/library/nginx",
		"me/app:2":               "docker.io/me/app",
		"ghcr.io/o/app:2":        "ghcr.io/o/app",
		"localhost:5000/app:dev": "localhost:5000/app",
	} {
		if got := localName(parse(t, ref)); got != want {
			t.Errorf("%s: %s, want %s", ref, got, want)
		}
	}
}

// Each way a registry fails is told apart, with the reference and what to do.
func TestResolveErrors(t *testing.T) {
	host := registryAt(t)
	answering := func(code int) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/v2/" {
				return
			}
			w.WriteHeader(code)
		}))
		t.Cleanup(s.Close)
		return strings.TrimPrefix(s.URL, "http://")
	}
	closed := httptest.NewServer(nil)
	closed.Close()
	for name, c := range map[string]struct {
		ref  string
		want error
		text string
	}{
		"absent":      {host + "/no/such:1", ErrNotFound, "check the name"},
		"private":     {answering(401) + "/app:1", ErrUnauthorized, "docker login"},
		"forbidden":   {answering(403) + "/app:1", ErrUnauthorized, "docker login"},
		"too many":    {answering(429) + "/app:1", ErrUnreachable, "too many requests"},
		"no registry": {strings.TrimPrefix(closed.URL, "http://") + "/app:1", ErrUnreachable, "refused"},
		"broken":      {answering(418) + "/app:1", ErrUnreachable, "418"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Resolve(t.Context(), c.ref)
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.ref) || !strings.Contains(err.Error(), c.text) {
				t.Errorf("got %v", err)
			}
		})
	}
	if _, err := Resolve(t.Context(), "UPPER/case"); err == nil || !strings.Contains(err.Error(), "not an image reference") {
		t.Errorf("got %v", err)
	}
}

func parse(t *testing.T, ref string) name.Reference {
	t.Helper()
	r, err := name.ParseReference(ref)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
