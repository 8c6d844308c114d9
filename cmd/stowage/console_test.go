package main

import (
	"strings"
	"testing"
)

// TestConsole is a person at the console: the line before comes back with the up
// key, the tab key completes, an open bracket continues on the next line.
func TestConsole(t *testing.T) {
	dir := project(t, "variable \"replicas\" { default = 2 }\nvariable \"region\" { default = \"eu\" }\n")
	s := onTerminal(t, dir, nil, "console")
	s.expect("> ")
	s.types("var.repl\t + 40\r")
	s.expect("42")
	s.types("\x1b[A + 1\r") // up
	s.expect("43")
	s.types("[var.replicas,\r")
	s.types("7]\r")
	s.expect("  7,\r\n]")
	s.types("var.re\t\t")
	s.expect("var.region  var.replicas")
	s.types("\x7f\x7f\x7f\x7f\x7f\x7fvar.rgion\r")
	s.expect("Did you mean var.region?")
	s.types("exit\r")
	s.ends(0)
	if strings.Contains(s.text(), "panic") {
		t.Error(s.text())
	}
}

// TestConsoleEnds with ctrl-D as well.
func TestConsoleEnds(t *testing.T) {
	s := onTerminal(t, t.TempDir(), nil, "console")
	s.expect("> ")
	s.types("\x04")
	s.ends(0)
}
