package e2e_test

import (
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stowage-iac/stowage/test/hosts"
)

// small is a configuration for one host: a web server, and whatever else is added.
const small = `
variable "address" { type = string }
variable "private_key" { type = string }
variable "known_hosts" { type = string }
variable "greeting" {
  type    = string
  default = "hello"
}

node "a" {
  address = var.address
  ssh {
    user        = "root"
    private_key = var.private_key
    known_hosts = var.known_hosts
  }
}

image "web" {
  copy "/bin/busybox" {
    to   = "/bin/busybox"
    mode = "0755"
  }
  entrypoint = ["/bin/busybox"]
}

config "site" {
  files = { "index.html" = var.greeting }
}

pod "web" {
  container "httpd" {
    image = image.web
    args  = ["httpd", "-f", "-p", "80", "-h", "/site"]
    port "http" {
      container = 80
      host      = 8080
    }
    mount "/site" { config = config.site }
  }
}
`

// smallVars are the variables of small for a host.
func smallVars(lab *hosts.Lab, h *hosts.Host) string {
	return fmt.Sprintf("address = %q\nprivate_key = %q\nknown_hosts = %q\n", h.Addr, lab.Key, lab.KnownHosts)
}

// onOneHost applies small, with more, on a fresh ready host.
func onOneHost(t *testing.T, more string) (*project, *hosts.Host) {
	t.Helper()
	lab := hosts.Start(t, hosts.Options{N: 1, Variant: hosts.Ready})
	p := newProject(t, map[string]string{
		"main.stowage.hcl": small, "more.stowage.hcl": more, "stowage.vars.hcl": smallVars(lab, lab.Hosts[0]),
	})
	p.must("apply", "-auto-approve")
	return p, lab.Hosts[0]
}

// pids are the processes on the host whose command line matches, a line each,
// without what they forked: httpd answers each request in a child that has its
// command line and lives for a millisecond.
func pids(t *testing.T, h *hosts.Host, pattern string) string {
	t.Helper()
	out, err := h.Run(t.Context(), fmt.Sprintf(`found=$(pgrep -d, -f '%s') && ps -o pid=,ppid= -p "$found" || true`, pattern))
	if err != nil {
		t.Fatal(err)
	}
	parent := map[string]string{}
	for line := range strings.Lines(out) {
		f := strings.Fields(line)
		if len(f) != 2 {
			t.Fatalf("ps prints %q", line)
		}
		parent[f[0]] = f[1]
	}
	var b strings.Builder
	for _, pid := range slices.Sorted(maps.Keys(parent)) {
		if _, forked := parent[parent[pid]]; !forked {
			b.WriteString(pid + "\n")
		}
	}
	return b.String()
}

func isExit(err error) bool {
	_, ok := err.(*exec.ExitError)
	return ok
}
