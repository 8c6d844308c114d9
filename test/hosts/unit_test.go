package hosts

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseHierarchies(t *testing.T) {
	const v1 = "30 29 0:26 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
	const part = "32 29 0:28 /elsewhere /mnt/cgroup rw,relatime - cgroup cgroup rw,pids\n"
	const hybrid = "31 29 0:27 / /sys/fs/cgroup/unified rw,relatime shared:3 - cgroup2 cgroup2 rw\n"
	const v2 = "25 24 0:22 / /sys/fs/cgroup rw,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
	for name, test := range map[string]struct {
		mountinfo string
		want      []hierarchy
		unified   bool
	}{
		"v1":     {v1 + part, []hierarchy{{"/sys/fs/cgroup/memory", false}}, false},
		"hybrid": {v1 + hybrid, []hierarchy{{"/sys/fs/cgroup/memory", false}, {"/sys/fs/cgroup/unified", true}}, false},
		"v2":     {v2, []hierarchy{{"/sys/fs/cgroup", true}}, true},
		"none":   {"22 27 0:21 / /proc rw - proc proc rw\n", nil, false},
	} {
		got := parseHierarchies(test.mountinfo)
		if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(hierarchy{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if unified(got) != test.unified {
			t.Errorf("%s: unified: %t", name, !test.unified)
		}
	}
}

func TestFileLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dir", "lock")
	first, err := tryLock(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tryLock(path); !errors.Is(err, errLocked) {
		t.Errorf("a second lock: %v", err)
	}
	first.remove()
	if exists(filepath.Dir(path)) {
		t.Error("remove leaves the directory")
	}
	second, err := tryLock(path)
	if err != nil {
		t.Fatal(err)
	}
	second.release()
	if !exists(path) {
		t.Error("release takes the file away")
	}
}

func TestUnescape(t *testing.T) {
	for in, want := range map[string]string{`/a\040b\134c`: `/a b\c`, `/plain`: `/plain`, `/end\04`: `/end\04`} {
		if got := unescape(in); got != want {
			t.Errorf("unescape(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestTail(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	os.WriteFile(path, []byte("a\nb\nc\n"), 0o600)
	if got := tail(path, 2); got != "b\nc" {
		t.Errorf("tail 2 = %q", got)
	}
	if got := tail(path, 9); got != "a\nb\nc" {
		t.Errorf("tail 9 = %q", got)
	}
}

// Names must not exceed what the kernel takes for an interface.
func TestNames(t *testing.T) {
	if name := slot(maxSlot).port(99); len(name) > 15 {
		t.Errorf("interface name %s is too long", name)
	}
}
