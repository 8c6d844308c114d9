package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stowage-iac/stowage/test/hosts"
)

// The state lives in the cluster that it describes: the first apply moves it there,
// another machine with nothing but the configuration plans and applies from it, and
// the last destroy brings it back.
func TestStateInTheCluster(t *testing.T) {
	lab := hosts.Start(t, hosts.Options{N: 1, Variant: hosts.Ready})
	h := lab.Hosts[0]
	files := map[string]string{
		"main.stowage.hcl": small, "stowage.vars.hcl": smallVars(lab, h),
		"backend.stowage.hcl": fmt.Sprintf("stowage {\n  backend \"cluster\" {\n    hosts       = [\"root@%s\"]\n    private_key = %q\n  }\n}\n", h.Addr, lab.Key),
	}
	machine := func() *project {
		p := newProject(t, files)
		known, err := os.ReadFile(lab.KnownHosts)
		if err == nil {
			err = os.MkdirAll(filepath.Join(p.home, ".ssh"), 0o700)
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(p.home, ".ssh", "known_hosts"), known, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	first := machine()
	first.must("apply", "-auto-approve")
	first.empty()
	second := machine()
	second.empty()
	if r := second.must("state", "list"); !strings.Contains(r.stdout, "pod.web") {
		t.Fatal(r)
	}
	before := pids(t, h, "[h]ttpd -f -p 80")
	second.must("apply", "-auto-approve", "-var", "greeting=from another machine")
	if after := pids(t, h, "[h]ttpd -f -p 80"); after == "" || after == before {
		t.Errorf("the pod was not rolled: %s", after)
	}
	first.empty("-var", "greeting=from another machine")
	first.must("destroy", "-auto-approve")
	if left := pids(t, h, "[h]ttpd -f -p 80|[s]towaged run"); left != "" {
		t.Errorf("destroyed, and still there: %s", left)
	}
	if r := first.must("state", "list"); strings.TrimSpace(r.stdout) != "" {
		t.Errorf("destroyed, and still recorded: %s", r)
	}
}
