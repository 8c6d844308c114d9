package e2e_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stowage-iac/stowage/test/hosts"
)

// many adds to small what makes twenty resources together.
const many = `
config "c" {
  count = 8
  files = { "f" = "${count.index} ${var.greeting}" }
}

pod "p" {
  count = 8
  container "sleep" {
    image = image.web
    args  = ["sh", "-c", "exec sleep 100000"]
    mount "/c" { config = config.c[count.index] }
  }
  stop_grace = "0s"
}
`

// world is what there is on the host: containers by label, with their count, and
// the objects of the state. Two equal worlds are the same to a user.
func world(t *testing.T, p *project, h *hosts.Host) string {
	t.Helper()
	out, err := h.Run(t.Context(), `ctr -n stowage containers ls -q | while read -r c; do
		ctr -n stowage containers info "$c" | grep -o '"stowage.\(pod\|slot\|revision\|container\)": "[^"]*"' | tr '\n' ' '; echo; done | sort; ctr -n stowage tasks ls | tail -n +2 | grep -c RUNNING`)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	list := strings.Split(strings.TrimSpace(p.must("state", "list").stdout), "\n")
	sort.Strings(list)
	return out + strings.Join(list, "\n")
}

// TestKilledAtEveryStep kills an apply of twenty resources with SIGKILL after each
// record of its journal. A second apply must end in the same world, with nothing
// orphaned, and the command in between must say what happened.
func TestKilledAtEveryStep(t *testing.T) {
	lab := hosts.Start(t, hosts.Options{N: 1, Variant: hosts.Ready})
	h := lab.Hosts[0]
	p := newProject(t, map[string]string{
		"main.stowage.hcl": small, "more.stowage.hcl": many, "stowage.vars.hcl": smallVars(lab, h),
	})
	p.must("apply", "-auto-approve")
	if n := len(strings.Fields(p.must("state", "list").stdout)); n != 20 {
		t.Fatalf("%d resources instead of 20", n)
	}
	want := world(t, p, h)
	p.empty()

	// Down to the node and back up, cut off at record n. Each apply is killed a
	// record later than the one before, until one gets through.
	for n := 1; ; n++ {
		if n > 200 {
			t.Fatal("the journal has no end")
		}
		p.write("more.stowage.hcl", "")
		p.must("apply", "-auto-approve")
		p.write("more.stowage.hcl", many)
		killed := crash(t, p, n)
		if !killed {
			if n < 30 {
				t.Fatalf("the journal of 16 changes has only %d records", n)
			}
			t.Logf("killed at each of %d records", n-1)
			break
		}
		if plan := p.run("plan"); plan.code != 0 || !strings.Contains(unwrap(plan.stdout+plan.stderr), "did not end") {
			t.Errorf("record %d: the next plan does not tell of the interrupted apply:\n%s", n, plan)
		}
		p.must("apply", "-auto-approve")
		if got := world(t, p, h); got != want {
			t.Fatalf("record %d: another world:\n%s", n, difference(want, got))
		}
		p.empty()
	}
}

// crash applies with the hook that kills the process after record n. It reports
// whether the process was killed.
func crash(t *testing.T, p *project, n int) bool {
	t.Helper()
	_, killed := p.killedAt("STOWAGE_CRASH_AT", n)
	return killed
}

// killedAt applies with a hook that kills the process at its n-th chance. It returns the
// process, and whether it was killed.
func (p *project) killedAt(hook string, n int) (pid int, killed bool) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), 2*time.Minute)
	defer cancel()
	p.bin = binaries.crashing
	cmd := p.command(ctx, "apply", "-auto-approve")
	p.bin = binaries.stowage
	cmd.Env = append(cmd.Env, hook+"="+strconv.Itoa(n))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if err == nil {
		return cmd.Process.Pid, false
	}
	status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !isExit(err) || !ok || !status.Signaled() || status.Signal() != syscall.SIGKILL {
		p.t.Fatalf("%s=%d: %v\n%s", hook, n, err, out.String())
	}
	return cmd.Process.Pid, true
}

// TestInterrupted sends SIGINT while pods start: what runs is finished and
// recorded, nothing more begins, and the next apply does the rest.
func TestInterrupted(t *testing.T) {
	p, _ := onOneHost(t, "")
	p.write("more.stowage.hcl", many)
	cmd := p.command(t.Context(), "apply", "-auto-approve", "-parallelism=1")
	var out lockedBuffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, time.Minute, "a pod was made", func() error {
		if !strings.Contains(out.String(), "Creation complete") {
			return fmt.Errorf("%s", out.String())
		}
		return nil
	})
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Errorf("an interrupted apply ends with 0:\n%s", out.String())
	}
	done := strings.Count(out.String(), "Creation complete")
	listed := len(strings.Fields(p.must("state", "list").stdout))
	if listed != 4+done || done == 16 {
		t.Errorf("%d resources in the state, %d were created of 16:\n%s", listed, done, out.String())
	}
	if _, err := os.Stat(filepath.Join(p.dir, "stowage.state.json.journal")); err == nil {
		t.Error("a clean stop leaves a journal")
	}
	if plan := p.must("plan").stdout; !strings.Contains(plan, "did not end. This plan continues") || !strings.Contains(plan, "under way: nothing") {
		t.Errorf("the next plan does not tell of the interrupted apply:\n%s", plan)
	}
	p.must("apply", "-auto-approve")
	p.empty()
	if plan := p.must("plan").stdout; strings.Contains(plan, "did not end") {
		t.Errorf("an apply that has ended is told of:\n%s", plan)
	}
}
