// Package crashtest kills processes that write to a state backend, everywhere.
package crashtest

import (
	"strconv"
	"testing"
)

// Run kills a process at every call that it makes to the backend, before and
// after, each time in another apply, and reads: all that it had acknowledged is
// there, all is of one generation or the next, and the apply that follows ends.
func Run(t *testing.T, c Child) {
	w := NewWriter(t, c, "crashtest")
	if !w.Run(1, 0) {
		t.Fatal("the first apply did not end")
	}
	for point := 1; ; point++ {
		before := w.Closed
		at := "STOWAGE_CRASH_POINT=" + strconv.Itoa(point)
		ended := w.Run(1, 0, at)
		if ended { // it may have had less to do, on top of a crash
			ended = w.Run(1, 0, at)
		}
		if ended {
			if point < 10 {
				t.Errorf("an apply is made of %d calls only", point-1)
			}
			t.Logf("killed at %d points", point-1)
			return // beyond the last call
		}
		w.Check()
		if t.Failed() {
			t.Fatalf("after the crash at point %d", point)
		}
		if point%4 == 0 { // every apply after a crash must end; each of the others crashes on top of one
			w.Run(1, 0)
			if w.Closed <= before {
				t.Fatalf("point %d: the apply after the crash did not end", point)
			}
		}
	}
}
