package e2e_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stowage-iac/stowage/test/hosts"
)

// page requests a pod through its host port.
func page(addr string) (string, error) {
	client := http.Client{Timeout: 3 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + addr + ":8080/")
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d", resp.StatusCode)
	}
	return string(body), err
}

// belongings is what a removed node must have again exactly as before.
const belongings = `dpkg-query -W -f '${Package} ${db:Status-Abbrev}\n' | grep ' ii'; ls -A /etc /usr/local/bin /var/lib /run/systemd/system /etc/systemd/system 2>/dev/null | grep -v -e '^machine-id' -e '-$' -e '^ld.so.cache'; ip -o link | cut -d: -f2 | grep -v eth0; nft list ruleset 2>/dev/null; ls /run/stowage /opt 2>/dev/null; true`

func TestThreeHosts(t *testing.T) {
	lab := hosts.Start(t, hosts.Options{N: 3, Variant: hosts.Bare})
	p := newProject(t, nil)
	p.copyDir("examples/three-hosts")
	p.write("stowage.vars.hcl", hostVars(lab))
	ctx := context.Background()
	before := map[string]string{}
	for _, h := range lab.Hosts {
		out, err := h.Run(ctx, belongings)
		if err != nil {
			t.Fatal(err)
		}
		before[h.Name] = out
	}

	plan := p.must("plan", "-out", "first.plan")
	for _, want := range []string{"8 to add, 0 to change, 0 to destroy", `node.m["a"]`, "pod.web", "(known after apply)"} {
		if !strings.Contains(plan.stdout, want) {
			t.Errorf("the plan does not say %q:\n%s", want, plan)
		}
	}
	p.must("apply", "first.plan")
	for _, h := range lab.Hosts {
		if got, err := page(h.Addr); err != nil || !strings.Contains(got, "Stowage on 3 hosts") {
			t.Errorf("%s answers %q, %v", h.Name, got, err)
		}
	}
	p.empty()

	p.must("destroy", "-auto-approve")
	for _, h := range lab.Hosts {
		after, err := h.Run(ctx, belongings)
		if err != nil {
			t.Fatal(err)
		}
		if after != before[h.Name] {
			t.Errorf("%s is not as it was:\n%s", h.Name, difference(before[h.Name], after))
		}
	}
}

// difference lists the lines that only one of two texts has.
func difference(a, b string) string {
	count := map[string]int{}
	for _, l := range strings.Split(a, "\n") {
		count[l]++
	}
	for _, l := range strings.Split(b, "\n") {
		count[l]--
	}
	var out []string
	for l, n := range count {
		switch {
		case n > 0:
			out = append(out, "- "+l)
		case n < 0:
			out = append(out, "+ "+l)
		}
	}
	return strings.Join(out, "\n")
}
