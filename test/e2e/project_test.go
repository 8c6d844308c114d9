package e2e_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stowage-iac/stowage/test/hosts"
)

// project is a directory of configuration and the user who works in it.
type project struct {
	t    *testing.T
	dir  string
	home string
	bin  string
	env  []string
}

// newProject makes a directory with files (name → content).
func newProject(t *testing.T, files map[string]string) *project {
	t.Helper()
	p := &project{t: t, dir: t.TempDir(), home: t.TempDir(), bin: binaries.stowage}
	for name, content := range files {
		p.write(name, content)
	}
	return p
}

func (p *project) write(name, content string) {
	p.t.Helper()
	path := filepath.Join(p.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		p.t.Fatal(err)
	}
}

// copyDir takes an example's files over.
func (p *project) copyDir(from string) {
	p.t.Helper()
	if err := os.CopyFS(p.dir, os.DirFS(filepath.Join(repository(), from))); err != nil {
		p.t.Fatal(err)
	}
}

// result is what a command printed and how it ended.
type result struct {
	args           []string
	stdout, stderr string
	code           int
}

func (r result) String() string {
	return fmt.Sprintf("$ stowage %s\n%s%s(exit %d)", strings.Join(r.args, " "), r.stdout, r.stderr, r.code)
}

func (p *project) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, p.bin, args...)
	cmd.Dir = p.dir
	cmd.Env = append([]string{
		"HOME=" + p.home, "PATH=" + os.Getenv("PATH"), "LANG=C.UTF-8", "STOWAGE_INPUT=0",
	}, p.env...)
	return cmd
}

// run runs a command to its end.
func (p *project) run(args ...string) result {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := p.command(ctx, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		p.t.Fatalf("stowage %v: %v", args, err)
	}
	return result{args, stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// must runs a command that has to succeed.
func (p *project) must(args ...string) result {
	p.t.Helper()
	r := p.run(args...)
	if r.code != 0 {
		p.t.Fatalf("%s", r)
	}
	return r
}

// refused runs a command that has to fail and to say all of the parts.
func (p *project) refused(args []string, parts ...string) result {
	p.t.Helper()
	r := p.run(args...)
	if r.code != 1 {
		p.t.Fatalf("it ended with %d instead of 1:\n%s", r.code, r)
	}
	for _, part := range parts {
		if !strings.Contains(unwrap(r.stderr), part) {
			p.t.Errorf("it does not say %q:\n%s", part, r)
		}
	}
	return r
}

// unwrap joins what the terminal's width wrapped.
func unwrap(s string) string {
	return strings.Join(strings.Fields(strings.NewReplacer("│", " ", "╷", " ", "╵", " ").Replace(s)), " ")
}

// empty demands that there is nothing to do.
func (p *project) empty(args ...string) {
	p.t.Helper()
	if r := p.run(append([]string{"plan", "-detailed-exitcode"}, args...)...); r.code != 0 {
		p.t.Fatalf("the plan is not empty:\n%s", r)
	}
}

// hostVars are the -var flags with which the example's variables reach a lab.
func hostVars(lab *hosts.Lab) string {
	names := []string{"a", "b", "c", "d", "e"}
	var list []string
	for i, h := range lab.Hosts {
		list = append(list, fmt.Sprintf("%s = %q", names[i], h.Addr))
	}
	return fmt.Sprintf("hosts = { %s }\nssh = { user = \"root\", private_key = %q, known_hosts = %q }\n",
		strings.Join(list, ", "), lab.Key, lab.KnownHosts)
}

// eventually waits for a condition, at most for d.
func eventually(t *testing.T, d time.Duration, what string, cond func() error) {
	t.Helper()
	deadline := time.Now().Add(d)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := cond()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s: %v", what, d, err)
		}
		<-tick.C
	}
}
