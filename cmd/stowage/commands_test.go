package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/stowage-iac/stowage/state"
	"github.com/stowage-iac/stowage/state/local"
)

// commands are those of the stories beside testscript's own.
var commands = map[string]func(*testscript.TestScript, bool, []string){
	"code": code, "spoil": spoil, "cutoff": cutoff,
}

// code N COMMAND… runs a command and demands the exit code N. Its output is
// that of the story's stdout and stderr.
func code(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N COMMAND…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// spoil damaged|newer FILE flips a byte in the middle of a state, or makes it one of format 99.
func spoil(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: spoil damaged|newer FILE")
	}
	content := []byte(ts.ReadFile(args[1]))
	switch args[0] {
	case "damaged":
		content[len(content)/2] ^= 1
	case "newer":
		was := []byte(`"format_version":1,`)
		if !bytes.Contains(content, was) {
			ts.Fatalf("%s has no %s", args[1], was)
		}
		content = bytes.Replace(content, was, []byte(`"format_version":99,`), 1)
	default:
		ts.Fatalf("unknown damage %q", args[0])
	}
	write(ts, args[1], content)
}

// cutoff FILE ADDRESS leaves the state as an apply does that is killed while it
// creates ADDRESS.
func cutoff(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: cutoff FILE ADDRESS")
	}
	ctx := context.Background()
	keys := state.NewKeyring(state.KeyOptions{Getenv: ts.Getenv})
	store := state.NewStore(local.New(ts.MkAbs(args[0])), state.Options{Keys: keys, Version: "0.1.0"})
	locked, err := store.Lock(ctx, "apply", time.Second)
	ts.Check(err)
	defer locked.Unlock()
	loaded, err := locked.Load(ctx)
	ts.Check(err)
	j, err := locked.Begin(ctx, loaded, state.Operation{Name: "apply", Plan: "x"})
	ts.Check(err)
	ts.Check(j.Begin(args[1], "create"))
	ts.Check(j.Leave())
}

func write(ts *testscript.TestScript, file string, content []byte) {
	ts.Check(os.WriteFile(ts.MkAbs(file), content, 0o600))
}
