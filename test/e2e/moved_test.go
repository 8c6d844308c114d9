package e2e_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Renamed, forgotten and found again: whatever happens to names and to the state, the
// container's process is the same, and nothing is left to do.
func TestNamesAndStateComeAndGo(t *testing.T) {
	p, h := onOneHost(t, "")
	before := pids(t, h, "[h]ttpd -f -p 80")
	same := func(after string) {
		t.Helper()
		if now := pids(t, h, "[h]ttpd -f -p 80"); now != before || now == "" {
			t.Fatalf("after %s the processes are %q, they were %q", after, now, before)
		}
	}
	renamed := strings.NewReplacer(`node "a"`, `node "host"`, `image "web"`, `image "httpd"`, "image.web", "image.httpd",
		`config "site"`, `config "pages"`, "config.site", "config.pages", `pod "web"`, `pod "www"`).Replace(small)
	p.write("main.stowage.hcl", renamed)
	p.write("more.stowage.hcl", `
moved {
  from = node.a
  to   = node.host
}
moved {
  from = image.web
  to   = image.httpd
}
moved {
  from = config.site
  to   = config.pages
}
moved {
  from = pod.web
  to   = pod.www
}
`)
	if r := p.must("plan"); !strings.Contains(r.stdout, "Plan: 4 to move, 0 to add, 0 to change, 0 to destroy.") {
		t.Fatal(r)
	}
	p.must("apply", "-auto-approve")
	same("a move")
	p.empty()

	// The command does the same at once, there and back.
	p.write("more.stowage.hcl", "")
	p.must("state", "mv", "config.pages", "config.site")
	p.must("state", "mv", "pod.www", "pod.front[0]")
	p.write("main.stowage.hcl", strings.NewReplacer(`config "pages"`, `config "site"`, "config.pages", "config.site", `pod "www" {`, "pod \"front\" {\n  count = 1").Replace(renamed))
	p.empty()
	p.must("state", "mv", "pod.front[0]", "pod.www")
	p.must("state", "mv", "config.site", "config.pages")
	p.write("main.stowage.hcl", renamed)
	p.empty()
	same("state mv")

	// A change of what moved finds its object, and rolls it as any other.
	p.must("apply", "-auto-approve", "-var", "greeting=moved")
	p.must("apply", "-auto-approve")
	before = pids(t, h, "[h]ttpd -f -p 80")
	p.empty()

	// The state is lost; what runs is taken over, and goes on running.
	loseState(t, p)
	p.write("more.stowage.hcl", "")
	p.refused([]string{"plan"}, "Node of another cluster", "import block")
	systemctl := func(verb string) {
		t.Helper()
		if out, err := h.Run(t.Context(), "systemctl "+verb+" stowaged"); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	systemctl("stop")
	p.refused([]string{"plan"}, "Node of another cluster", "import block")
	p.refused([]string{"import", "node.host", "a"}, "stowaged does not answer there", "systemctl start stowaged")
	systemctl("start")
	p.write("more.stowage.hcl", `
import {
  to = node.host
  id = "a"
}
import {
  to = image.httpd
  id = "web"
}
import {
  to = config.pages
  id = "site"
}
import {
  to = pod.www
  id = "web"
}
`)
	if r := p.must("plan"); !strings.Contains(r.stdout, "Plan: 4 to import, 0 to add, 0 to change, 0 to destroy.") {
		t.Fatal(r)
	}
	p.must("apply", "-auto-approve")
	same("an import")
	p.empty()

	// Forgotten, it runs on; imported again, it is this state's.
	p.write("more.stowage.hcl", "removed { from = pod.www }\n")
	p.write("main.stowage.hcl", renamed[:strings.Index(renamed, `pod "www"`)])
	p.must("apply", "-auto-approve")
	same("a removed block")
	p.write("more.stowage.hcl", "")
	p.empty()
	p.write("main.stowage.hcl", renamed)
	// Under its new address it would be another object, and the forgotten one has the port.
	p.refused([]string{"plan"}, "No node for a replica", "host port 8080/tcp taken by web[0]")
	if r := p.must("import", "pod.www", "web"); strings.Contains(r.stderr, "partial") {
		t.Errorf("nobody has asked for a partial plan: %s", r)
	}
	same("a second import")
	p.empty()
	p.must("destroy", "-auto-approve")
	if left := pids(t, h, "[h]ttpd -f -p 80"); left != "" {
		t.Errorf("destroyed, and still there: %s", left)
	}
}

// loseState removes the state with its earlier versions.
func loseState(t *testing.T, p *project) {
	t.Helper()
	states, err := filepath.Glob(filepath.Join(p.dir, "stowage.state.json*"))
	if err != nil || len(states) == 0 {
		t.Fatalf("no state: %v", err)
	}
	for _, file := range states {
		if err := os.RemoveAll(file); err != nil {
			t.Fatal(err)
		}
	}
}

// An import is killed after each record of its journal: the next plan, with its blocks
// or without, destroys nothing, the next apply ends it, and the pod's process lives on.
func TestImportKilledAtEveryRecord(t *testing.T) {
	p, h := onOneHost(t, "")
	before := pids(t, h, "[h]ttpd -f -p 80")
	blocks := ""
	for _, to := range []string{"node.a", "image.web", "config.site", "pod.web"} {
		_, id, _ := strings.Cut(to, ".")
		blocks += "import {\n  to = " + to + "\n  id = \"" + id + "\"\n}\n"
	}
	for n := 1; ; n++ {
		loseState(t, p)
		p.write("more.stowage.hcl", blocks)
		if !crash(t, p, n) {
			if n < 8 {
				t.Fatalf("an import has only %d records", n-1)
			}
			t.Logf("killed at each of %d records", n-1)
			break
		}
		p.write("more.stowage.hcl", "")
		if r := p.run("plan"); strings.Contains(r.stdout, "destroyed") || strings.Contains(r.stdout, "must be replaced") {
			t.Fatalf("record %d: without the blocks the plan is %s", n, r)
		}
		p.write("more.stowage.hcl", blocks)
		p.must("apply", "-auto-approve")
		p.write("more.stowage.hcl", "")
		p.empty()
		if now := pids(t, h, "[h]ttpd -f -p 80"); now != before || now == "" {
			t.Fatalf("record %d: the processes are %q, they were %q", n, now, before)
		}
	}
}

// A replacement that is made first is killed while the new pod starts, before it is
// recorded: the old one runs on, and the next apply ends as this one would have.
func TestCreateBeforeDestroyKilled(t *testing.T) {
	p, h := onOneHost(t, `
pod "twin" {
  init "slow" {
    image = image.web
    args  = ["sleep", "4"]
  }
  container "main" {
    image = image.web
    args  = ["sleep", "100001"]
  }
  stop_grace = "0s"
  lifecycle {
    create_before_destroy = true
    replace_triggered_by  = [config.site]
  }
}
`)
	old := pids(t, h, "[s]leep 100001")
	p.write("main.stowage.hcl", strings.Replace(small, `"hello"`, `"other"`, 1))
	cmd := p.command(t.Context(), "apply", "-auto-approve")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, time.Minute, "the new pod starts", func() error {
		if pids(t, h, "[s]leep 4$") == "" {
			return errors.New("it does not")
		}
		return nil
	})
	cmd.Process.Kill()
	cmd.Wait()
	if r := p.must("plan"); !strings.Contains(r.stdout, "its replacement did not finish") || strings.Contains(r.stdout, "left behind") {
		t.Errorf("the next plan is %s", r)
	}
	if now := pids(t, h, "[s]leep 100001"); !strings.Contains(now, strings.TrimSpace(old)) {
		t.Errorf("the old pod is gone: %q was %q", now, old)
	}
	p.must("apply", "-auto-approve")
	p.empty()
	if now := pids(t, h, "[s]leep 100001"); len(strings.Fields(now)) != 1 || now == old {
		t.Errorf("the processes are %q, the old one was %q", now, old)
	}
	if r := p.must("state", "list", "-json", "pod.twin"); !strings.Contains(r.stdout, `"id": "twin~1"`) {
		t.Errorf("it is %s", r)
	}
}
