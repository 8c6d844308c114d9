package main

import (
	"os"
	"path/filepath"
	"testing"
)

// TestInterruptedTest interrupts a test while one of its runs plans: the program that
// it waits for ends, no other run begins, and what was applied is destroyed.
func TestInterruptedTest(t *testing.T) {
	dir := project(t, `
variable "slow" { default = false }
secret "quick" { value = "1" }
secret "slow" {
  count   = var.slow ? 1 : 0
  command = ["sh", "-c", "echo > started; exec sleep 300"]
}
`)
	write := func(name, content string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("web.test.hcl", `
run "applied" {}
run "slow" {
  variables { slow = true }
}
run "never" {}
`)
	states := t.TempDir()
	s := onTerminal(t, dir, []string{"TMPDIR=" + states}, "test")
	appears(t, filepath.Join(dir, "started"))
	s.expect(`run "applied"...`)
	s.cmd.Process.Signal(os.Interrupt)
	s.expect("no other run begins, and what was applied is destroyed")
	s.expect("tearing down")
	s.ends(130)
	s.expect("1 passed, 0 failed, 2 skipped.")
	if left, err := os.ReadDir(states); err != nil || len(left) > 0 {
		t.Errorf("there is still %v, %v", left, err)
	}
}
