package ssh

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"
)

// Every Host passes these, on a machine whose files the test can see below dir.
func conformance(t *testing.T, h Host, dir string) {
	ctx := t.Context()
	t.Run("a command's output", func(t *testing.T) {
		out, err := h.Run(ctx, Command{Script: "echo out; echo err >&2; id -u"})
		if err != nil || out.Stdout != "out\n0\n" || out.Stderr != "err\n" {
			t.Errorf("%+v, %v", out, err)
		}
	})
	t.Run("a command's status", func(t *testing.T) {
		_, err := h.Run(ctx, Command{Script: "echo bad luck >&2\nexit 7"})
		var exit *ExitError
		if !errors.As(err, &exit) || exit.Status != 7 || exit.Host != h.Name() || exit.Output.Stderr != "bad luck\n" {
			t.Fatalf("%#v", err)
		}
		if want := h.Name() + ": command ended with status 7: bad luck"; err.Error() != want {
			t.Errorf("%q, want %q", err, want)
		}
	})
	t.Run("a command that a signal ends", func(t *testing.T) {
		_, err := h.Run(ctx, Command{Script: "kill -KILL $$"})
		var exit *ExitError
		if !errors.As(err, &exit) || exit.Status == 0 {
			t.Errorf("%v", err)
		}
	})
	t.Run("what a script may contain", func(t *testing.T) {
		nasty := "a'b\"c\\d$e`f!g\nh\ti*j?k[l]~ %s é"
		out, err := h.Run(ctx, Command{Script: "printf '%s|' " + Quote(nasty) + ` "$V"; [ 'x\\y' = 'x\\y' ]`, Env: map[string]string{"V": nasty}})
		if want := nasty + "|" + nasty + "|"; err != nil || out.Stdout != want {
			t.Errorf("%q, %v, want %q", out.Stdout, err, want)
		}
		if _, err := h.Run(ctx, Command{Script: "true", Env: map[string]string{"a b": "c"}}); err == nil {
			t.Error("a bad name was not refused")
		}
	})
	t.Run("input and output as streams", func(t *testing.T) {
		data := random(3 << 20)
		var out bytes.Buffer
		if _, err := h.Run(ctx, Command{Script: "cat", Stdin: bytes.NewReader(data), Stdout: &out}); err != nil || !bytes.Equal(out.Bytes(), data) {
			t.Errorf("%d bytes of %d came back, %v", out.Len(), len(data), err)
		}
		// A command need not read its input, nor wait for one that does not end.
		if _, err := h.Run(ctx, Command{Script: "true", Stdin: endless{}}); err != nil {
			t.Error(err)
		}
		broken := iotest.ErrReader(errors.New("the disk is gone"))
		if _, err := h.Run(ctx, Command{Script: "cat", Stdin: broken}); err == nil || !strings.Contains(err.Error(), "the disk is gone") {
			t.Errorf("input that cannot be read: %v", err)
		}
	})
	t.Run("a cancelled command is killed, and all it started", func(t *testing.T) {
		pids := filepath.Join(dir, "pids")
		ctx, cancel := context.WithCancel(ctx)
		go func() {
			for {
				if b, _ := os.ReadFile(pids); strings.Count(string(b), "\n") == 2 {
					cancel()
					return
				}
				if ctx.Err() != nil {
					return
				}
			}
		}()
		_, err := h.Run(ctx, Command{Script: fmt.Sprintf(`sleep 1000 & echo $! >> %s
(trap '' TERM HUP; echo $$ >> %s; sleep 1000; sleep 1001)`, pids, pids)})
		if !errors.Is(err, context.Canceled) || !strings.HasPrefix(err.Error(), h.Name()+": ") {
			t.Errorf("%v", err)
		}
		out, err := h.Run(t.Context(), Command{Script: fmt.Sprintf(`for p in $(cat %s); do [ -d /proc/$p ] && grep -v '^State:.Z' /proc/$p/status | grep -q ^Threads && cat /proc/$p/cmdline; done; true`, pids)})
		if err != nil || strings.Contains(out.Stdout, "1000") {
			t.Errorf("still there: %q, %v", out.Stdout, err)
		}
	})
	t.Run("files", func(t *testing.T) { files(t, h, dir) })
	t.Run("sockets", func(t *testing.T) { sockets(t, h, dir) })
	t.Run("many at once", func(t *testing.T) {
		var all sync.WaitGroup
		for i := range 30 {
			all.Go(func() {
				if out, err := h.Run(ctx, Command{Script: fmt.Sprint("echo ", i)}); err != nil || out.Stdout != fmt.Sprintln(i) {
					t.Errorf("%d: %+v, %v", i, out, err)
				}
			})
		}
		all.Wait()
	})
	t.Run("facts", func(t *testing.T) {
		s, err := Inspect(ctx, h)
		if err != nil {
			t.Fatal(err)
		}
		if s.System != "Linux" || s.Arch == "" || s.OS == "" || s.CPUs < 1 || s.Memory < 1<<20 || s.DiskFree <= 0 || s.Kernel == "" || s.Hostname == "" || !s.Root {
			t.Errorf("%+v", s)
		}
		if s.Skew.Abs() > 2*time.Second {
			t.Errorf("a clock that is ours is off by %v", s.Skew)
		}
	})
}

func files(t *testing.T, h Host, dir string) {
	ctx := t.Context()
	large := random(2<<20 + 17)
	for name, c := range map[string]struct {
		content io.Reader
		size    int64
		want    []byte
	}{
		"empty":                     {strings.NewReader(""), 0, []byte{}},
		"small":                     {strings.NewReader("hello\n"), 6, []byte("hello\n")},
		"of unknown size":           {io.LimitReader(strings.NewReader("hello"), 9), -1, []byte("hello")},
		"large":                     {bytes.NewReader(large), int64(len(large)), large},
		"large and not rewindable":  {io.MultiReader(bytes.NewReader(large)), -1, large},
		"a 'quoted' name $x \\ é\n": {strings.NewReader("x"), 1, []byte("x")},
	} {
		path := filepath.Join(dir, "deep", "er", name)
		if err := h.Put(ctx, path, 0o640, c.size, c.content); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(got, c.want) {
			t.Errorf("%s: %d bytes, want %d (%v)", name, len(got), len(c.want), err)
		}
		if st, _ := os.Stat(path); st.Mode().Perm() != 0o640 {
			t.Errorf("%s: mode %v", name, st.Mode())
		}
	}

	// Whatever goes wrong, the old file stays and nothing else is left.
	path := filepath.Join(dir, "kept", "file")
	if err := h.Put(ctx, path, 0o600, -1, strings.NewReader("old")); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte("something else"))
	for name, err := range map[string]error{
		"too short":      h.Put(ctx, path, 0o600, 9, strings.NewReader("new")),
		"unreadable":     h.Put(ctx, path, 0o600, -1, iotest.ErrReader(errors.New("no"))),
		"wrong size":     Send(ctx, h, Upload{Path: path, Mode: 0o600, Size: 99, SHA256: hex.EncodeToString(sum[:]), Content: strings.NewReader("new")}),
		"wrong digest":   Send(ctx, h, Upload{Path: path, Mode: 0o600, Size: 3, SHA256: hex.EncodeToString(sum[:]), Content: strings.NewReader("new")}),
		"no gzip":        Send(ctx, h, Upload{Path: path, Mode: 0o600, Size: 3, Gzip: true, Content: strings.NewReader("new")}),
		"in no dir":      h.Put(ctx, path+"/below/a/file", 0o600, -1, strings.NewReader("new")),
		"over a dir":     h.Put(ctx, dir, 0o600, -1, strings.NewReader("new")),
		"cancelled":      h.Put(cancelled(ctx), path, 0o600, -1, strings.NewReader("new")),
		"read-only /sys": h.Put(ctx, "/proc/nothing", 0o600, -1, strings.NewReader("new")),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if got, _ := os.ReadFile(path); string(got) != "old" {
		t.Errorf("the old file is %q", got)
	}
	if entries, _ := os.ReadDir(filepath.Dir(path)); len(entries) != 1 {
		t.Errorf("left behind: %v", entries)
	}

	// Compressed on the wire.
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	z.Write(large)
	z.Close()
	sum = sha256.Sum256(large)
	err := Send(ctx, h, Upload{Path: path, Mode: 0o755, Size: int64(len(large)), SHA256: hex.EncodeToString(sum[:]), Gzip: true, Content: &packed})
	if got, _ := os.ReadFile(path); err != nil || !bytes.Equal(got, large) {
		t.Errorf("compressed: %d bytes, %v", len(got), err)
	}
}

func sockets(t *testing.T, h Host, dir string) {
	path := filepath.Join(dir, "echo.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				io.Copy(c, c)
			}()
		}
	}()
	data := random(1 << 20)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			c, err := h.Dial(t.Context(), path)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			go func() {
				c.Write(data)
				c.(interface{ CloseWrite() error }).CloseWrite()
			}()
			if got, err := io.ReadAll(c); err != nil || !bytes.Equal(got, data) {
				t.Errorf("%d of %d bytes came back, %v", len(got), len(data), err)
			}
		})
	}
	all.Wait()

	c, err := h.Dial(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("after the deadline: %v", err)
	}

	// Where nothing listens, Dial says so, or the first Read does.
	c, err = h.Dial(t.Context(), filepath.Join(dir, "nothing.sock"))
	if err == nil {
		_, err = c.Read(make([]byte, 1))
		c.Close()
	}
	mentionsAll(t, err, ErrNoSocket, h.Name(), "nothing.sock")
}

func cancelled(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	return ctx
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

// endless is input that goes on.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestLocal(t *testing.T) { conformance(t, Local(Config{Name: "here"}), shortDir(t)) }

func TestSSH(t *testing.T) {
	u := newPerson(t)
	s := startServer(t)
	u.trusts(s)
	conformance(t, u.mustDial(s), shortDir(t))
}

func TestSSHWithoutForwarding(t *testing.T) {
	u := newPerson(t)
	s := startServer(t, func(s *sshd) { s.noForward = true })
	u.trusts(s)
	conformance(t, u.mustDial(s), shortDir(t))
}

func TestSSHThroughAJumpHost(t *testing.T) {
	u := newPerson(t)
	jump, s := startServer(t), startServer(t)
	u.trusts(jump, s)
	config := u.config(s)
	config.Jump = "root@" + jump.addr
	h, err := u.dialWith(config, u.options())
	if err != nil {
		t.Fatal(err)
	}
	conformance(t, h, shortDir(t))
}

// shortDir is a temporary directory whose path leaves room for a socket's name.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ssh")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}
