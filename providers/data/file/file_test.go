package file_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/providers"
	"github.com/stowage-iac/stowage/providers/data"
	"github.com/stowage-iac/stowage/providers/data/datatest"
	"github.com/stowage-iac/stowage/providers/data/file"
)

func write(t *testing.T, dir, name, content string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o640); err != nil {
		t.Fatal(err)
	}
}

func path(p string) datatest.Args { return datatest.Args{"path": datatest.Str(p)} }

func TestFile(t *testing.T) {
	r := datatest.Reader{Source: file.Source{}, Dir: t.TempDir()}
	write(t, r.Dir, "hello.txt", "hello\n")
	v := r.Must(t, path("hello.txt"))
	for name, want := range map[string]string{
		"content": "hello\n", "content_base64": "aGVsbG8K", "mode": "0640",
		"md5":    "b1946ac92492d2347c6235b4d2611184",
		"sha1":   "f572d396fae9206628714fb2ce00f72e94f2258f",
		"sha256": "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03",
	} {
		if got := providers.Str(v, name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if providers.Int(v, "size") != 6 || !v.GetAttr("files").IsNull() || lang.IsSensitive(v) {
		t.Errorf("%#v", v)
	}
}

func TestSensitive(t *testing.T) {
	r := datatest.Reader{Source: file.Source{}, Dir: t.TempDir()}
	write(t, r.Dir, "key", "planted")
	args := path("key")
	args["sensitive"] = cty.True
	v := r.Must(t, args)
	for _, name := range []string{"content", "content_base64", "sha256", "sha1", "md5"} {
		if !lang.IsSensitive(v.GetAttr(name)) {
			t.Errorf("%s is not sensitive", name)
		}
	}
	if lang.IsSensitive(v.GetAttr("size")) || lang.IsSensitive(v.GetAttr("path")) {
		t.Error("what says nothing of the content is sensitive")
	}
	// A sensitive argument makes everything sensitive, and is in no diagnostic.
	v = r.Must(t, datatest.Args{"path": datatest.Str("key").WithMarks(lang.Sensitive)})
	if !lang.IsSensitive(v.GetAttr("size")) {
		t.Error("what is read by a sensitive path is not sensitive")
	}
	_, diags := r.Read(datatest.Args{"path": datatest.Str("planted-path").WithMarks(lang.Sensitive)})
	if !diags.HasErrors() || strings.Contains(diags[0].Detail, "planted") {
		t.Error(diags)
	}
}

func TestBinary(t *testing.T) {
	r := datatest.Reader{Source: file.Source{}, Dir: t.TempDir()}
	write(t, r.Dir, "b", "\xff\x00")
	r.Refused(t, path("b"), "not UTF-8 text", "binary = true")
	args := path("b")
	args["binary"] = cty.True
	v := r.Must(t, args)
	if !v.GetAttr("content").IsNull() || providers.Str(v, "content_base64") != "/wA=" {
		t.Errorf("%#v", v)
	}
}

// TestDirectory: the digest is the one that sha256sum and sort give.
func TestDirectory(t *testing.T) {
	r := datatest.Reader{Source: file.Source{}, Dir: t.TempDir()}
	for name, content := range map[string]string{"site/index.html": "<p>", "site/a/b.css": "p{}", "site/a.css": "x", "site/Z": "", "site/odd\nname": "1"} {
		write(t, r.Dir, name, content)
	}
	v := r.Must(t, path("site"))
	if got := strings.Join(providers.Strs(v, "files"), " "); got != "Z a.css a/b.css index.html odd\nname" {
		t.Errorf("files: %q", got)
	}
	cmd := exec.Command("sh", "-c", `find . -type f -print0 | cut -z -c3- | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum`)
	cmd.Dir = filepath.Join(r.Dir, "site")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	before := providers.Str(v, "sha256")
	if want, _, _ := strings.Cut(string(out), " "); before != want {
		t.Errorf("sha256 is %s, and sha256sum says %s", before, want)
	}
	if providers.Int(v, "size") != 8 || !v.GetAttr("content").IsNull() {
		t.Errorf("%#v", v)
	}
	if err := os.Symlink("elsewhere", filepath.Join(r.Dir, "site", "link")); err != nil {
		t.Fatal(err)
	}
	if linked := providers.Str(r.Must(t, path("site")), "sha256"); linked == before {
		t.Error("a link changes nothing")
	}
	if err := os.Mkdir(filepath.Join(r.Dir, "empty"), 0o755); err != nil {
		t.Fatal(err)
	}
	if v := r.Must(t, path("empty")); providers.Int(v, "size") != 0 || v.GetAttr("files").LengthInt() != 0 {
		t.Errorf("%#v", v)
	}
}

func TestRefused(t *testing.T) {
	r := datatest.Reader{Source: file.Source{}, Dir: t.TempDir()}
	r.Refused(t, path("none.txt"), `"none.txt"`, "there is no such file")
	if err := syscall.Mkfifo(filepath.Join(r.Dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.Refused(t, path("pipe"), "not a regular file")
	r.Refused(t, path("."), "neither a file nor a link")
	r.Refused(t, path("/dev/zero"), "not a regular file")
	large := filepath.Join(r.Dir, "large")
	if err := os.WriteFile(large, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(large, data.MaxBytes+1); err != nil {
		t.Fatal(err)
	}
	r.Refused(t, path("large"), "more than 100 MiB")
}

// TestUnreadable: who may not read a file is told so. Root may read everything.
func TestUnreadable(t *testing.T) {
	if os.Getuid() == 0 {
		err := data.Plain(&os.PathError{Op: "open", Path: "x", Err: syscall.EACCES})
		if !strings.Contains(err.Error(), "may not read it") {
			t.Error(err)
		}
		return
	}
	r := datatest.Reader{Source: file.Source{}, Dir: t.TempDir()}
	write(t, r.Dir, "key", "x")
	if err := os.Chmod(filepath.Join(r.Dir, "key"), 0); err != nil {
		t.Fatal(err)
	}
	r.Refused(t, path("key"), "may not read it")
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	r := datatest.Reader{Source: file.Source{}, Dir: t.TempDir(), Context: ctx}
	write(t, r.Dir, "x", "x")
	r.Refused(t, path("x"))
}

func TestHome(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	write(t, home, "in-home", "yes")
	r := datatest.Reader{Source: file.Source{}, Dir: t.TempDir()}
	if got := providers.Str(r.Must(t, path("~/in-home")), "content"); !bytes.Equal([]byte(got), []byte("yes")) {
		t.Errorf("%q", got)
	}
}
