package sealedexec

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func write(t testing.TB, p Program) string {
	b, err := Executable(p)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "run")
	if err := os.WriteFile(path, b, 0o500); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestBecomesTheCommandWithItsEnvironment(t *testing.T) {
	long := strings.Repeat("x", 100_000)
	path := write(t, Program{
		Args: []string{"sh", "-c", `echo "$0 $1 $TOKEN ${#LONG} $PLAIN"`, "zero", "one two"},
		Env:  []string{"PATH=/nowhere:/bin", "TOKEN=s3cr3t=1", "LONG=" + long},
	})
	c := exec.Command(path, "ignored")
	c.Env = []string{"PLAIN=must not be inherited"}
	out, err := c.CombinedOutput()
	if got, want := string(out), "zero one two s3cr3t=1 100000 \n"; err != nil || got != want {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
}

func TestCommandNotFound(t *testing.T) {
	c := exec.Command(write(t, Program{Args: []string{"no-such-command"}, Env: []string{"PATH=/bin"}}))
	out, err := c.CombinedOutput()
	if c.ProcessState.ExitCode() != 127 || !strings.Contains(string(out), `cannot run "no-such-command"`) {
		t.Errorf("got %q, %v", out, err)
	}
}

func TestZeroByteIsRefused(t *testing.T) {
	if _, err := Executable(Program{Args: []string{"a"}, Env: []string{"A=\x00"}}); err == nil {
		t.Error("a value that would be cut off was accepted")
	}
}

// The extra exec beside the command alone.
func BenchmarkExec(b *testing.B) {
	for name, path := range map[string]string{"direct": "/bin/true", "sealed": write(b, Program{Args: []string{"/bin/true"}})} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if err := exec.Command(path).Run(); err != nil {
					b.Fatal(fmt.Errorf("%s: %w", path, err))
				}
			}
		})
	}
}
