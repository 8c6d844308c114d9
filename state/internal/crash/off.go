//go:build !crashtest

// Package crash ends the process between two steps of a backend, to prove that
// nothing is lost then. Without the build tag crashtest it is empty.
package crash

// Point stands before and after everything that a backend changes outside of the process.
func Point() {}

// Written is called when so many journal records are written but not flushed.
func Written(int) {}

// Flushed is called when so many journal records are on disk but not acknowledged.
func Flushed(int) {}
