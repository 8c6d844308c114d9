package e2e_test

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stowage-iac/stowage/test/hosts"
)

// inCluster keeps the project's state in the cluster of a host.
func (p *project) inCluster(lab *hosts.Lab, h *hosts.Host) {
	p.t.Helper()
	p.write("backend.stowage.hcl", fmt.Sprintf("stowage {\n  backend \"cluster\" {\n    hosts       = [\"root@%s\"]\n    private_key = %q\n    known_hosts = %q\n  }\n}\n", h.Addr, lab.Key, lab.KnownHosts))
}

// The state lives in the cluster that it describes: the first apply moves it there,
// another machine with nothing but the configuration plans and applies from it, and
// the last destroy brings it back.
func TestStateInTheCluster(t *testing.T) {
	lab := hosts.Start(t, hosts.Options{N: 1, Variant: hosts.Ready})
	h := lab.Hosts[0]
	files := map[string]string{"main.stowage.hcl": small, "stowage.vars.hcl": smallVars(lab, h)}
	machine := func() *project {
		p := newProject(t, files)
		p.inCluster(lab, h)
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
	local := newProject(t, files)
	local.write("pulled.json", first.must("state", "pull").stdout)
	local.must("state", "push", "pulled.json")
	plan := planned(first)
	if other := planned(second); other != plan {
		t.Errorf("another machine plans otherwise:\n%s", difference(plan, other))
	}
	if other := planned(local); other != plan {
		t.Errorf("with a local state the plan is another:\n%s", difference(plan, other))
	}
	first.must("destroy", "-auto-approve")
	if left := pids(t, h, "[h]ttpd -f -p 80|[s]towaged run"); left != "" {
		t.Errorf("destroyed, and still there: %s", left)
	}
	if r := first.must("state", "list"); strings.TrimSpace(r.stdout) != "" {
		t.Errorf("destroyed, and still recorded: %s", r)
	}
}

// planned is the document of a plan that rolls the pod, without its time and the serial of the
// state, which counts how often that was written where it is.
func planned(p *project) string {
	p.t.Helper()
	p.must("plan", "-out=p", "-var", "greeting=planned")
	document := p.must("show", "-json", "p").stdout
	timeless := regexp.MustCompile(`(?m)^.*"(timestamp|serial)": .*\n`).ReplaceAllString(document, "")
	if timeless == document || !strings.Contains(timeless, `"address": "pod.web"`) {
		p.t.Fatalf("not a plan:\n%s", document)
	}
	return timeless
}

// several is what is made and destroyed while its apply is killed.
const several = `
config "c" {
  count = 3
  files = { "f" = "${count.index}" }
}

pod "p" {
  count = 2
  container "sleep" {
    image = image.web
    args  = ["sh", "-c", "exec sleep 100000"]
    mount "/c" { config = config.c[count.index] }
  }
  stop_grace = "0s"
}
`

// An apply whose state is in the cluster is killed with SIGKILL: at points spread over
// all that the backend does, from before it takes the lock to after the last write, and
// once by somebody else while a pod is made. Who comes next is let in, or is told of the
// process that was killed, and by nobody else; force-unlock takes the lock from it, or it
// ends by itself. Then the next apply ends in the same world as one that nobody killed.
func TestKilledWithStateInTheCluster(t *testing.T) {
	lab := hosts.Start(t, hosts.Options{N: 1, Variant: hosts.Ready})
	h := lab.Hosts[0]
	p := newProject(t, map[string]string{"main.stowage.hcl": small, "stowage.vars.hcl": smallVars(lab, h)})
	p.inCluster(lab, h)
	turn := func(up bool) { p.write("more.stowage.hcl", map[bool]string{true: several}[up]) }
	want := map[bool]string{}
	for _, up := range []bool{true, false} {
		turn(up)
		p.must("apply", "-auto-approve")
		want[up] = world(t, p, h)
	}
	up, refused := false, 0
	next := func(what string, pid int, wait bool) {
		t.Helper()
		args := []string{"apply", "-auto-approve"}
		r := p.run(args...)
		if r.code != 0 {
			told := unwrap(r.stderr)
			id := regexp.MustCompile(`force-unlock ([0-9a-f]+)`).FindStringSubmatch(told)
			if id == nil || !strings.Contains(told, fmt.Sprintf("(process %d) for apply", pid)) {
				t.Fatalf("%s: refused, and not because of process %d:\n%s", what, pid, r)
			}
			if refused++; wait {
				args = append(args, "-lock-timeout=1m")
			} else {
				p.must("force-unlock", "-force", id[1])
			}
			p.must(args...)
		}
		if got := world(t, p, h); got != want[up] {
			t.Fatalf("%s: another world:\n%s", what, difference(want[up], got))
		}
		p.empty()
	}
	points := 0
	for n := 1; ; n += 2 + n/2 {
		up = !up
		turn(up)
		pid, killed := p.killedAt("STOWAGE_CRASH_POINT", n)
		if !killed {
			break
		}
		points++
		next(fmt.Sprintf("killed at point %d", n), pid, false)
	}
	if points < 6 || refused < 3 {
		t.Errorf("killed at only %d points, and refused after only %d of them", points, refused)
	}

	// By somebody else, in the middle of it; nobody unlocks.
	if up {
		turn(false)
		p.must("apply", "-auto-approve")
	}
	up = true
	turn(up)
	cmd := p.command(t.Context(), "apply", "-auto-approve")
	var out lockedBuffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, time.Minute, "a pod is made", func() error {
		if !strings.Contains(out.String(), "pod.p[0]: Creating…") {
			return errors.New(out.String())
		}
		return nil
	})
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	next("killed while a pod is made", cmd.Process.Pid, true)
}
