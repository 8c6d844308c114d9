package e2e_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stowage-iac/stowage/test/hosts"
)

// planted is searched for, whole and base64-encoded, wherever a run leaves bytes.
const planted = "PlantedSecretValue7731PlantedSecretValue"

const secretive = `
variable "password" {
  type      = string
  sensitive = true
}

secret "db" { value = var.password }

config "dsn" {
  files = { "dsn" = "postgres://app:${secret.db.value}@db/app" }
}

pod "app" {
  init "check" {
    image   = image.web
    command = ["/bin/busybox", "sh", "-c", "[ -n \"$PASSWORD\" ]"]
    env     = { PASSWORD = secret.db.value }
  }
  container "app" {
    image   = image.web
    command = ["/bin/busybox", "sh", "-c", "[ -s /run/db ] && [ -s /etc/dsn/dsn ] && exec sleep 100000"]
    env     = { DATABASE_URL = "postgres://app:${secret.db.value}@db/app" }
    user    = "1000:1000"
    mount "/run/db" { secret = secret.db }
    mount "/etc/dsn" { config = config.dsn }
  }
}

output "dsn" {
  value     = "postgres://app:${secret.db.value}@db/app"
  sensitive = true
}
`

// TestPlantedSecret runs through a life of a sensitive value and searches every
// file of the project, the user's home and the hosts' disks, every command line,
// the store and all output for it.
func TestPlantedSecret(t *testing.T) {
	lab := hosts.Start(t, hosts.Options{N: 2, Variant: hosts.Ready})
	p := newProject(t, map[string]string{
		"main.stowage.hcl": strings.Replace(small, "node \"a\" {", "node \"a\" {\n  role = \"manager\"\n  schedulable = true", 1),
		"more.stowage.hcl": secretive + secondNode(lab.Hosts[1]), "stowage.vars.hcl": smallVars(lab, lab.Hosts[0]),
	})
	p.env = []string{"STOWAGE_VAR_password=" + planted, "STOWAGE_LOG=trace"}
	var said bytes.Buffer
	for _, args := range [][]string{
		{"validate"}, {"plan", "-out", "a.plan"}, {"show", "a.plan"}, {"show", "-json", "a.plan"}, {"apply", "a.plan"},
		{"plan"}, {"show"}, {"show", "-json"}, {"state", "list"}, {"state", "show", "secret.db"}, {"state", "show", "pod.app"}, {"output"},
	} {
		r := p.must(args...)
		said.WriteString(r.String())
	}
	if got := p.must("output", "-raw", "dsn").stdout; !strings.Contains(got, planted) {
		t.Errorf("whoever asks for the output by name does not get it: %q", got)
	}
	for _, h := range lab.Hosts {
		out, err := h.Run(t.Context(), "cat /proc/[0-9]*/cmdline | tr '\\0' '\\n'; journalctl --no-pager -q; ctr -n stowage containers ls -q | xargs -rn1 ctr -n stowage containers info; curl -s --unix-socket /run/stowage/stowaged.sock http://x/v1/store/dump; true")
		if err != nil {
			t.Fatal(err)
		}
		said.WriteString(out)
	}
	p.write("broken.stowage.hcl", `pod "broken" { replicas = var.password }`+"\n"+`output "leak" { value = var.password }`)
	r := p.run("plan")
	if r.code != 1 {
		t.Errorf("a broken configuration is planned:\n%s", r)
	}
	said.WriteString(r.String())
	if err := os.Remove(filepath.Join(p.dir, "broken.stowage.hcl")); err != nil {
		t.Fatal(err)
	}
	if found := leak(said.Bytes()); found != "" {
		t.Errorf("an output holds the secret: …%s…", found)
	}
	roots := []string{p.dir, p.home}
	for _, h := range lab.Hosts {
		if out, err := h.Run(t.Context(), "sync"); err != nil {
			t.Fatal(err, out)
		}
		roots = append(roots, h.Root())
	}
	for _, root := range roots {
		search(t, root)
	}
	p.must("destroy", "-auto-approve")
	for _, root := range roots {
		search(t, root)
	}
}

func secondNode(h *hosts.Host) string {
	return `
node "b" {
  address = "` + h.Addr + `"
  ssh {
    user        = "root"
    private_key = var.private_key
    known_hosts = var.known_hosts
  }
}
`
}

// search reads every regular file below root.
func search(t *testing.T, root string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil // sockets, devices, and files that went away meanwhile
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return nil
		}
		files++
		if found := leak(content); found != "" {
			t.Errorf("%s holds the secret: …%q…", path, found)
		}
		return nil
	})
	if err != nil || files == 0 {
		t.Fatalf("searched %d files of %s: %v", files, root, err)
	}
}

// leak returns the surroundings of the planted value, "" when it is not there.
// Base64 of the value in each of its three alignments counts too.
func leak(content []byte) string {
	for _, needle := range []string{planted, "UGxhbnRlZFNlY3JldFZhbHVl", "BsYW50ZWRTZWNyZXRWYWx1", "QbGFudGVkU2VjcmV0VmFsdW"} {
		if i := bytes.Index(content, []byte(needle)); i >= 0 {
			return string(content[max(0, i-60):min(len(content), i+20)])
		}
	}
	return ""
}
