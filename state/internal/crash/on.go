//go:build crashtest

// Package crash ends the process between two steps of a backend, to prove that
// nothing is lost then. With STOWAGE_CRASH_POINT=N it is killed at the N-th call of
// Point, counted from 1. With STOWAGE_CRASH_AT=N it is killed right after the N-th
// record (headers included) of a journal is on disk, with
// STOWAGE_CRASH_WHEN=written right before it is flushed.
package crash

import (
	"os"
	"strconv"
	"sync/atomic"
	"syscall"
)

var (
	at, _            = strconv.ParseInt(os.Getenv("STOWAGE_CRASH_AT"), 10, 64)
	before           = os.Getenv("STOWAGE_CRASH_WHEN") == "written"
	written, flushed atomic.Int64

	point, _ = strconv.ParseInt(os.Getenv("STOWAGE_CRASH_POINT"), 10, 64)
	points   atomic.Int64
)

// Point stands before and after everything that a backend changes outside of the process.
func Point() {
	if n := points.Add(1); n == point {
		kill()
	}
}

// Written is called when so many journal records are written but not flushed.
func Written(records int) {
	if n := written.Add(int64(records)); before && at > 0 && n >= at {
		kill()
	}
}

// Flushed is called when so many journal records are on disk but not acknowledged.
func Flushed(records int) {
	if n := flushed.Add(int64(records)); !before && at > 0 && n >= at {
		kill()
	}
}

// kill does not return: SIGKILL runs nothing that could tidy up.
func kill() {
	syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}
