package e2e_test

import (
	"strings"
	"testing"

	"github.com/stowage-iac/stowage/test/hosts"
)

// TestDeadHost: a worker dies for good. Every plan says so, with its name; once it is
// forgotten and out of the configuration, the next apply takes it out of the cluster
// and the rest works on.
func TestDeadHost(t *testing.T) {
	lab := hosts.Start(t, hosts.Options{N: 2, Variant: hosts.Ready})
	p := newProject(t, map[string]string{
		"main.stowage.hcl": strings.Replace(small, "node \"a\" {", "node \"a\" {\n  role = \"manager\"\n  schedulable = true", 1),
		"b.stowage.hcl":    secondNode(lab.Hosts[1]), "stowage.vars.hcl": smallVars(lab, lab.Hosts[0]),
	})
	p.must("apply", "-auto-approve")
	if err := lab.Hosts[1].PowerCut(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.refused([]string{"plan"}, "node.b", lab.Hosts[1].Addr)
	p.must("state", "rm", "node.b")
	p.write("b.stowage.hcl", "")
	r := p.must("apply", "-auto-approve")
	if !strings.Contains(unwrap(r.stderr), "Host not given back") {
		t.Errorf("it does not say what became of the host:\n%s", r)
	}
	p.empty()
	if _, err := page(lab.Hosts[0].Addr); err != nil {
		t.Error(err)
	}
}
