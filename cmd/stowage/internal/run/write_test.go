package run

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A file is replaced, also through a link; a pipe, as /dev/null, stays what it is.
func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	file, link, pipe := filepath.Join(dir, "file"), filepath.Join(dir, "link"), filepath.Join(dir, "pipe")
	for _, err := range []error{os.WriteFile(file, []byte("old"), 0o600), os.Symlink("file", link), syscall.Mkfifo(pipe, 0o600)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := WriteFile(link, []byte("new"), 0); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(file); string(got) != "new" {
		t.Errorf("the file has %q", got)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("the link is %v, %v", info, err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode() != 0o600 {
		t.Errorf("the file is %v, %v", info, err)
	}

	large := bytes.Repeat([]byte("x"), 1<<20)
	read := make(chan []byte, 1)
	go func() {
		got, _ := os.ReadFile(pipe)
		read <- got
	}()
	if err := WriteFile(pipe, large, 0o644); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(pipe); err != nil || info.Mode() != fs.ModeNamedPipe|0o600 {
		t.Fatalf("the pipe is %v, %v", info, err) // and its reader waits for a writer
	}
	if got := <-read; !bytes.Equal(got, large) {
		t.Errorf("the pipe gave %d bytes", len(got))
	}

	if err := WriteFile(dir, nil, 0); err == nil {
		t.Error("a directory was replaced")
	}
	gone := filepath.Join(dir, "gone", "file")
	if err := WriteFile(gone, nil, 0); err == nil || !strings.Contains(err.Error(), gone+":") {
		t.Errorf("the error does not name the file: %v", err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 3 {
		t.Errorf("left behind: %v", left)
	}
}
