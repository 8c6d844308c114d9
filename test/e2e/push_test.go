package e2e_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stowage-iac/stowage/test/hosts"
)

// data is an image of one large layer, and a pod of it.
const data = `
image "data" {
  copy "/bin/busybox" {
    to   = "/bin/busybox"
    mode = "0755"
  }
  copy "noise" { to = "/noise" }
  entrypoint = ["/bin/busybox"]
}

pod "data" {
  container "c" {
    image = image.data
    args  = ["sleep", "100000"]
  }
  stop_grace = "0s"
}
`

const (
	noiseSize = 64 << 20
	partsDir  = "/var/lib/containerd/io.containerd.content.v1.content/stowage"
)

// TestPushes: a large layer reaches a host through its stowaged, for root and for a
// user with sudo, whatever is cut off while it is on its way; the next apply sends
// only the rest; nothing remains when the node goes.
func TestPushes(t *testing.T) {
	lab := hosts.Start(t, hosts.Options{N: 2, Variant: hosts.Ready, Disk: 4 << 30})
	root, deploy := newPushing(t, lab, 0, "root"), newPushing(t, lab, 1, "deploy")

	deploy.story(t, "stowage killed, by a user with sudo", func(w *pushing) { w.goesOn() })
	deploy.story(t, "more at once than there are sessions", func(w *pushing) {
		var several strings.Builder
		for n := range 6 {
			w.p.write(fmt.Sprint("noise-", n), noise(12<<20))
			fmt.Fprint(&several, strings.NewReplacer("data", fmt.Sprint("data-", n), `"noise"`, fmt.Sprintf("%q", fmt.Sprint("noise-", n))).Replace(data))
		}
		w.p.write("several.stowage.hcl", several.String())
		began := time.Now()
		w.p.must("apply", "-auto-approve")
		w.t.Logf("seven images took %v", time.Since(began))
		w.p.empty()
	})
	root.story(t, "stowage killed", func(w *pushing) { w.goesOn() })
	root.story(t, "stowaged killed", func(w *pushing) {
		apply := w.underWay()
		w.on("pkill -9 -x stowaged")
		if err := apply.Wait(); err != nil {
			w.t.Fatalf("the apply: %v", err)
		}
		w.arrived()
	})
	root.story(t, "power cut", func(w *pushing) {
		apply := w.underWay()
		if err := w.h.PowerCut(w.t.Context()); err != nil {
			w.t.Fatal(err)
		}
		if err := apply.Wait(); err == nil {
			w.t.Error("the apply ends with 0")
		}
		if err := w.h.Boot(w.t.Context()); err != nil {
			w.t.Fatal(err)
		}
		eventually(w.t, time.Minute, "the next apply succeeds", func() error {
			if r := w.p.run("apply", "-auto-approve"); r.code != 0 {
				return fmt.Errorf("%s", r)
			}
			return nil
		})
		w.arrived()
	})
	root.story(t, "disk full", func(w *pushing) {
		if err := w.h.FillDisk(50 << 20); err != nil {
			w.t.Fatal(err)
		}
		w.p.refused([]string{"apply", "-auto-approve"}, "node.a", "the disk is full", "no space left on device")
		if left := w.on("find " + partsDir + " -type f"); left != "" {
			w.t.Errorf("left on the full disk: %s", left)
		}
		if err := w.h.FreeDisk(); err != nil {
			w.t.Fatal(err)
		}
		w.p.must("apply", "-auto-approve")
		w.arrived()
	})
	root.story(t, "the node goes", func(w *pushing) {
		apply := w.underWay()
		apply.Process.Kill()
		apply.Wait()
		w.p.must("destroy", "-auto-approve")
		if out := w.on("ls -d " + partsDir + " 2>&1; true"); !strings.Contains(out, "No such file") {
			w.t.Errorf("left: %s", out)
		}
	})
}

// pushing is a node to which large layers are sent.
type pushing struct {
	t   *testing.T
	p   *project
	h   *hosts.Host
	sum string // of the layer's file
}

func newPushing(t *testing.T, lab *hosts.Lab, n int, user string) *pushing {
	p := newProject(t, map[string]string{
		"main.stowage.hcl": strings.Replace(small, `"root"`, strconv.Quote(user), 1), "stowage.vars.hcl": smallVars(lab, lab.Hosts[n]),
	})
	p.must("apply", "-auto-approve")
	p.write("data.stowage.hcl", data)
	return &pushing{t, p, lab.Hosts[n], ""}
}

func noise(size int) string {
	b := make([]byte, size)
	rand.Read(b)
	return string(b)
}

// story is a subtest with a layer that is not on the host.
func (w *pushing) story(t *testing.T, name string, tell func(*pushing)) {
	t.Run(name, func(t *testing.T) {
		w.t, w.p.t = t, t
		b := noise(noiseSize)
		w.sum = fmt.Sprintf("%x", sha256.Sum256([]byte(b)))
		w.p.write("noise", b)
		tell(w)
	})
}

// goesOn kills an apply, and demands that the next one sends the rest only.
func (w *pushing) goesOn() {
	w.t.Helper()
	apply := w.underWay()
	apply.Process.Kill()
	apply.Wait()
	plan := w.p.must("plan").stdout
	// Where all arrived before the kill, the plan names no transfer, or one of less than a megabyte.
	if missing := regexp.MustCompile(`image\.data → a: +([0-9.]+) MB of ([0-9.]+) MB`).FindStringSubmatch(plan); missing != nil {
		rest, _ := strconv.ParseFloat(missing[1], 64)
		all, _ := strconv.ParseFloat(missing[2], 64)
		if rest > all-15 {
			w.t.Errorf("the plan sends %.1f MB of %.1f MB again", rest, all)
		}
	}
	w.p.must("apply", "-auto-approve")
	w.arrived()
}

func (w *pushing) on(command string) string {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	out, err := w.h.Run(ctx, command)
	if err != nil {
		w.t.Fatal(err)
	}
	return strings.TrimSpace(out)
}

// command is a running one and what it prints.
type command struct {
	*exec.Cmd
	out lockedBuffer
}

// underWay starts an apply and waits until a part of the layer is on the host.
func (w *pushing) underWay() *command {
	w.t.Helper()
	apply := &command{Cmd: w.p.command(context.Background(), "apply", "-auto-approve")}
	apply.Stdout, apply.Stderr = &apply.out, &apply.out
	if err := apply.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if apply.ProcessState == nil {
			apply.Process.Kill()
			apply.Wait()
		}
		if w.t.Failed() {
			w.t.Logf("the apply:\n%s", apply.out.String())
		}
	})
	w.on(fmt.Sprintf("until find %s -type f -size +20M 2>/dev/null | grep -q .; do sleep 0.01; done", partsDir))
	return apply
}

// arrived checks that the pod runs with the layer's file whole, and that nothing
// is left to do.
func (w *pushing) arrived() {
	w.t.Helper()
	if got := w.on("sha256sum /run/containerd/io.containerd.runtime.v2.task/stowage/*/rootfs/noise"); !strings.HasPrefix(got, w.sum) {
		w.t.Errorf("the pod has %s, want %s", got, w.sum)
	}
	w.p.empty()
}
