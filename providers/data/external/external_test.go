package external_test

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/providers"
	"github.com/stowage-iac/stowage/providers/data/datatest"
	"github.com/stowage-iac/stowage/providers/data/external"
)

// script runs a shell script; the source itself uses no shell.
func script(text string) datatest.Args {
	return datatest.Args{"program": datatest.Strs("sh", "-c", text)}
}

func TestProtocol(t *testing.T) {
	r := datatest.Reader{Source: external.Source{}, Dir: t.TempDir()}
	args := script(`read -r q; printf '{"q": %s, "dir": "%s"}' "$(printf %s "$q" | sed 's/"/\\"/g;s/.*/"&"/')" "$(pwd -P)"`)
	args["query"] = cty.MapVal(map[string]cty.Value{"b": datatest.Str("2"), "a": datatest.Str("1")})
	v := r.Must(t, args)
	result := providers.StrMap(v, "result")
	dir, _ := filepath.EvalSymlinks(r.Dir)
	if result["q"] != `{"a":"1","b":"2"}` || result["dir"] != dir || lang.IsSensitive(v) {
		t.Errorf("%#v", result)
	}
	// Without a query the program is given an empty object, and need not read it.
	if got := providers.StrMap(r.Must(t, script(`echo '{"got": "'$(cat)'"}'`)), "result")["got"]; got != "{}" {
		t.Errorf("%q", got)
	}
	if v := r.Must(t, script(`echo '{}'`)); v.GetAttr("result").LengthInt() != 0 {
		t.Errorf("%#v", v)
	}
}

func TestProgramsPath(t *testing.T) {
	r := datatest.Reader{Source: external.Source{}, Dir: t.TempDir()}
	if err := os.Mkdir(filepath.Join(r.Dir, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(r.Dir, "bin", "hosts"), []byte("#!/bin/sh\necho '{\"a\": \"1\"}'\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	r.Must(t, datatest.Args{"program": datatest.Strs("./bin/hosts")})
	r.Must(t, datatest.Args{"program": datatest.Strs("./hosts"), "working_dir": datatest.Str("bin")})
	r.Refused(t, datatest.Args{"program": datatest.Strs("./hosts")}, `"./hosts"`, "no such file")
	r.Refused(t, datatest.Args{"program": datatest.Strs("stowage-test-no-such-program")}, "no such program in PATH")
	r.Refused(t, datatest.Args{"program": datatest.Strs("true"), "working_dir": datatest.Str("none")}, "cannot be run", "no such file")
}

func TestRefused(t *testing.T) {
	r := datatest.Reader{Source: external.Source{}, Dir: t.TempDir()}
	r.Refused(t, script(`echo "the token is gone." >&2; exit 3`), `"sh"`, "exited with code 3", "the token is gone")
	r.Refused(t, script(`kill -TERM $$`), "ended by the signal")
	r.Refused(t, script(`true`), "it wrote nothing")
	r.Refused(t, script(`echo hello`), "does not begin with one")
	r.Refused(t, script(`echo '["a"]'`), "does not begin with one")
	r.Refused(t, script(`echo '{"a": 1}'`), `the value of "a" is a number`, "quotes")
	r.Refused(t, script(`echo '{"a": true}'`), "a bool")
	r.Refused(t, script(`echo '{"a": null}'`), "null")
	r.Refused(t, script(`echo '{"a": {}}'`), "jsondecode")
	r.Refused(t, script(`echo '{"a": "b"'`), "ends within the object")
	r.Refused(t, script(`echo '{"a": "b"} {}'`), "something follows")
	r.Refused(t, script(`echo '{"a": "1", "a": "2"}'`), `two values named "a"`)
	r.Refused(t, script(`printf '{"a": "\377"}'`), "not UTF-8")
	r.Refused(t, script(`yes`), "more than 10 MiB")
}

// TestEnded: a program that hangs is ended, with all that it started.
func TestEnded(t *testing.T) {
	r := datatest.Reader{Source: external.Source{}, Dir: t.TempDir()}
	args := script(`sleep 1000 & echo $! > child; wait`)
	args["timeout"] = datatest.Str("300ms")
	r.Refused(t, args, "longer than 300ms")
	b, err := os.ReadFile(filepath.Join(r.Dir, "child"))
	if err != nil {
		t.Fatal(err)
	}
	gone(t, strings.TrimSpace(string(b)))
}

// TestInterrupted: an interrupt ends it at once.
func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	r := datatest.Reader{Source: external.Source{}, Dir: t.TempDir(), Context: ctx}
	watch, err := fsnotify.NewWatcher()
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Close()
	if err := watch.Add(r.Dir); err != nil {
		t.Fatal(err)
	}
	go func() {
		<-watch.Events
		cancel()
	}()
	r.Refused(t, script(`sleep 1000 & echo $! > .child; mv .child child; wait`), "interrupted")
	if b, err := os.ReadFile(filepath.Join(r.Dir, "child")); err == nil {
		gone(t, strings.TrimSpace(string(b)))
	}
}

// TestLeftBehind: what a program leaves behind with its output does not hold the run.
func TestLeftBehind(t *testing.T) {
	r := datatest.Reader{Source: external.Source{}, Dir: t.TempDir()}
	r.Refused(t, script(`sleep 1000 & echo $! > child; echo '{}'`), "something that it started goes on")
	b, err := os.ReadFile(filepath.Join(r.Dir, "child"))
	if err != nil {
		t.Fatal(err)
	}
	gone(t, strings.TrimSpace(string(b)))
}

// gone waits until a process has ended: it was sent KILL, whose effect may take a moment.
func gone(t *testing.T, pid string) {
	t.Helper()
	n, err := strconv.Atoi(pid)
	if err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(20 * time.Second)
	for time.Now().Before(deadline) {
		stat, err := os.ReadFile("/proc/" + pid + "/stat")
		if err != nil || strings.Contains(string(stat), ") Z ") || syscall.Kill(n, 0) != nil {
			return
		}
	}
	t.Errorf("process %s still runs", pid)
}

// TestSensitive: neither the answer nor what the program said is shown.
func TestSensitive(t *testing.T) {
	r := datatest.Reader{Source: external.Source{}, Dir: t.TempDir()}
	args := script(`echo '{"a": "1"}'`)
	args["sensitive"] = cty.True
	if !lang.IsSensitive(r.Must(t, args).GetAttr("result")) {
		t.Error("the result is not sensitive")
	}
	args = script(`cat >&2; exit 1`)
	args["query"] = cty.MapVal(map[string]cty.Value{"password": datatest.Str("planted").WithMarks(lang.Sensitive)})
	_, diags := r.Read(args)
	if !diags.HasErrors() || strings.Contains(diags[0].Detail, "planted") || !strings.Contains(diags[0].Detail, "not shown") {
		t.Error(diags)
	}
}

func TestArguments(t *testing.T) {
	attrs := external.Source{}.Schema().Attributes
	if attrs["program"].Validate(cty.ListValEmpty(cty.String)) == nil || attrs["program"].Validate(datatest.Strs("")) == nil {
		t.Error("no program is accepted")
	}
	for _, s := range []string{"", "5", "-1s", "soon"} {
		if attrs["timeout"].Validate(datatest.Str(s)) == nil {
			t.Errorf("the timeout %q is accepted", s)
		}
	}
}
