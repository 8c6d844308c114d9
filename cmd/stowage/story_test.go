package main

import (
	"flag"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

var update = flag.Bool("update", false, "write the expected outputs of the stories anew")

// TestMain makes this test binary the command stowage of the stories.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"stowage": main, "measured": measured})
}

// TestStories runs testdata/script/*.txtar: each is a session at a shell, with
// its files below. They need no host; those that do are in test/e2e.
func TestStories(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("HOME", e.WorkDir+"/home")
			e.Setenv("XDG_CONFIG_HOME", e.WorkDir+"/home/.config")
			e.Setenv("USER", "ann")
			return os.MkdirAll(e.WorkDir+"/home", 0o700)
		},
		Cmds: commands,
	})
}
