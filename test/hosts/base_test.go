package hosts

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A script in the place of base.sh that takes no minute.
const quickScript = `set -eu
mkdir -p "$2"
echo "$1" >>"$2/variants"
`

func TestBuild(t *testing.T) {
	c := cache{t.TempDir(), quickScript}
	// What an interrupted build leaves must not get into the next one.
	os.MkdirAll(filepath.Join(c.dir, "building"), 0o755)
	os.WriteFile(filepath.Join(c.dir, "building", "variants"), []byte("half\n"), 0o644)
	dir, err := c.build(t.Context(), Ready, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(filepath.Join(dir, "variants")); string(got) != "bare\nready\n" {
		t.Errorf("the ready image was made by %q; want bare, then ready", got)
	}
	if again, err := c.build(t.Context(), Ready, io.Discard); err != nil || again != dir {
		t.Errorf("a second build: %s, %v; want %s", again, err, dir)
	}
	changed := cache{c.dir, quickScript + "# changed\n"}
	if other, err := changed.build(t.Context(), Ready, io.Discard); err != nil || other == dir {
		t.Errorf("after a change of the script: %s, %v; want a new image", other, err)
	}

	// Images of other recipes go when nobody used them for a week.
	old := time.Now().Add(-8 * 24 * time.Hour)
	os.Chtimes(dir, old, old)
	if err := changed.prune(); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(c.dir, "ready-*")); len(left) != 1 || left[0] == dir {
		t.Errorf("after prune: %v", left)
	}
}

func TestBuildFails(t *testing.T) {
	c := cache{t.TempDir(), "echo no mirror today; exit 3"}
	_, err := c.build(t.Context(), Bare, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "no mirror today") {
		t.Errorf("error: %v; want what the script said", err)
	}
	if left, _ := filepath.Glob(filepath.Join(c.dir, "bare-*")); len(left) > 0 {
		t.Errorf("a failed build left %v", left)
	}
}

// An interrupted build leaves no process, no mount and no image.
func TestBuildInterrupted(t *testing.T) {
	c := cache{t.TempDir(), `mkdir "$2"; mount -t tmpfs none "$2"; touch "$2/mounted"; echo $$ >"${2%/*}/started"; sleep 3217`}
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		for !exists(filepath.Join(c.dir, "started")) {
			time.Sleep(5 * time.Millisecond)
		}
		cancel(errors.New("enough"))
	}()
	if _, err := c.build(ctx, Bare, io.Discard); err == nil || err.Error() != "enough" {
		t.Errorf("error: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(c.dir, "b*e*")); len(left) > 0 {
		t.Errorf("it left %v", left)
	}
	time.Sleep(50 * time.Millisecond) // the kernel ends the PID namespace
	paths, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range paths {
		if line, _ := os.ReadFile(path); string(line) == "sleep\x003217\x00" {
			t.Errorf("the build's %s lives on", path)
		}
	}
	if mounts, err := mountsUnder(c.dir); err != nil || len(mounts) > 0 {
		t.Errorf("mounts: %v, %v", mounts, err)
	}
}

// On a machine whose own disk is an overlay, a host's disk is an image.
func TestDiskOnOverlay(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	t.Cleanup(func() {
		if err := removeTree(dir); err != nil {
			t.Error(err)
		}
	})
	for _, name := range []string{"lower", "upper", "work", "machine", "base/etc"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	machine := filepath.Join(dir, "machine")
	if _, err := run(ctx, "mount", "-t", "overlay", "-o", "lowerdir="+dir+"/lower,upperdir="+dir+"/upper,workdir="+dir+"/work", "none", machine); err != nil {
		t.Fatal(err)
	}
	if onOverlay(dir) || !onOverlay(machine) {
		t.Fatalf("onOverlay: %t for %s, %t for %s", onOverlay(dir), dir, onOverlay(machine), machine)
	}
	d := disk{filepath.Join(machine, "h1")}
	if err := d.create(ctx, filepath.Join(dir, "base"), 0); err != nil {
		t.Fatal(err)
	}
	if err := d.write("/etc/motd", []byte("hello\n"), 0o644); err != nil {
		t.Error(err)
	}
	if !exists(filepath.Join(d.store(), "upper/etc/motd")) {
		t.Error("what is written does not arrive on the disk")
	}
}
