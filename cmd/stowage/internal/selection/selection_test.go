package selection

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func choose(dir, context string) func(*File) error {
	return func(f *File) error {
		d := f.In(dir)
		d.Context = context
		f.Directories[dir] = d
		return nil
	}
}

// TestEdit writes, reads and forgets; the file is for its owner only.
func TestEdit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "contexts.json")
	if err := Edit(path, choose("/shop", "prod")); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	f, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	want := &File{FormatVersion: 1, Directories: map[string]*Directory{"/shop": {Context: "prod"}}}
	if d := cmp.Diff(want, f); d != "" {
		t.Error(d)
	}
	if f.In("/elsewhere").Context != "" {
		t.Error("another directory has a selection")
	}
	if err := Edit(path, choose("/shop", "")); err != nil {
		t.Fatal(err)
	}
	if f, err = Read(path); err != nil || len(f.Directories) != 0 {
		t.Errorf("what says nothing stays: %v, %v", f, err)
	}
}

// TestEditAtOnce: nobody's edit is lost.
func TestEditAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "contexts.json")
	const n = 20
	var wg sync.WaitGroup
	for i := range n {
		wg.Add(1)
		go func() {
			defer wg.Done()
			if err := Edit(path, choose(fmt.Sprintf("/%d", i), "prod")); err != nil {
				t.Error(err)
			}
		}()
	}
	wg.Wait()
	if f, err := Read(path); err != nil || len(f.Directories) != n {
		t.Errorf("%d of %d edits are there, %v", len(f.Directories), n, err)
	}
}

// TestRefused: what cannot be understood is left as it is, and said so.
func TestRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		content string
		mode    os.FileMode
		says    string
	}{
		"damaged":   {`{"format_version":1,"dire`, 0o600, "is damaged"},
		"not ours":  {`[]`, 0o600, "is damaged"},
		"newer":     {`{"format_version":2}`, 0o600, "use a newer one"},
		"readable":  {`{"format_version":1}`, 0o644, "chmod 600"},
		"writeable": {`{"format_version":1}`, 0o620, "chmod 600"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "contexts.json")
			if err := os.WriteFile(path, []byte(tc.content), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, tc.mode); err != nil {
				t.Fatal(err)
			}
			if err := Edit(path, choose("/shop", "prod")); err == nil || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("%v", err)
			}
			if now, _ := os.ReadFile(path); string(now) != tc.content {
				t.Errorf("it was changed: %s", now)
			}
		})
	}
}

// TestPath: where the file is, or that there is no place for one.
func TestPath(t *testing.T) {
	for _, tc := range []struct{ xdg, home, want string }{
		{"/x", "/h", "/x/stowage/contexts.json"},
		{"", "/h", "/h/.config/stowage/contexts.json"},
		{"", "", ""},
	} {
		got, err := Path(func(name string) string {
			return map[string]string{"XDG_CONFIG_HOME": tc.xdg, "HOME": tc.home}[name]
		})
		if got != tc.want || (err == nil) != (tc.want != "") {
			t.Errorf("%+v: %s, %v", tc, got, err)
		}
	}
}

// FuzzRead reads anything: an error, or a file that can be written and read again.
func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"format_version":1,"directories":{"/shop":{"context":"prod","environment":{"prod":{"A":"b"}}}}}`))
	f.Add([]byte(`{"directories":{"/a":null}}`))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, content []byte) {
		path := filepath.Join(dir, "contexts.json")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(path); err != nil {
			return
		}
		if err := Edit(path, choose("/shop", "prod")); err != nil {
			t.Fatal(err)
		}
		if again, err := Read(path); err != nil || again.In("/shop").Context != "prod" {
			t.Fatal(again, err)
		}
	})
}
