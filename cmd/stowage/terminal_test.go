package main

import (
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
		{"yes\n", 0}, {"y\n", 1}, {"Yes\n", 1}, {"\n", 1}, {"yes please\n", 1}, {"\x04", 1}, {"\x03", 1},
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

// TestTerminal shows an apply to a person: colours, one line per operation, the
// cursor given back at the end.
func TestTerminal(t *testing.T) {
	dir := project(t, oneSecret)
	s := onTerminal(t, dir, nil, "apply", "-auto-approve")
	s.ends(0)
	text := s.text()
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

// TestInterruptedPlan ends a plan that waits for something, changes nothing and gives the cursor back.
func TestInterruptedPlan(t *testing.T) {
	dir := project(t, `secret "slow" {
  command = ["sh", "-c", "echo > started; exec cat never"]
}
`)
	mkfifo(t, filepath.Join(dir, "started"))
	mkfifo(t, filepath.Join(dir, "never"))
	s := onTerminal(t, dir, nil, "plan")
	if _, err := os.ReadFile(filepath.Join(dir, "started")); err != nil {
		t.Fatal(err)
	}
	s.cmd.Process.Signal(os.Interrupt)
	s.expect("nothing has been changed")
	s.ends(130)
	if text := s.text(); strings.LastIndex(text, "\x1b[?25h") < strings.LastIndex(text, "\x1b[?25l") {
		t.Errorf("the cursor stays hidden:\n%q", text)
	}
}
