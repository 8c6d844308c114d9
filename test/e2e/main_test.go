// Package e2e_test tells whole stories with the real binaries on real hosts: what
// a user types, and what must then be true of the world.
package e2e_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// binaries are what TestMain built: the CLI, the same with the crash hook of the
// state's journal, and a later version; the agent is beside each.
var binaries struct{ stowage, crashing, later string }

const laterVersion = "99.0.0"

func TestMain(m *testing.M) {
	if os.Geteuid() != 0 {
		fmt.Fprintln(os.Stderr, "these tests boot hosts: run them as root")
		os.Exit(1)
	}
	dir, err := os.MkdirTemp("", "stowage-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := 1
	if err := build(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
	} else {
		code = m.Run()
	}
	os.RemoveAll(dir)
	os.Exit(code)
}

func build(dir string) error {
	binaries.stowage = filepath.Join(dir, "stowage")
	binaries.crashing = filepath.Join(dir, "stowage-crashing")
	binaries.later = filepath.Join(dir, "later", "stowage")
	agent, later := "stowaged-linux-"+runtime.GOARCH, "-s -w -X github.com/stowage-iac/stowage/api.StowageVersion="+laterVersion
	for _, b := range []struct{ out, pkg, tags, flags string }{
		{binaries.stowage, "./cmd/stowage", "", "-s -w"},
		{binaries.crashing, "./cmd/stowage", "crashtest", "-s -w"},
		{binaries.later, "./cmd/stowage", "", later},
		{filepath.Join(dir, agent), "./cmd/stowaged", "", "-s -w"},
		{filepath.Join(dir, "later", agent), "./cmd/stowaged", "", later},
	} {
		cmd := exec.Command("go", "build", "-trimpath", "-ldflags", b.flags, "-tags", b.tags, "-o", b.out, b.pkg)
		cmd.Dir = repository()
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("building %s: %w\n%s", b.pkg, err, out)
		}
	}
	return nil
}

// repository is the root of the checkout.
func repository() string {
	dir, err := os.Getwd()
	if err != nil {
		panic(err)
	}
	return strings.TrimSuffix(dir, filepath.FromSlash("/test/e2e"))
}
