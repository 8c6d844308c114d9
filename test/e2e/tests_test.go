package e2e_test

import (
	"strings"
	"testing"

	"github.com/stowage-iac/stowage/test/hosts"
)

// TestTests runs "stowage test" with runs that really apply: what they assert is
// about replicas that run, a later plan looks at the host, and in the end the host
// is as it was.
func TestTests(t *testing.T) {
	lab := hosts.Start(t, hosts.Options{N: 1, Variant: hosts.Ready})
	h := lab.Hosts[0]
	p := newProject(t, map[string]string{
		"main.stowage.hcl": small + "output \"where\" { value = pod.web.nodes }\n", "stowage.vars.hcl": smallVars(lab, h),
		"tests/web.test.hcl": `
run "first" {
  assert {
    condition     = pod.web.nodes == tolist(["a"]) && node.a.ready
    error_message = "It runs on ${join(", ", pod.web.nodes)}."
  }
}
run "no_change" {
  command = plan
  assert {
    condition     = output.where == run.first.where
    error_message = "The plan does not know what was applied."
  }
}
run "another_greeting" {
  variables { greeting = "good morning" }
  assert {
    condition     = config.site.files["index.html"] == "good evening"
    error_message = "It says ${config.site.files["index.html"]}."
  }
}
`})
	r := p.run("test")
	for _, part := range []string{
		`run "first"... pass`, `run "no_change"... pass`, `run "another_greeting"... fail`, "tearing down", "2 passed, 1 failed",
	} {
		if !strings.Contains(r.stdout, part) {
			t.Errorf("no %q", part)
		}
	}
	if r.code != 1 || !strings.Contains(unwrap(r.stderr), "It says good morning.") || t.Failed() {
		t.Fatal(r)
	}
	out, err := h.Run(t.Context(), "ls -d /etc/stowage /var/lib/stowage /usr/local/bin/stowaged 2>/dev/null; pgrep -a busybox; true")
	if err != nil || out != "" {
		t.Errorf("left on the host: %s %v", out, err)
	}
}
