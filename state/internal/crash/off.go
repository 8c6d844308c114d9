//go:build !crashtest

// Package crash ends the process between two writes of a journal, to prove that
// nothing is lost then. Without the build tag crashtest it is empty.
package crash

// Written is called when so many journal records are written but not flushed.
func Written(int) {}

// Flushed is called when so many journal records are on disk but not acknowledged.
func Flushed(int) {}
