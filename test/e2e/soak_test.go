//go:build soak

package e2e_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stowage-iac/stowage/test/hosts"
)

// TestSoakBareToNodesAndBack makes nodes of bare hosts and gives them back, again
// and again; nothing may accumulate.
func TestSoakBareToNodesAndBack(t *testing.T) {
	lab := hosts.Start(t, hosts.Options{N: 3, Variant: hosts.Bare})
	p := newProject(t, nil)
	p.copyDir("examples/three-hosts")
	p.write("stowage.vars.hcl", hostVars(lab))
	before := map[string]string{}
	for _, h := range lab.Hosts {
		out, err := h.Run(t.Context(), belongings)
		if err != nil {
			t.Fatal(err)
		}
		before[h.Name] = out
	}
	for round := range 10 {
		p.must("apply", "-auto-approve")
		for _, h := range lab.Hosts {
			if _, err := page(h.Addr); err != nil {
				t.Fatalf("round %d: %s: %v", round, h.Name, err)
			}
		}
		p.empty()
		p.must("destroy", "-auto-approve")
		for _, h := range lab.Hosts {
			if after, err := h.Run(t.Context(), belongings); err != nil || after != before[h.Name] {
				t.Fatalf("round %d: %s is not as it was: %v\n%s", round, h.Name, err, difference(before[h.Name], after))
			}
		}
	}
}

// TestSoakFaults applies changes for ten minutes while daemons are killed and hosts
// lose power at random. When it is quiet again, one apply must make the world right.
func TestSoakFaults(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	p, h := onOneHost(t, many)
	for end := time.Now().Add(10 * time.Minute); time.Now().Before(end); {
		p.write("more.stowage.hcl", strings.Replace(many, "var.greeting", fmt.Sprintf("\"v%d\"", r.IntN(1000)), 1))
		cmd := p.command(t.Context(), "apply", "-auto-approve")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		pause := time.NewTimer(time.Duration(r.IntN(3000)) * time.Millisecond)
		<-pause.C
		switch r.IntN(5) {
		case 0:
			_ = cmd.Process.Kill()
		case 1:
			_, _ = h.Run(t.Context(), "pkill -9 -x containerd")
		case 2:
			_, _ = h.Run(t.Context(), "pkill -9 -x stowaged")
		case 3:
			if err := h.PowerCut(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := h.Boot(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		_ = cmd.Wait() // it may fail: what counts is the world at the end
	}
	eventually(t, 2*time.Minute, "one apply makes it right", func() error {
		if r := p.run("apply", "-auto-approve"); r.code != 0 {
			return fmt.Errorf("%s", r)
		}
		return nil
	})
	p.empty()
	if n := strings.Count(world(t, p, h), "stowage.pod"); n != 9 {
		t.Errorf("%d containers instead of 9:\n%s", n, world(t, p, h))
	}
}
