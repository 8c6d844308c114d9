package e2e_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stowage-iac/stowage/test/hosts"
)

const fleeting = `
variable "address" { type = string }
variable "known_hosts" { type = string }
variable "key" {
  type      = string
  ephemeral = true
}
variable "password" {
  type      = string
  ephemeral = true
}
variable "greeting" { default = "hello" }

node "a" {
  address = var.address
  ssh {
    user           = "root"
    private_key_wo = var.key
    known_hosts    = var.known_hosts
  }
}

image "web" {
  copy "/bin/busybox" {
    to   = "/bin/busybox"
    mode = "0755"
  }
  entrypoint = ["/bin/busybox"]
}

secret "db" { value_wo = "pw:${var.password}" }

pod "app" {
  container "app" {
    image   = image.web
    command = ["/bin/busybox", "sh", "-c", "[ \"$(/bin/busybox wc -c < /run/db)\" = 43 ] && exec /bin/busybox sleep 100000"]
    env     = { GREETING = var.greeting }
    mount "/run/db" { secret = secret.db }
  }
}
`

// TestEphemeral applies saved plans with a node's key and a secret that are ephemeral,
// the only key that there is, and searches for both of them everywhere.
func TestEphemeral(t *testing.T) {
	lab := hosts.Start(t, hosts.Options{N: 1, Variant: hosts.Ready})
	h := lab.Hosts[0]
	key, err := os.ReadFile(lab.Key)
	if err != nil {
		t.Fatal(err)
	}
	p := newProject(t, map[string]string{
		"main.stowage.hcl": fleeting, "stowage.vars.hcl": "address = \"" + h.Addr + "\"\nknown_hosts = \"" + lab.KnownHosts + "\"\n",
	})
	without := []string{"STOWAGE_LOG=trace", "STOWAGE_LOG_PATH=" + filepath.Join(p.dir, "log")}
	with := append(without[:2:2], "STOWAGE_VAR_key="+string(key), "STOWAGE_VAR_password="+planted)
	p.env = without
	p.refused([]string{"plan"}, `The variable "key" has no value`, `The variable "password" has no value`)
	p.env = with
	var said bytes.Buffer
	must := func(args ...string) { said.WriteString(p.must(args...).String()) }
	must("plan", "-out", "first.plan")
	p.env = without
	p.refused([]string{"apply", "first.plan"}, "Missing value for an ephemeral variable", `the variable "key"`, `the variable "password"`)
	p.env = append(with[:3:3], "STOWAGE_VAR_password=another")
	p.refused([]string{"apply", "first.plan"}, "Other value than planned", "secret.db")
	p.env = with
	must("apply", "first.plan")
	p.empty()

	out, err := h.Run(t.Context(), "pid=$(pgrep -xf '/bin/busybox sleep 100000'); cat /proc/$pid/root/run/db")
	if err != nil || out != "pw:"+planted {
		t.Errorf("the pod reads %q, %v", out, err)
	}

	// The pod rolls for another reason: the secret is sealed into it again.
	must("apply", "-auto-approve", "-var", "greeting=hi")
	p.empty("-var", "greeting=hi")
	// Without a look at the hosts the key must be known, too.
	must("apply", "-auto-approve", "-refresh=false", "-var", "greeting=ho")
	for _, args := range [][]string{{"show"}, {"show", "-json"}, {"show", "-json", "first.plan"}, {"state", "pull"}, {"state", "show", "node.a"}, {"output"}} {
		must(args...)
	}
	if found := leak(said.Bytes()); found != "" {
		t.Errorf("an output holds the secret: …%s…", found)
	}
	line := strings.Split(string(key), "\n")[2]
	if strings.Contains(said.String(), line) {
		t.Error("an output holds the private key")
	}
	if out, err := h.Run(t.Context(), "sync"); err != nil {
		t.Fatal(err, out)
	}
	for _, root := range []string{p.dir, p.home, h.Root()} {
		search(t, root)
	}
	for _, name := range []string{"stowage.state.json", "first.plan", "log"} {
		content, err := os.ReadFile(filepath.Join(p.dir, name))
		if err != nil || bytes.Contains(content, []byte(line)) {
			t.Errorf("%s holds the private key, %v", name, err)
		}
	}

	// To give the host back, its key is needed; the state does not have it.
	p.env = without
	p.refused([]string{"destroy", "-auto-approve"}, `The variable "key" has no value`)
	p.env = with
	p.must("destroy", "-auto-approve")
}
