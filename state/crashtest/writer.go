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
	"strings"
	"testing"

	"github.com/stowage-iac/stowage/state"
	"github.com/stowage-iac/stowage/state/crashtest/child"
)

// Child is how another process opens the backend under test.
type Child struct {
	Type      string         // as in the configuration
	Arguments map[string]any // as in the configuration
	Env       []string       // NAME=value: credentials, and the variables of package child
}

// Writer is a program that applies to a state, and what it has acknowledged so far.
type Writer struct {
	Program string // its path
	Closed  int    // the newest generation whose apply has ended

	t            testing.TB
	dir          string
	env          []string
	acknowledged map[int]int // pod → generation
}

// NewWriter builds the program, with the tag crashtest if it is to be killed at its calls.
func NewWriter(t testing.TB, c Child, tags string) *Writer {
	t.Helper()
	dir := t.TempDir()
	arguments, err := json.Marshal(c.Arguments)
	if err != nil {
		t.Fatal(err)
	}
	w := &Writer{Program: filepath.Join(dir, "writer"), t: t, dir: dir, acknowledged: map[int]int{},
		env: append([]string{"XDG_CONFIG_HOME=" + dir, child.Dir + "=" + dir, child.Type + "=" + c.Type, child.Arguments + "=" + string(arguments)}, c.Env...)}
	build := exec.Command("go", "build", "-tags", tags, "-o", w.Program, "github.com/stowage-iac/stowage/state/crashtest/testdata/writer")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return w
}

// Run lets the program make so many applies (0: no end), kills it after so many lines
// of its output (0: not), and notes what it acknowledged. It reports whether it came
// to its end.
func (w *Writer) Run(applies, killAfter int, env ...string) (ended bool) {
	w.t.Helper()
	cmd := exec.Command(w.Program)
	cmd.Env = append(append(os.Environ(), w.env...), append(env, child.Applies+"="+strconv.Itoa(applies))...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for n := 1; lines.Scan(); n++ {
		var pod, generation int
		if _, err := fmt.Sscanf(lines.Text(), "done %d %d", &pod, &generation); err == nil {
			w.acknowledged[pod] = generation
		} else if _, err := fmt.Sscanf(lines.Text(), "closed %d", &generation); err == nil {
			w.Closed = generation
		}
		if n == killAfter {
			cmd.Process.Kill()
		}
	}
	err = cmd.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() != -1 {
		w.t.Fatalf("the writer failed (%v): %v", env, err)
	}
	return err == nil
}

// Check: everything acknowledged is there, nothing is older, nothing is torn; a lock
// that the dead one left and that only time would end is broken.
func (w *Writer) Check() {
	w.t.Helper()
	ctx, getenv := w.t.Context(), w.getenv()
	if getenv(child.Socket) != "" { // the lock in the cluster, also while the state is in the file
		w.unlock(func(name string) string {
			if name == child.Dir {
				return filepath.Join(w.dir, "elsewhere")
			}
			return getenv(name)
		})
	}
	b := w.unlock(getenv)
	if c, ok := b.(io.Closer); ok {
		defer c.Close()
	}
	store := state.NewStore(b, state.Options{Keys: state.NewKeyring(state.KeyOptions{Getenv: getenv})})
	_, earlier, err := store.History(ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, v := range earlier {
		if _, err := store.Version(ctx, v.Serial); err != nil {
			w.t.Fatal(err)
		}
	}
	l, err := store.Load(ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	newest := w.Closed
	for pod, generation := range w.acknowledged {
		i := l.State.Instances[fmt.Sprintf("pod.web[%d]", pod)]
		if i == nil {
			w.t.Fatalf("pod %d was acknowledged and is lost", pod)
		}
		if got, _ := strconv.Atoi(string(i.Value)); got < generation {
			w.t.Fatalf("pod %d is of generation %d, acknowledged was %d", pod, got, generation)
		}
		newest = max(newest, generation)
	}
	for address, i := range l.State.Instances {
		if got, err := strconv.Atoi(string(i.Value)); err != nil || got > newest+1 || got < w.Closed {
			w.t.Fatalf("%s has %s; closed was %d, the newest seen is %d", address, i.Value, w.Closed, newest)
		}
	}
	if l.Interrupted == nil {
		return
	}
	if l.Interrupted.Running {
		w.t.Error("a killed writer is said to run")
	}
	if plan, _ := strconv.Atoi(l.Interrupted.Plan); plan < w.Closed {
		w.t.Errorf("interrupted is said to be generation %s, but %d was closed", l.Interrupted.Plan, w.Closed)
	}
}

// unlock breaks the lock of a dead writer.
func (w *Writer) unlock(getenv func(string) string) state.Backend {
	w.t.Helper()
	b, err := child.Open(getenv)
	if err != nil {
		w.t.Fatal(err)
	}
	holder, held, err := b.Holder(w.t.Context())
	if err == nil && held {
		err = b.Break(w.t.Context(), holder.ID)
	}
	if err != nil && !errors.Is(err, state.ErrNotLocked) {
		w.t.Fatal(err)
	}
	return b
}

// getenv is the program's environment.
func (w *Writer) getenv() func(string) string {
	env := map[string]string{}
	for _, e := range w.env {
		name, value, _ := strings.Cut(e, "=")
		env[name] = value
	}
	return func(name string) string { return env[name] }
}
