package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// Timeout bounds everything that is done with one repository.
const Timeout = 5 * time.Minute

// git runs the git of this machine. It never asks anything: what it needs comes
// from credential helpers, keys and agents.
type git struct {
	dir string // the bare repository, or ""
	url string // for messages
}

// environment keeps git from asking, from running what a repository says, and from
// protocols that run commands.
func environment() []string {
	env := append(os.Environ(),
		"GIT_TERMINAL_PROMPT=0", "GIT_ASKPASS=", "SSH_ASKPASS=", "SSH_ASKPASS_REQUIRE=never", "GCM_INTERACTIVE=never",
		"GIT_ALLOW_PROTOCOL=file:git:http:https:ssh", "LC_ALL=C",
		"GIT_OPTIONAL_LOCKS=0", "GIT_NO_LAZY_FETCH=1")
	if os.Getenv("GIT_SSH_COMMAND") == "" && os.Getenv("GIT_SSH") == "" {
		env = append(env, "GIT_SSH_COMMAND=ssh -o BatchMode=yes -o ConnectTimeout=20")
	}
	kept := env[:0]
	for _, e := range env {
		switch name, _, _ := strings.Cut(e, "="); name {
		case "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_NAMESPACE":
			// of the repository that the configuration may be in: a hook has them set
		default:
			kept = append(kept, e)
		}
	}
	return kept
}

func (g git) command(ctx context.Context, args ...string) (*exec.Cmd, error) {
	bin, err := exec.LookPath("git")
	if err != nil {
		return nil, errors.New("git is needed to fetch modules, and this machine has none in its PATH: install it")
	}
	fixed := []string{"-c", "core.hooksPath=/dev/null", "-c", "http.lowSpeedLimit=1000", "-c", "http.lowSpeedTime=30", "-c", "gc.auto=0"}
	if g.dir != "" {
		fixed = append(fixed, "--git-dir="+g.dir)
	}
	cmd := exec.CommandContext(ctx, bin, append(fixed, args...)...)
	cmd.Env = environment()
	// Without a terminal there is nothing to ask at, and what git starts ends with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	return cmd, nil
}

// run returns what git writes; its errors are git's own words.
func (g git) run(ctx context.Context, args ...string) ([]byte, error) {
	cmd, err := g.command(ctx, args...)
	if err != nil {
		return nil, err
	}
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &limited{max: 64 << 10, b: &said}
	if err := cmd.Run(); err != nil {
		return nil, g.problem(ctx, err, said.String())
	}
	return out.Bytes(), nil
}

func (g git) problem(ctx context.Context, err error, said string) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", g.url, context.Cause(ctx))
	}
	var lines []string
	for line := range strings.Lines(said) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "hint:") && !strings.HasPrefix(line, "warning:") {
			lines = append(lines, strings.TrimPrefix(strings.TrimPrefix(line, "fatal: "), "error: "))
		}
	}
	text := strings.Join(lines[max(0, len(lines)-4):], "; ")
	if text == "" {
		text = err.Error()
	}
	advice := ""
	switch {
	case strings.Contains(text, "terminal prompts disabled"), strings.Contains(text, "could not read Username"), strings.Contains(text, "Authentication failed"):
		advice = ". It needs a login: set up a credential helper of git for it, or use git::ssh://"
	case strings.Contains(text, "Permission denied"), strings.Contains(text, "Host key verification failed"):
		advice = ". The same must work without a question: git ls-remote " + g.url
	}
	return fmt.Errorf("git: %s%s", strings.TrimSuffix(text, "."), advice)
}

// limited keeps the beginning of what is written.
type limited struct {
	max int
	b   *bytes.Buffer
}

func (l *limited) Write(p []byte) (int, error) {
	if room := l.max - l.b.Len(); room > 0 {
		l.b.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}
