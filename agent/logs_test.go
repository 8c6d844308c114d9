package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLogsAreRotatedWithinBounds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "main.log")
	w, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640) // as the shim opens it, once
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	const size, files = 1000, 3
	for i := range 500 {
		fmt.Fprintf(w, "line %03d\n", i)
		if i%20 == 0 {
			if err := rotate(path, size, files); err != nil {
				t.Fatal(err)
			}
		}
	}
	all, _ := filepath.Glob(path + "*")
	if len(all) != files {
		t.Errorf("files %v, want %d", all, files)
	}
	var text string
	for _, p := range []string{path + ".2", path + ".1", path} {
		b, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		if len(b) > size*12/10 {
			t.Errorf("%s has %d bytes", p, len(b))
		}
		text += string(b)
	}
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for i, l := range lines {
		if want := fmt.Sprintf("line %03d", 500-len(lines)+i); l != want {
			t.Fatalf("line %d of what is left is %q, want %q: something in between was lost", i, l, want)
		}
	}
}

func TestAFloodedLogKeepsItsEnd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "main.log")
	if err := os.WriteFile(path, []byte(strings.Repeat("0123456789\n", 10000)+"last\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := rotate(path, 1000, 3); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path + ".1")
	if err != nil || len(b) > 1000 || !strings.HasPrefix(string(b), "0123456789\n") || !strings.HasSuffix(string(b), "last\n") {
		t.Errorf("%d bytes kept: %.20q, %v", len(b), b, err)
	}
}
