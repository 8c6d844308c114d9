package intake

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stowage-iac/stowage/api"
)

// store is a content store without a containerd.
type store struct {
	*Intake
	t    testing.TB
	root string
}

func newStore(t testing.TB) *store {
	root := t.TempDir()
	return &store{New(func(context.Context) (string, error) { return root, nil }), t, root}
}

// fresh is new content with its digest.
func fresh(size int) (b []byte, digest string) {
	b = make([]byte, size)
	rand.Read(b)
	return b, fmt.Sprintf("%s%x", prefix, sha256.Sum256(b))
}

func (s *store) blobPath(digest string) string {
	return blob(s.root, strings.TrimPrefix(digest, prefix))
}

func (s *store) partPath(digest string) string {
	return filepath.Join(dir(s.root), strings.TrimPrefix(digest, prefix))
}

func (s *store) take(digest string, size int, offset int, r io.Reader) error {
	s.t.Helper()
	return s.Take(s.t.Context(), digest, int64(size), int64(offset), r)
}

// has checks what there is of a blob: its part, or -1 for none, and the blob, or nil.
func (s *store) has(digest string, part int, whole []byte) {
	s.t.Helper()
	parts, err := s.Parts(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	if whole != nil && parts[digest] == int64(len(whole)) {
		delete(parts, digest) // taken in, and named with all of its bytes
	}
	if got, ok := parts[digest]; ok != (part >= 0) || ok && got != int64(part) {
		s.t.Errorf("there are %d bytes of a part (%v), want %d", got, ok, part)
	}
	got, err := os.ReadFile(s.blobPath(digest))
	if (err == nil) != (whole != nil) || !bytes.Equal(got, whole) {
		s.t.Errorf("the blob has %d bytes (%v), want %d", len(got), err, len(whole))
	}
}

func code(err error) string {
	var e *api.Error
	if !errors.As(err, &e) {
		return fmt.Sprint(err)
	}
	return e.Code
}

func TestTake(t *testing.T) {
	const size = 20<<20 + 7 // more than one writeBack
	content, digest := fresh(size)
	for name, test := range map[string]struct {
		part   []byte // there before
		offset int
		r      io.Reader
		code   string
		left   int // of the part
	}{
		"whole":               {nil, 0, bytes.NewReader(content), "", -1},
		"in small reads":      {nil, 0, iotest.HalfReader(bytes.NewReader(content)), "", -1},
		"gone on with":        {content[:9<<20], 9 << 20, bytes.NewReader(content[9<<20:]), "", -1},
		"whole, not moved":    {content, size, bytes.NewReader(nil), "", -1},
		"more than announced": {nil, 0, io.MultiReader(bytes.NewReader(content), iotest.ErrReader(errors.New("read too far"))), "", -1},
		"another offset":      {content[:100], 50, bytes.NewReader(content[50:]), "conflict", 100},
		"part too long":       {append(bytes.Clone(content), 1), size, bytes.NewReader(nil), "conflict", -1},
		"part damaged":        {make([]byte, 100), 100, bytes.NewReader(content[100:]), "conflict", -1},
		"wrong bytes":         {nil, 0, bytes.NewReader(make([]byte, size)), "invalid", -1},
		"sender stops":        {nil, 0, bytes.NewReader(content[:1000]), "unavailable", 1000},
		"sender breaks":       {content[:10], 10, io.MultiReader(bytes.NewReader(content[10:1000]), iotest.ErrReader(syscall.ECONNRESET)), "unavailable", 1000},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			if test.part != nil {
				if err := errors.Join(os.Mkdir(dir(s.root), 0o700), os.WriteFile(s.partPath(digest), test.part, 0o600)); err != nil {
					t.Fatal(err)
				}
			}
			err := s.take(digest, size, test.offset, test.r)
			if (err == nil) != (test.code == "") || err != nil && code(err) != test.code {
				t.Fatalf("got %v, want %q", err, test.code)
			}
			if err != nil {
				s.has(digest, test.left, nil)
				return
			}
			s.has(digest, -1, content)
			if st, err := os.Stat(s.blobPath(digest)); err != nil || st.Mode() != 0o444 {
				t.Errorf("mode %v, %v", st.Mode(), err)
			}
			if err := s.take(digest, size, 0, iotest.ErrReader(errors.New("read"))); err != nil {
				t.Errorf("a blob that is there: %v", err)
			}
		})
	}
}

// What is no digest, or no place in the content, reaches no file.
func TestTakeRefuses(t *testing.T) {
	s := newStore(t)
	_, digest := fresh(1)
	for _, test := range []struct {
		digest       string
		size, offset int
	}{
		{"", 1, 0}, {"sha256:", 1, 0}, {"sha256:../../../x", 1, 0}, {digest[:70], 1, 0}, {digest + "00", 1, 0},
		{"sha512:" + digest[7:], 1, 0}, {strings.ToUpper(digest[7:]), 1, 0}, {prefix + strings.Repeat("AB", 32), 1, 0},
		{digest, 1, -1}, {digest, 1, 2}, {digest, -1, 0},
	} {
		if err := s.take(test.digest, test.size, test.offset, strings.NewReader("x")); code(err) != "invalid" {
			t.Errorf("%+v: %v", test, err)
		}
	}
	if entries, err := os.ReadDir(s.root); err != nil || len(entries) != 0 {
		t.Errorf("left %v, %v", entries, err)
	}
}

// Of those that bring the same blob at once one does; the others wait, also for
// one that fails.
func TestTakesAtOnce(t *testing.T) {
	s := newStore(t)
	content, digest := fresh(1 << 20)
	r, w := io.Pipe()
	var first, second, third error
	var wg sync.WaitGroup
	wg.Go(func() { first = s.take(digest, len(content), 0, r) })
	w.Write(content[:1000])
	ctx, cancel := context.WithCancel(t.Context())
	wg.Go(func() { second = s.Take(ctx, digest, int64(len(content)), 0, bytes.NewReader(content)) })
	wg.Go(func() { third = s.take(digest, len(content), 1000, bytes.NewReader(content[1000:])) })
	cancel()
	w.CloseWithError(io.ErrUnexpectedEOF)
	wg.Wait()
	if code(first) != "unavailable" || second == nil || third != nil {
		t.Errorf("first: %v, second: %v, third: %v", first, second, third)
	}
	s.has(digest, -1, content)
	if len(s.busy) != 0 {
		t.Errorf("held still: %v", s.busy)
	}
}

// A blob that was taken in and that containerd does not know of yet has arrived whole,
// until it is collected.
func TestWhole(t *testing.T) {
	s := newStore(t)
	content, digest := fresh(100)
	if err := s.take(digest, 100, 0, bytes.NewReader(content)); err != nil {
		t.Fatal(err)
	}
	if parts, err := s.Parts(t.Context()); err != nil || parts[digest] != 100 {
		t.Errorf("%v, %v", parts, err)
	}
	if err := os.Remove(s.blobPath(digest)); err != nil {
		t.Fatal(err)
	}
	if parts, err := s.Parts(t.Context()); err != nil || len(parts) != 0 || len(s.came) != 0 {
		t.Errorf("%v, %v; remembered: %v", parts, err, s.came)
	}
}

// Parts that nobody goes on with are removed, others are not.
func TestSweep(t *testing.T) {
	s := newStore(t)
	if err := s.Sweep(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	content, digest := fresh(100)
	if err := s.take(digest, 100, 0, bytes.NewReader(content[:50])); code(err) != "unavailable" {
		t.Fatal(err)
	}
	if err := s.Sweep(t.Context(), time.Now().Add(Rest-time.Minute)); err != nil {
		t.Fatal(err)
	}
	s.has(digest, 50, nil)
	if err := s.Sweep(t.Context(), time.Now().Add(Rest)); err != nil {
		t.Fatal(err)
	}
	s.has(digest, -1, nil)

	// One that goes on between the look and the removal stays.
	if err := s.take(digest, 100, 0, bytes.NewReader(content[:50])); code(err) != "unavailable" {
		t.Fatal(err)
	}
	old := time.Now().Add(-2 * Rest)
	if err := os.Chtimes(s.partPath(digest), old, old); err != nil {
		t.Fatal(err)
	}
	parts, err := list(s.root)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.take(digest, 100, 50, bytes.NewReader(content[50:60])); code(err) != "unavailable" {
		t.Fatal(err)
	}
	if err := s.drop(t.Context(), s.root, parts[0]); err != nil {
		t.Fatal(err)
	}
	s.has(digest, 60, nil)

	// One of a blob that somebody else has brought goes at once.
	if err := errors.Join(os.MkdirAll(filepath.Dir(s.blobPath(digest)), 0o755), os.WriteFile(s.blobPath(digest), content, 0o444)); err != nil {
		t.Fatal(err)
	}
	if err := s.Sweep(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	s.has(digest, -1, content)

	content, digest = fresh(100)
	if err := s.take(digest, 100, 0, bytes.NewReader(content[:50])); code(err) != "unavailable" {
		t.Fatal(err)
	}
	if err := Remove(s.root); err != nil {
		t.Fatal(err)
	}
	s.has(digest, -1, nil)
}

// A full disk is named, and nothing is left on it.
func TestFullDisk(t *testing.T) {
	if os.Getuid() != 0 {
		t.Fatal("this is not root")
	}
	s := newStore(t)
	if err := syscall.Mount("tmpfs", s.root, "tmpfs", 0, "size=1m"); err != nil {
		t.Fatal(err)
	}
	defer syscall.Unmount(s.root, 0)
	content, digest := fresh(2 << 20)
	err := s.take(digest, len(content), 0, bytes.NewReader(content))
	if code(err) != "no_space" || !strings.Contains(err.Error(), s.root) || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("got %v", err)
	}
	s.has(digest, -1, nil)
}

// A store that containerd would not look into takes nothing.
func TestNoStore(t *testing.T) {
	broken := errors.New("isolated")
	i := New(func(context.Context) (string, error) { return "", broken })
	_, digest := fresh(1)
	_, err := i.Parts(t.Context())
	for _, err := range []error{err, i.Sweep(t.Context(), time.Now()), i.Take(t.Context(), digest, 1, 0, nil)} {
		if !errors.Is(err, broken) {
			t.Errorf("got %v", err)
		}
	}
}
