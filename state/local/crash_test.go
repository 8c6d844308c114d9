package local_test

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stowage-iac/stowage/state/crashtest"
	"github.com/stowage-iac/stowage/state/crashtest/child"
)

// writer applies to a local state, recording twelve pods at once.
func writer(t *testing.T, tags string) *crashtest.Writer {
	return crashtest.NewWriter(t, crashtest.Child{Type: "local", Arguments: map[string]any{"path": filepath.Join(t.TempDir(), "state.json")},
		Env: []string{child.Concurrent + "=12"}}, tags)
}

// Killed at every call, one after the other.
func TestKilledAtEveryCall(t *testing.T) {
	crashtest.Run(t, crashtest.Child{Type: "local", Arguments: map[string]any{"path": filepath.Join(t.TempDir(), "state.json")}, Env: []string{child.Rekey + "=1"}})
}

// Whenever the process is killed, what it acknowledged is there.
func TestKilledAnywhere(t *testing.T) {
	w := writer(t, "")
	random := rand.New(rand.NewPCG(1, 2))
	for range 60 {
		w.Run(0, 1+random.IntN(60))
		w.Check()
	}
	w.Run(1, 0)
	if w.Closed == 0 {
		t.Error("no generation was ever finished")
	}
}

// Killed at every record of a journal, before and after its flush, the next
// apply ends where an undisturbed one does.
func TestKilledAtEveryRecord(t *testing.T) {
	w := writer(t, "crashtest")
	for _, when := range []string{"written", "flushed"} {
		for n := 1; n <= 30; n++ {
			before := w.Closed
			w.Run(1, 0, "STOWAGE_CRASH_AT="+strconv.Itoa(n), "STOWAGE_CRASH_WHEN="+when)
			w.Check()
			w.Run(1, 0)
			if w.Closed <= before {
				t.Fatalf("%s %d: the apply after the crash did not end", when, n)
			}
		}
	}
}

// The hook is not in a build without its tag.
func TestNoCrashHookInProduction(t *testing.T) {
	w := writer(t, "")
	w.Run(1, 0, "STOWAGE_CRASH_AT=1")
	if w.Closed != 1 {
		t.Error("STOWAGE_CRASH_AT has an effect")
	}
	binary, err := os.ReadFile(w.Program)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(binary), "STOWAGE_CRASH_AT") {
		t.Error("the hook is in the binary")
	}
}
