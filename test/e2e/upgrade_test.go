package e2e_test

import (
	"strings"
	"testing"
)

// TestUpgrade applies with a later version of stowage: the plan says that the agent
// changes, the apply replaces it, and the pod does not notice.
func TestUpgrade(t *testing.T) {
	p, h := onOneHost(t, "")
	server0 := pids(t, h, server)
	p.bin = binaries.later
	plan := p.run("plan", "-detailed-exitcode")
	if plan.code != 2 || !strings.Contains(plan.stdout, laterVersion) || !strings.Contains(plan.stdout, "0 to add, 1 to change, 0 to destroy") {
		t.Fatalf("the plan does not show the upgrade:\n%s", plan)
	}
	p.must("apply", "-auto-approve")
	if out, err := h.Run(t.Context(), "stowaged version"); err != nil || !strings.Contains(out, laterVersion) {
		t.Errorf("%q, %v", out, err)
	}
	if now := pids(t, h, server); now != server0 {
		t.Errorf("the container was restarted: %q, before %q", now, server0)
	}
	p.empty()
}
