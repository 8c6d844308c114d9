package image

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/gzip"
)

// listing prints a layer as `tar -tv` would, without what is always the same.
func listing(t *testing.T, i *Image, n int) []string {
	t.Helper()
	v, err := i.variant(i.Platforms[0])
	if err != nil {
		t.Fatal(err)
	}
	r, err := v.layers[n].reader(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	z, err := gzip.NewReader(r)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for tr := tar.NewReader(z); ; {
		h, err := tr.Next()
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		if !h.ModTime.Equal(time.Unix(0, 0)) || h.Uname != "" {
			t.Errorf("%s carries %v, %q", h.Name, h.ModTime, h.Uname)
		}
		line := fmt.Sprintf("%04o %d:%d %s", h.Mode, h.Uid, h.Gid, h.Name)
		if h.Linkname != "" {
			line += " -> " + h.Linkname
		}
		out = append(out, line)
	}
}

// site is a small source tree.
func site(t *testing.T) string {
	dir := write(t, "site/index.html", "hello", "site/bin/run", "#!/bin/sh", "site/.stowageignore", "*.log\n# notes\ntmp/\n/bin/secret\n",
		"site/debug.log", "x", "site/tmp/y", "y", "site/bin/secret", "z")
	os.Chmod(filepath.Join(dir, "site/bin/run"), 0o775)
	os.Symlink("index.html", filepath.Join(dir, "site/home"))
	return dir
}

// What a copy becomes, by its arguments and what lies below it.
func TestCopy(t *testing.T) {
	onBase := Spec{Copies: []Copy{{Source: "site/index.html", To: "/below"}}} // a first layer: the second is on a base
	for name, c := range map[string]struct {
		base Spec
		copy Copy
		want []string
	}{
		"a directory on scratch": {copy: Copy{Source: "site", To: "/srv"},
			want: []string{"0755 0:0 srv/", "0755 0:0 srv/bin/", "0755 0:0 srv/bin/run", "0777 0:0 srv/home -> index.html", "0644 0:0 srv/index.html"}},
		"a directory to the root": {copy: Copy{Source: "site", To: "/"},
			want: []string{"0755 0:0 bin/", "0755 0:0 bin/run", "0777 0:0 home -> index.html", "0644 0:0 index.html"}},
		"plain directories are left to the base": {base: onBase, copy: Copy{Source: "site", To: "/srv"},
			want: []string{"0755 0:0 srv/bin/run", "0777 0:0 srv/home -> index.html", "0644 0:0 srv/index.html"}},
		"owner and mode": {base: onBase, copy: Copy{Source: "site/bin", To: "/b", Owner: "10:20", Mode: "0640"},
			want: []string{"0750 10:20 b/", "0640 10:20 b/run", "0640 10:20 b/secret"}},
		"a file":                   {copy: Copy{Source: "site/index.html", To: "/a/b"}, want: []string{"0644 0:0 a/b"}},
		"a file to a directory":    {copy: Copy{Source: "site/bin/run", To: "/usr/bin/"}, want: []string{"0755 0:0 usr/bin/run"}},
		"one number owns for both": {copy: Copy{Source: "site/bin/run", To: "/run", Owner: "7"}, want: []string{"0755 7:7 run"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := c.base
			s.BaseDir = site(t)
			s.Copies = append(slices.Clone(s.Copies), c.copy)
			got := listing(t, mustBuild(t, s), len(s.Copies)-1)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// The digest depends on the content alone: not on when, where, by whom or under
// which umask. This very digest is what every installation of Stowage computes:
// a library that changes it makes every built image a new revision.
func TestDigestIsTheSameEverywhere(t *testing.T) {
	spec := Spec{Name: `web["a"]`, Copies: []Copy{{Source: "site", To: "/srv"}}, Entrypoint: []string{"/srv/bin/run"},
		Command: []string{"-f"}, Env: []string{"A=1"}, User: "1000", WorkDir: "/srv", Labels: map[string]string{"b": "2", "a": "1"},
		Platforms: []string{"linux/amd64", "linux/arm64"}}
	spec.BaseDir = site(t)
	one := mustBuild(t, spec)
	spec.BaseDir = site(t)
	os.Chmod(filepath.Join(spec.BaseDir, "site/index.html"), 0o600)
	os.Chtimes(filepath.Join(spec.BaseDir, "site/index.html"), time.Now(), time.Now().Add(-time.Hour))
	slices.Reverse(spec.Platforms)
	two := mustBuild(t, spec)
	if one.Digest != two.Digest || one.Ref != two.Ref {
		t.Errorf("%s and %s", one.Ref, two.Ref)
	}
	const golden = "stowage.local/web-a@sha256:108986ad3c0f7e73fd43a2d293b47c15b49b264901b5001f7b9dac72a1a7c510"
	if one.Ref != golden {
		t.Errorf("got %s, want %s", one.Ref, golden)
	}
	config, err := one.Config("linux/arm64")
	if err != nil {
		t.Fatal(err)
	}
	if config.Architecture != "arm64" || config.Config.User != "1000" || config.Config.Labels["b"] != "2" {
		t.Errorf("%+v", config)
	}
}

// Files that did not change are not read again; files that did are, however
// their times were set.
func TestUnchangedFilesAreNotRead(t *testing.T) {
	dir, cacheDir := write(t, "x", "one"), t.TempDir()
	c, err := openCache(cacheDir)
	if err != nil {
		t.Fatal(err)
	}
	b := &layerBuilder{cache: c, copy: Copy{To: "/x"}, source: filepath.Join(dir, "x")}
	first, err := b.build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	entries, _ := b.copy.collect(b.source)
	f := b.fingerprint(entries)
	if _, trusted := f.key(time.Now()); trusted {
		t.Error("a file written just now is trusted")
	}
	key, trusted := f.key(time.Now().Add(settle * 2))
	if !trusted {
		t.Error("a file of old is not trusted")
	}
	if err := b.rememberIfUnchanged(key, time.Now().Add(settle*2), first); err != nil {
		t.Fatal(err)
	}
	var known builtLayer
	if !c.recall(key, &known) || known != first {
		t.Errorf("remembered %+v", known)
	}
	before, _ := os.Stat(b.source)
	os.WriteFile(b.source, []byte("two"), 0o644)
	os.Chtimes(b.source, before.ModTime(), before.ModTime()) // as a careless tool would
	entries, _ = b.copy.collect(b.source)
	if again, _ := b.fingerprint(entries).key(time.Now()); again == key {
		t.Error("a changed file with its old size and time has the old fingerprint")
	}
	if err := b.rememberIfUnchanged(key, time.Now().Add(settle*2), builtLayer{Size: 1}); err != nil {
		t.Fatal(err)
	}
	if c.recall(key, &known); known != first {
		t.Error("files that changed while they were read were remembered")
	}
}

func TestCacheEvictsTheOldest(t *testing.T) {
	c, err := openCache(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for n, name := range []string{"old", "older", "new"} {
		p := filepath.Join(c.dir, "blobs", name)
		os.WriteFile(p, make([]byte, 100), 0o600)
		at := time.Now().Add(-[]time.Duration{2 * time.Hour, 3 * time.Hour, 0}[n])
		os.Chtimes(p, at, at)
	}
	for _, step := range []struct {
		limit int64
		want  string
	}{{250, "new old"}, {0, "new"}} {
		if err := c.evict(step.limit); err != nil {
			t.Fatal(err)
		}
		var left []string
		entries, _ := os.ReadDir(filepath.Join(c.dir, "blobs"))
		for _, e := range entries {
			left = append(left, e.Name())
		}
		if got := strings.Join(left, " "); got != step.want {
			t.Errorf("limit %d leaves %q, want %q", step.limit, got, step.want)
		}
	}
}

// Wrong specs are refused with what to do.
func TestSpecErrors(t *testing.T) {
	dir := write(t, "x", "x", "notalayout/y", "y", "broken.tar", "this is not a tarball")
	for name, c := range map[string]struct {
		spec Spec
		want string
	}{
		"no such source":  {Spec{Copies: []Copy{{Source: "nope", To: "/x"}}}, "no such file"},
		"relative target": {Spec{Copies: []Copy{{Source: "x", To: "x"}}}, "absolute path"},
		"owner by name":   {Spec{Copies: []Copy{{Source: "x", To: "/x", Owner: "www-data"}}}, "in numbers"},
		"mode":            {Spec{Copies: []Copy{{Source: "x", To: "/x", Mode: "rw-"}}}, "octal"},
		"platform":        {Spec{Platforms: []string{"amd64"}}, "os/architecture"},
		"platform twice":  {Spec{Platforms: []string{"linux/arm64", "linux/arm64/v8"}}, "twice"},
		"no source":       {Spec{Copies: []Copy{{To: "/x"}}}, "names no source"},
		"not a layout":    {Spec{From: "notalayout"}, "not an OCI image layout"},
		"not a tarball":   {Spec{From: "broken.tar"}, "not a tarball"},
		"no such tarball": {Spec{From: "./nope.tar"}, "no such file"},
		"not a reference": {Spec{From: "Not A Ref"}, "not an image reference"},
		"no name":         {Spec{Name: "[]"}, "needs a name"},
	} {
		t.Run(name, func(t *testing.T) {
			c.spec.BaseDir, c.spec.CacheDir = dir, t.TempDir()
			if c.spec.Name == "" {
				c.spec.Name = "web"
			}
			_, err := Build(t.Context(), c.spec)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "image ") {
				t.Errorf("got %v", err)
			}
		})
	}
}

// Every form of a base gives the same layers and settings below the copies.
func TestBases(t *testing.T) {
	base, err := random.Image(1000, 2)
	if err != nil {
		t.Fatal(err)
	}
	base, err = mutate.ConfigFile(base, &v1.ConfigFile{OS: "linux", Architecture: "amd64", RootFS: mustRootFS(t, base),
		Config: v1.Config{Env: []string{"PATH=/bin", "A=1"}, Entrypoint: []string{"/e"}, Cmd: []string{"c"}, User: "7"}})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	layoutPath, err := layout.Write(filepath.Join(dir, "layout"), empty.Index)
	if err != nil {
		t.Fatal(err)
	}
	if err := layoutPath.AppendImage(base); err != nil {
		t.Fatal(err)
	}
	tarDir(t, filepath.Join(dir, "layout"), filepath.Join(dir, "oci.tar"))
	if err := tarball.WriteToFile(filepath.Join(dir, "docker.tar"), parse(t, "base:1").(name.Tag), base); err != nil {
		t.Fatal(err)
	}
	ref := serve(t, base)
	for _, from := range []string{"layout", "oci.tar", "docker.tar", ref} {
		t.Run(from, func(t *testing.T) {
			img := mustBuild(t, Spec{From: from, BaseDir: dir, Entrypoint: []string{"/new"}, Env: []string{"A=2", "B=3"},
				Copies: []Copy{{Source: filepath.Join(write(t, "x", "x"), "x"), To: "/x"}}})
			v, err := img.variant(here)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(v1.Config{Env: []string{"PATH=/bin", "A=2", "B=3"}, Entrypoint: []string{"/new"}, User: "7"}, v.file.Config); diff != "" {
				t.Error(diff)
			}
			want, _ := base.ConfigFile()
			if len(v.layers) != 3 || len(v.file.RootFS.DiffIDs) != 3 || !slices.Equal(v.file.RootFS.DiffIDs[:2], want.RootFS.DiffIDs) {
				t.Errorf("%d layers, %v", len(v.layers), v.file.RootFS.DiffIDs)
			}
			for _, l := range v.layers {
				r, err := l.reader(t.Context(), 10)
				if err != nil {
					t.Fatal(err)
				}
				n, err := io.Copy(io.Discard, r)
				r.Close()
				if err != nil || n != l.desc.Size-10 {
					t.Errorf("read %d of %d, %v", n, l.desc.Size-10, err)
				}
			}
			_, err = Build(t.Context(), Spec{Name: "w", From: from, BaseDir: dir, Platforms: []string{"linux/s390x"}, CacheDir: t.TempDir()})
			if !errors.Is(err, ErrPlatform) {
				t.Errorf("another platform: %v", err)
			}
		})
	}
}

func mustRootFS(t *testing.T, i v1.Image) v1.RootFS {
	t.Helper()
	f, err := i.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	return f.RootFS
}

// tarDir makes a tarball of a directory's files.
func tarDir(t *testing.T, dir, file string) {
	t.Helper()
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := tar.NewWriter(f)
	if err := w.AddFS(os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

// A build stops when it is told to.
func TestBuildIsCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Build(ctx, Spec{Name: "w", BaseDir: write(t, "x", "x"), Copies: []Copy{{Source: "x", To: "/x"}}, CacheDir: t.TempDir()})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// What does not shrink is stored plain, under the media type that says so.
func TestIncompressibleLayersArePlain(t *testing.T) {
	img := mustBuild(t, Spec{BaseDir: write(t, "noise", noise(1<<20), "text", strings.Repeat("text ", 100_000)),
		Copies: []Copy{{Source: "noise", To: "/noise"}, {Source: "text", To: "/text"}}})
	v, err := img.variant(here)
	if err != nil {
		t.Fatal(err)
	}
	noise, text := v.layers[0].desc, v.layers[1].desc
	if noise.MediaType != types.OCIUncompressedLayer || noise.Digest != v.file.RootFS.DiffIDs[0] || noise.Size < 1<<20 {
		t.Errorf("noise: %+v", noise)
	}
	if text.MediaType != types.OCILayer || text.Size > 50_000 {
		t.Errorf("text: %+v", text)
	}
}
