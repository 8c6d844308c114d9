// Package crashtest kills processes that write to a state backend, everywhere.
package crashtest

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stowage-iac/stowage/state"
	"github.com/stowage-iac/stowage/state/registry"
)

// Child is how another process opens the backend under test.
type Child struct {
	Type      string         // as in the configuration
	Arguments map[string]any // as in the configuration
	Env       []string       // NAME=value, for credentials
}

// Run kills a process at every call that it makes to the backend, before and
// after, each time in another apply, and reads: all that it had acknowledged is
// there, all is of one generation or the next, and the apply that follows ends.
func Run(t *testing.T, c Child) {
	dir := t.TempDir()
	w := &crashed{t: t, dir: dir, writer: filepath.Join(dir, "writer"), child: c, acknowledged: map[int]int{}}
	build := exec.Command("go", "build", "-tags", "crashtest", "-o", w.writer, "github.com/stowage-iac/stowage/state/crashtest/testdata/writer")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if !w.run(0) {
		t.Fatal("the first apply did not end")
	}
	for point := 1; ; point++ {
		before := w.closed
		if w.run(point) {
			if point < 10 {
				t.Errorf("an apply is made of %d calls only", point-1)
			}
			return // beyond the last call
		}
		w.check(point)
		if point%4 == 0 { // every apply after a crash must end; each of the others crashes on top of one
			w.run(0)
			if w.closed <= before {
				t.Fatalf("point %d: the apply after the crash did not end", point)
			}
		}
	}
}

type crashed struct {
	t            *testing.T
	dir, writer  string
	child        Child
	acknowledged map[int]int // pod → generation
	closed       int         // generation
}

func (w *crashed) backend() state.Backend {
	w.t.Helper()
	text, _ := json.Marshal(w.child.Arguments)
	arguments, err := registry.Decode(w.child.Type, text)
	if err != nil {
		w.t.Fatal(err)
	}
	env := map[string]string{}
	for _, e := range w.child.Env {
		for n := range e {
			if e[n] == '=' {
				env[e[:n]] = e[n+1:]
				break
			}
		}
	}
	b, err := registry.Open(w.child.Type, arguments, state.Env{Getenv: func(name string) string { return env[name] }, Dir: w.dir})
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

// run makes an apply that is killed at a point (0: nowhere); ended tells whether it came to its end.
func (w *crashed) run(point int) (ended bool) {
	w.t.Helper()
	arguments, err := json.Marshal(w.child.Arguments)
	if err != nil {
		w.t.Fatal(err)
	}
	cmd := exec.Command(w.writer)
	cmd.Env = append(os.Environ(), append(w.child.Env, "XDG_CONFIG_HOME="+w.dir, "STOWAGE_TEST_DIR="+w.dir,
		"STOWAGE_TEST_BACKEND="+w.child.Type, "STOWAGE_TEST_ARGUMENTS="+string(arguments), "STOWAGE_CRASH_POINT="+strconv.Itoa(point))...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var pod, generation int
		if _, err := fmt.Sscanf(lines.Text(), "done %d %d", &pod, &generation); err == nil {
			w.acknowledged[pod] = generation
		} else if _, err := fmt.Sscanf(lines.Text(), "closed %d", &generation); err == nil {
			w.closed = generation
		}
	}
	err = cmd.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() != -1 {
		w.t.Fatalf("point %d: the writer failed: %v", point, err)
	}
	return err == nil
}

// check: everything acknowledged is there, nothing is older, nothing is torn; a
// lock that the dead one left and that only time would end is broken.
func (w *crashed) check(point int) {
	w.t.Helper()
	b := w.backend()
	if c, ok := b.(io.Closer); ok {
		defer c.Close()
	}
	if holder, held, err := b.Holder(w.t.Context()); err != nil {
		w.t.Fatal(err)
	} else if held {
		if err := b.Break(w.t.Context(), holder.ID); err != nil && !errors.Is(err, state.ErrNotLocked) {
			w.t.Fatalf("point %d: %v", point, err)
		}
	}
	l, err := state.NewStore(b, state.Options{Keys: state.NewKeyring(state.KeyOptions{Getenv: func(string) string { return "" }})}).Load(w.t.Context())
	if err != nil {
		w.t.Fatalf("point %d: %v", point, err)
	}
	newest := w.closed
	for pod, generation := range w.acknowledged {
		i := l.State.Instances[fmt.Sprintf("pod.web[%d]", pod)]
		if i == nil {
			w.t.Fatalf("point %d: pod %d was acknowledged and is lost", point, pod)
		}
		if got, _ := strconv.Atoi(string(i.Value)); got < generation {
			w.t.Fatalf("point %d: pod %d is of generation %d, acknowledged was %d", point, pod, got, generation)
		}
		newest = max(newest, generation)
	}
	for address, i := range l.State.Instances {
		if got, err := strconv.Atoi(string(i.Value)); err != nil || got > newest+1 || got < w.closed {
			w.t.Fatalf("point %d: %s has %s; closed was %d, the newest seen is %d", point, address, i.Value, w.closed, newest)
		}
	}
}
