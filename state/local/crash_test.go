package local_test

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stowage-iac/stowage/state"
	"github.com/stowage-iac/stowage/state/local"
)

// world is a state, its key, and what a writer has acknowledged so far.
type world struct {
	writer, path, config string
	acknowledged         map[int]int // pod → generation
	closed               int         // generation
}

func newWorld(t *testing.T, tags string) *world {
	dir := t.TempDir()
	w := &world{writer: filepath.Join(dir, "writer"), path: filepath.Join(dir, "state.json"),
		config: dir, acknowledged: map[int]int{}}
	build := exec.Command("go", "build", "-tags", tags, "-o", w.writer, "./testdata/writer")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return w
}

// run starts a writer, kills it after so many lines (0: waits for its end), and notes what it acknowledged.
func (w *world) run(t *testing.T, generations, killAfter int, env ...string) {
	t.Helper()
	cmd := exec.Command(w.writer, w.path, strconv.Itoa(generations))
	cmd.Env = append(os.Environ(), append(env, "XDG_CONFIG_HOME="+w.config)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for n := 1; lines.Scan(); n++ {
		var pod, generation int
		if _, err := fmt.Sscanf(lines.Text(), "done %d %d", &pod, &generation); err == nil {
			w.acknowledged[pod] = generation
		} else if _, err := fmt.Sscanf(lines.Text(), "closed %d", &generation); err == nil {
			w.closed = generation
		}
		if n == killAfter {
			cmd.Process.Kill()
		}
	}
	cmd.Wait()
	w.check(t)
}

// check: everything acknowledged is there, nothing is older, nothing is torn.
func (w *world) check(t *testing.T) {
	t.Helper()
	keys := state.NewKeyring(state.KeyOptions{Getenv: func(name string) string {
		return map[string]string{"XDG_CONFIG_HOME": w.config}[name]
	}})
	l, err := state.NewStore(local.New(w.path), state.Options{Keys: keys}).Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	newest := w.closed
	for pod, generation := range w.acknowledged {
		address := fmt.Sprintf("pod.web[%d]", pod)
		i := l.State.Instances[address]
		if i == nil {
			t.Fatalf("%s was acknowledged and is lost", address)
		}
		if got, _ := strconv.Atoi(string(i.Value)); got < generation {
			t.Fatalf("%s is of generation %d, acknowledged was %d", address, got, generation)
		}
		newest = max(newest, generation)
	}
	for address, i := range l.State.Instances {
		if got, err := strconv.Atoi(string(i.Value)); err != nil || got > newest+1 || got < w.closed {
			t.Fatalf("%s has %s; closed was generation %d, the newest seen is %d", address, i.Value, w.closed, newest)
		}
	}
	if l.Interrupted == nil {
		return
	}
	if l.Interrupted.Running {
		t.Error("a killed writer is said to run")
	}
	if plan, _ := strconv.Atoi(l.Interrupted.Plan); plan < w.closed {
		t.Errorf("interrupted is said to be generation %s, but %d was closed", l.Interrupted.Plan, w.closed)
	}
}

// Whenever the process is killed, what it acknowledged is there.
func TestKilledAnywhere(t *testing.T) {
	w := newWorld(t, "")
	random := rand.New(rand.NewPCG(1, 2))
	for range 60 {
		w.run(t, 0, 1+random.IntN(60))
	}
	w.run(t, 1, 0)
	if w.closed == 0 {
		t.Error("no generation was ever finished")
	}
}

// Killed at every record of a journal, before and after its flush, the next
// apply ends where an undisturbed one does.
func TestKilledAtEveryRecord(t *testing.T) {
	w := newWorld(t, "crashtest")
	for _, when := range []string{"written", "flushed"} {
		for n := 1; n <= 30; n++ {
			before := w.closed
			w.run(t, 1, 0, "STOWAGE_CRASH_AT="+strconv.Itoa(n), "STOWAGE_CRASH_WHEN="+when)
			w.run(t, 1, 0)
			if w.closed <= before {
				t.Fatalf("%s %d: the apply after the crash did not end", when, n)
			}
		}
	}
}

// The hook is not in a build without its tag.
func TestNoCrashHookInProduction(t *testing.T) {
	w := newWorld(t, "")
	w.run(t, 1, 0, "STOWAGE_CRASH_AT=1")
	if w.closed != 1 {
		t.Error("STOWAGE_CRASH_AT has an effect")
	}
	binary, err := os.ReadFile(w.writer)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(binary), "STOWAGE_CRASH_AT") {
		t.Error("the hook is in the binary")
	}
}
