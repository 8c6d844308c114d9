package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const oneSecret = `secret "a" {
  generate { length = 40 }
}
`

func project(t *testing.T, config string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "main.stowage.hcl"), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

func applied(t *testing.T, dir string) bool {
	t.Helper()
	_, err := os.Stat(filepath.Join(dir, "stowage.state.json"))
	return err == nil
}

// TestOnlyYesApproves answers the question of an apply in several ways.
func TestOnlyYesApproves(t *testing.T) {
	for _, tc := range []struct {
		answer string
		code   int
	}{
		{"yes\n", 0}, {"y\n", 1}, {"Yes\n", 1}, {"\n", 1}, {"yes please\n", 1}, {"\x04", 1}, {"\x03", 130},
	} {
		t.Run(strings.TrimSpace(tc.answer), func(t *testing.T) {
			dir := project(t, oneSecret)
			s := onTerminal(t, dir, nil, "apply")
			s.expect("Only 'yes' will be accepted")
			s.expect("Enter a value:")
			s.types(tc.answer)
			s.ends(tc.code)
			if applied(t, dir) != (tc.code == 0) {
				t.Errorf("a state exists: %v\n%s", applied(t, dir), s.text())
			}
		})
	}
}

// TestOnlyTheNameApproves answers the question of an apply, and of an edit of the
// state, in a protected context.
func TestOnlyTheNameApproves(t *testing.T) {
	for _, tc := range []struct {
		answer string
		code   int
	}{
		{"prod\n", 0}, {"yes\n", 1}, {"Prod\n", 1}, {"pro\n", 1}, {"\n", 1}, {"\x04", 1}, {"\x03", 130},
	} {
		t.Run(strings.TrimSpace(tc.answer), func(t *testing.T) {
			dir := project(t, "context \"prod\" { protected = true }\n"+oneSecret)
			file := filepath.Join(dir, "stowage.prod.state.json")
			s := onTerminal(t, dir, nil, "apply")
			s.expect("Do you want to perform these actions in the protected context prod?")
			s.expect("Only 'prod' will be accepted to approve.")
			s.expect("Enter a value:")
			s.types(tc.answer)
			s.ends(tc.code)
			if _, err := os.Stat(file); (err == nil) != (tc.code == 0) {
				t.Errorf("a state exists: %v\n%s", err == nil, s.text())
			}
			if tc.code != 0 {
				return
			}
			before, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, answer := range []string{"yes\n", "prod\n"} {
				s := onTerminal(t, dir, nil, "state", "rm", "secret.a")
				s.expect("\"stowage state rm\" in the protected context prod?")
				s.expect("Enter a value:")
				s.types(answer)
				s.ends(map[string]int{"yes\n": 1, "prod\n": 0}[answer])
				now, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				if bytes.Equal(before, now) != (answer == "yes\n") {
					t.Errorf("%q: the state was changed: %v", answer, !bytes.Equal(before, now))
				}
			}
		})
	}
}

// TestOnlyTheNameMovesTheState answers the question of init -migrate-state in a
// protected context: only the context's name moves the state, and with anything else
// it stays where it is, whole.
func TestOnlyTheNameMovesTheState(t *testing.T) {
	const plain = "context \"prod\" { protected = true }\n" + oneSecret
	const moved = "stowage {\n  backend \"local\" { path = \"moved/${context.name}.json\" }\n}\n" + plain
	for _, tc := range []struct {
		answer string
		code   int
	}{
		{"yes\n", 1}, {"Prod\n", 1}, {"\n", 1}, {"\x04", 1}, {"prod\n", 0},
		{"\x03", -1}, // nothing is under way yet: the signal ends it
	} {
		t.Run(strings.TrimSpace(tc.answer), func(t *testing.T) {
			dir := project(t, plain)
			from, to := filepath.Join(dir, "stowage.prod.state.json"), filepath.Join(dir, "moved", "prod.json")
			s := onTerminal(t, dir, nil, "apply")
			s.expect("Enter a value:")
			s.types("prod\n")
			s.ends(0)
			before, err := os.ReadFile(from)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "main.stowage.hcl"), []byte(moved), 0o644); err != nil {
				t.Fatal(err)
			}
			s = onTerminal(t, dir, nil, "init", "-migrate-state")
			s.expect("\"stowage init -migrate-state\" in the protected context prod?")
			s.expect("Only 'prod' will be accepted to approve.")
			s.expect("Enter a value:")
			s.types(tc.answer)
			s.ends(tc.code)
			after, err := os.ReadFile(from)
			if err != nil {
				t.Fatal(err)
			}
			_, err = os.Stat(to)
			if tc.code != 0 {
				if err == nil || !bytes.Equal(before, after) {
					t.Errorf("it was moved: %v\n%s", err, s.text())
				}
				s = onTerminal(t, dir, nil, "plan")
				s.expect("The backend has changed")
				s.ends(1)
				return
			}
			if err != nil || bytes.Equal(before, after) {
				t.Errorf("it was not moved: %v\n%s", err, s.text())
			}
			s = onTerminal(t, dir, nil, "plan")
			s.expect("No changes.")
			s.ends(0)
		})
	}
}

// TestSecretOfAContext asks for a value that is not echoed.
func TestSecretOfAContext(t *testing.T) {
	dir := project(t, "context \"prod\" {}\n")
	s := onTerminal(t, dir, nil, "context", "set", "prod", "TOKEN")
	s.expect("TOKEN in the context prod: ")
	s.hidden()
	s.types("planted\n")
	s.expect("Kept TOKEN for the context prod")
	s.ends(0)
	if strings.Contains(s.text(), "planted") {
		t.Errorf("the value is shown:\n%s", s.text())
	}
	kept, err := os.ReadFile(filepath.Join(dir, "stowage", "contexts.json"))
	if err != nil || !strings.Contains(string(kept), "\"TOKEN\": \"planted\"") {
		t.Errorf("%v\n%s", err, kept)
	}
}

// TestTerminal shows an apply to a person: colours, one line per operation, the
// cursor given back at the end.
func TestTerminal(t *testing.T) {
	dir := project(t, oneSecret)
	s := onTerminal(t, dir, nil, "apply", "-auto-approve")
	s.ends(0)
	text := s.text()
	if plain := strings.ReplaceAll(text, "\r\n", "\n"); strings.Contains(plain, "\n\n\n") {
		t.Errorf("there are two empty lines in a row:\n%q", text)
	}
	for _, want := range []string{"\x1b[32m+\x1b[0m", "Apply complete! Resources: 1 added, 0 changed, 0 destroyed.", "Creation complete after 0s"} {
		if !strings.Contains(text, want) {
			t.Errorf("the terminal does not show %q:\n%q", want, text)
		}
	}
	if strings.LastIndex(text, "\x1b[?25h") < strings.LastIndex(text, "\x1b[?25l") {
		t.Errorf("the cursor stays hidden:\n%q", text)
	}
}

// TestNoColor keeps colours away by either way of saying so.
func TestNoColor(t *testing.T) {
	for name, how := range map[string]struct{ env, args []string }{
		"variable":    {[]string{"NO_COLOR=1"}, []string{"plan"}},
		"flag":        {nil, []string{"plan", "-no-color"}},
		"global flag": {nil, []string{"-no-color", "plan"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := onTerminal(t, project(t, oneSecret), how.env, how.args...)
			s.ends(0)
			if strings.Contains(s.text(), "\x1b[3") || strings.Contains(s.text(), "\x1b[1m") {
				t.Errorf("there are colours:\n%q", s.text())
			}
		})
	}
}

// TestNoInput asks nothing where questions are turned off, by either way of saying so.
func TestNoInput(t *testing.T) {
	for name, how := range map[string]struct{ env, args []string }{
		"variable": {[]string{"STOWAGE_INPUT=0"}, []string{"apply"}},
		"flag":     {nil, []string{"apply", "-input=false"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := project(t, oneSecret)
			s := onTerminal(t, dir, how.env, how.args...)
			s.ends(1)
			if text := s.text(); !strings.Contains(text, "Nobody to approve") || strings.Contains(text, "Enter a value") || applied(t, dir) {
				t.Error(text)
			}
		})
	}
}

// TestInterruptedPlan ends a plan that waits for something, changes nothing and gives the cursor back.
func TestInterruptedPlan(t *testing.T) {
	dir := project(t, `secret "slow" {
  command = ["sh", "-c", "echo > started; exec sleep 300"]
}
`)
	s := onTerminal(t, dir, nil, "plan")
	appears(t, filepath.Join(dir, "started"))
	s.cmd.Process.Signal(os.Interrupt)
	s.expect("nothing has been changed")
	s.ends(130)
	if text := s.text(); strings.LastIndex(text, "\x1b[?25h") < strings.LastIndex(text, "\x1b[?25l") {
		t.Errorf("the cursor stays hidden:\n%q", text)
	}
}

// TestInterruptedApply interrupts an apply while it waits for a host that does
// not answer: the first interrupt lets the running step end, the second does not
// wait for it. Nothing else begins, and the state can be used by the next command.
func TestInterruptedApply(t *testing.T) {
	once := func(_ *session, host *silent) { host.hangUp() }
	twice := func(s *session, _ *silent) { s.cmd.Process.Signal(os.Interrupt) }
	const begun, left = "node.silent: Creating…", `"unfinished":{"interrupted":true,"done":0,"failed":["create node.silent"],"not_begun":["create config.after"]}`
	for name, tc := range map[string]struct {
		args  []string
		begun string
		end   func(*session, *silent)
		code  int
		says  string
	}{
		"once":          {nil, begun, once, 1, "Apply interrupted: 0 steps done, 1 failed, 1 not begun."},
		"twice":         {nil, begun, twice, 130, "Stopping at once."},
		"once as JSON":  {[]string{"-json"}, "apply_start", once, 1, left},
		"twice as JSON": {[]string{"-json"}, "apply_start", twice, 130, left},
	} {
		t.Run(name, func(t *testing.T) {
			host := silentHost(t)
			dir := project(t, fmt.Sprintf(silentNode, host.listener.Addr().(*net.TCPAddr).Port))
			s := onTerminal(t, dir, nil, append([]string{"apply", "-auto-approve", "-refresh=false"}, tc.args...)...)
			s.expect(tc.begun)
			s.cmd.Process.Signal(os.Interrupt)
			s.expect("the steps that run finish")
			tc.end(s, host)
			s.expect(tc.says)
			s.ends(tc.code)
			if text := s.text(); strings.LastIndex(text, "\x1b[?25h") < strings.LastIndex(text, "\x1b[?25l") {
				t.Errorf("the cursor stays hidden:\n%q", text)
			}
			next := onTerminal(t, dir, nil, "state", "list")
			next.ends(0)
			if strings.Contains(next.text(), "config.after") {
				t.Errorf("a step began after the interrupt:\n%s", next.text())
			}
		})
	}
}

const silentNode = `node "silent" {
  address = "127.0.0.1"
  ssh {
    port       = %d
    accept_new = true
  }
}

config "after" {
  files = { "a" = "b" }
}
`

// silent is a host that accepts connections and never says a word.
type silent struct {
	listener net.Listener
	gone     chan struct{}
}

func silentHost(t *testing.T) *silent {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &silent{l, make(chan struct{})}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				<-h.gone
				c.Close()
			}()
		}
	}()
	t.Cleanup(h.hangUp)
	return h
}

// hangUp ends all connections, and accepts no more. It may be called again.
func (h *silent) hangUp() {
	h.listener.Close()
	select {
	case <-h.gone:
	default:
		close(h.gone)
	}
}
