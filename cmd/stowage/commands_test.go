package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/stowage-iac/stowage/state"
	"github.com/stowage-iac/stowage/state/local"
	"github.com/stowage-iac/stowage/test/schema"
)

// commands are those of the stories beside testscript's own.
var commands = map[string]func(*testscript.TestScript, bool, []string){
	"code": code, "spoil": spoil, "cutoff": cutoff, "running": running, "documented": documented,
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

// cutoff FILE ADDRESS [CONTEXT] leaves the state as an apply does that is killed while it
// creates ADDRESS.
func cutoff(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: cutoff FILE ADDRESS [CONTEXT]")
	}
	locked, j := begin(ts, args)
	defer locked.Unlock()
	ts.Check(j.Leave())
}

// running FILE ADDRESS [CONTEXT] is an apply that creates ADDRESS until the story ends.
func running(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: running FILE ADDRESS [CONTEXT]")
	}
	locked, j := begin(ts, args)
	ts.Defer(func() {
		j.Leave()
		locked.Unlock()
	})
}

// begin locks a state and begins an apply that creates an address, maybe in a context.
func begin(ts *testscript.TestScript, args []string) (*state.Locked, *state.Journal) {
	file, address := args[0], args[1]
	ctx := context.Background()
	keys := state.NewKeyring(state.KeyOptions{Getenv: ts.Getenv})
	store := state.NewStore(local.New(ts.MkAbs(file)), state.Options{Keys: keys, Version: "0.1.0", Context: strings.Join(args[2:], "")})
	locked, err := store.Lock(ctx, "apply", time.Second)
	ts.Check(err)
	loaded, err := locked.Load(ctx)
	ts.Check(err)
	j, err := locked.Begin(ctx, loaded, state.Operation{Name: "apply", Plan: "x"})
	ts.Check(err)
	ts.Check(j.Begin(address, "create"))
	return locked, j
}

func write(ts *testscript.TestScript, file string, content []byte) {
	ts.Check(os.WriteFile(ts.MkAbs(file), content, 0o600))
}

// documented NAME [TYPE…] holds the last standard output against
// docs/schema/NAME.schema.json: as one document, or the stream line by line,
// which then has a record of each TYPE.
func documented(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: documented NAME [TYPE…]")
	}
	s, err := schema.Open(args[0])
	ts.Check(err)
	out := []byte(ts.ReadFile("stdout"))
	if args[0] != "stream" {
		ts.Check(s.Check(out))
		return
	}
	types, err := s.Lines(out)
	ts.Check(err)
	for _, want := range args[1:] {
		if types[want] == 0 {
			ts.Fatalf("the stream has no record of the type %s", want)
		}
	}
}
