package e2e_test

import (
	"strings"
	"testing"

	"github.com/stowage-iac/stowage/test/hosts"
)

// asking is a check that asks the pod on the host for its page.
const asking = `
check "page" {
  data "external" "page" {
    program    = ["bash", "./probe", node.a.address]
    depends_on = [pod.web]
    timeouts { read = "2m" }
  }
  assert {
    condition     = data.external.page.result.page == var.greeting
    error_message = "The page says ${data.external.page.result.page}."
  }
}
`

// probe waits for a server that has only begun.
const probe = `
while [ -z "$page" ] && [ $SECONDS -lt 15 ]; do
  page=$(exec 3<>"/dev/tcp/$1/8080" && printf 'GET / HTTP/1.0\r\n\r\n' >&3 && timeout 3 cat <&3 | sed '1,/^\r$/d') || sleep 0.2
done
printf '{"page": "%s"}' "${page:-nothing}"
`

// A check asks the world itself: not before there is something to ask, after the apply
// of what it asks, and at each plan from then on, also where drift alone is looked for.
func TestCheckAsksThePod(t *testing.T) {
	lab := hosts.Start(t, hosts.Options{N: 1, Variant: hosts.Ready})
	h := lab.Hosts[0]
	p := newProject(t, map[string]string{
		"main.stowage.hcl": small, "check.stowage.hcl": asking, "probe": probe, "stowage.vars.hcl": smallVars(lab, h),
	})
	told := func(r result, want string) {
		t.Helper()
		if all := r.stdout + r.stderr; !strings.Contains(all, want) || strings.Contains(all, "The page says") != strings.Contains(want, "The page says") {
			t.Errorf("it should tell %q: %s", want, r)
		}
	}
	told(p.must("apply", "-auto-approve"), "check.page:  (known after apply)")
	told(p.must("plan"), "No changes.")
	told(p.must("apply", "-auto-approve", "-var", "greeting=hi"), "check.page:  (known after apply)")
	told(p.must("plan", "-var", "greeting=hi"), "No changes.")

	signal := func(name string) {
		t.Helper()
		if _, err := h.Run(t.Context(), "kill -"+name+" "+strings.ReplaceAll(pids(t, h, server), "\n", " ")); err != nil {
			t.Fatal(err)
		}
	}
	signal("STOP") // it runs, and answers nobody
	told(p.must("plan", "-refresh-only", "-var", "greeting=hi"), "check.page:  failed: The page says nothing.")
	signal("CONT")
	told(p.must("plan", "-refresh-only", "-var", "greeting=hi"), "No changes.")
}
