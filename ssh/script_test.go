package ssh

import (
	"os/exec"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Whatever a word contains, a shell takes it back as it was.
func TestQuote(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := strings.ReplaceAll(rapid.String().Draw(t, "word"), "\x00", "")
		out, err := exec.Command("sh", "-c", "printf %s "+Quote(word)).Output()
		if err != nil || string(out) != word {
			t.Fatalf("%q came back as %q (%v); quoted %s", word, out, err, Quote(word))
		}
	})
}

// The script that kills must not find itself.
func TestKillScriptSparesOthers(t *testing.T) {
	token := newToken()
	if script := killScript(token); strings.Contains(script, runVariable+"="+token) {
		t.Errorf("it contains what it looks for: %s", script)
	}
	if out, err := exec.Command("sh", "-c", killScript(token)).CombinedOutput(); err != nil {
		t.Errorf("with nothing to kill: %v: %s", err, out)
	}
}
