package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stowage-iac/stowage/api"
)

// child is an agent in a process of its own, so that it can be killed or run on
// another host: this test's binary with childEnv set to the path of a child as
// JSON. Its manager are two files.
type child struct {
	Options     childOptions
	Assignments string // []api.AssignmentUpdate; absent: no manager in reach; read again when replaced
	Status      string // api.LocalView, replaced at every report
}

// childOptions are the Options that are data.
type childOptions struct {
	Cluster, Node, Containerd, DataDir, RunDir, Namespace, CgroupRoot string
}

const childEnv = "STOWAGE_AGENT_TEST_CHILD"

// runChild is the child's main.
func runChild(path string) error {
	var c child
	if _, err := readJSON(path, &c); err != nil {
		return err
	}
	files := &fileManager{child: c}
	o := c.Options
	a, err := New(Options{Cluster: o.Cluster, Node: o.Node, Containerd: o.Containerd, DataDir: o.DataDir, RunDir: o.RunDir,
		Namespace: o.Namespace, CgroupRoot: o.CgroupRoot, Source: files, Reporter: files})
	if err != nil {
		return err
	}
	files.view = a.View
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	return a.Run(ctx)
}

type fileManager struct {
	child
	view func() api.LocalView
}

func (f *fileManager) Assignments(ctx context.Context, put func(api.AssignmentUpdate) error) error {
	read := func() (time.Time, []api.AssignmentUpdate, error) {
		st, err := os.Stat(f.child.Assignments)
		if err != nil {
			return time.Time{}, nil, err
		}
		var all []api.AssignmentUpdate
		_, err = readJSON(f.child.Assignments, &all)
		return st.ModTime(), all, err
	}
	at, all, err := read()
	if err != nil {
		return err
	}
	for _, u := range all {
		if err := put(u); err != nil {
			return err
		}
	}
	for pause(ctx, 10*time.Millisecond) {
		if now, _, err := read(); err != nil || !now.Equal(at) {
			return fmt.Errorf("replaced: %v", err)
		}
	}
	return ctx.Err()
}

func (f *fileManager) Report(context.Context, api.StatusReport) error {
	return writeJSON(f.Status, f.view())
}

// childControl starts, kills and instructs a child on this host.
type childControl struct {
	t   *testing.T
	dir string
	c   child
	cmd *exec.Cmd
}

func newChild(t *testing.T, n *node) *childControl {
	n.down() // the child takes its place
	dir := t.TempDir()
	c := &childControl{t: t, dir: dir, c: child{Assignments: filepath.Join(dir, "assignments.json"), Status: filepath.Join(dir, "status.json"),
		Options: childOptions{n.o.Cluster, n.o.Node, n.o.Containerd, n.o.DataDir, n.o.RunDir, n.o.Namespace, n.o.CgroupRoot}}}
	if err := writeJSON(filepath.Join(dir, "child.json"), c.c); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.kill)
	return c
}

func (c *childControl) start() {
	c.t.Helper()
	c.cmd = exec.Command("/proc/self/exe")
	c.cmd.Env = append(os.Environ(), childEnv+"="+filepath.Join(c.dir, "child.json"))
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := c.cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
}

func (c *childControl) kill() {
	if c.cmd != nil {
		_ = c.cmd.Process.Kill()
		_ = c.cmd.Wait()
		c.cmd = nil
	}
}

// assign replaces the assignments.
func (c *childControl) assign(keep []string, replicas ...*api.Assignment) {
	c.t.Helper()
	all := []api.AssignmentUpdate{{Type: "put", Node: &api.NodeSpec{Name: "n1", PodCIDR: "10.210.9.0/24"}}}
	for _, a := range replicas {
		all = append(all, api.AssignmentUpdate{Type: "put", Replica: a})
	}
	if err := writeJSON(c.c.Assignments, append(all, api.AssignmentUpdate{Type: "synced", KeepImages: keep})); err != nil {
		c.t.Fatal(err)
	}
}

// view is the last report.
func (c *childControl) view() api.LocalView {
	var v api.LocalView
	b, _ := os.ReadFile(c.c.Status)
	_ = json.Unmarshal(b, &v)
	return v
}

func assignment(pod string, slot int, t api.PodTemplate) *api.Assignment {
	return &api.Assignment{Binding: api.Binding{Pod: pod, Slot: slot, Node: "n1", Revision: api.TemplateRevision(t)}, Template: t}
}

// Killed at any instant of starting, replacing and removing pods, the agent ends
// in the declared world: nothing missing, nothing left over. A pod that nothing
// changes serves all the while.
func TestAgentKilledAtAnyInstant(t *testing.T) {
	n := startNode(t)
	c := newChild(t, n)
	stable := assignment("stable", 0, n.web(18080))
	c.assign(nil, stable)
	c.start()
	n.serves("http://127.0.0.1:18080/", "stable-0")
	before := 0
	eventually(t, func() error {
		if before = c.pid("stable#0"); before == 0 {
			return fmt.Errorf("not reported yet")
		}
		return nil
	})
	client := startClient("http://127.0.0.1:18080/")

	var last []*api.Assignment
	for round := range 25 {
		last = []*api.Assignment{stable}
		for slot := range 1 + round%3 { // more, fewer, and new revisions
			pod := n.pod(fmt.Sprintf("echo %d; exec sleep 1000000", round/2))
			pod.StopGrace = time.Millisecond
			last = append(last, assignment("churn", slot, pod))
		}
		c.assign(nil, last...)
		time.Sleep(time.Duration(round*17%400) * time.Millisecond) // the instant
		c.kill()
		c.start()
	}
	eventually(t, func() error { return c.settled(last) })
	if err := client.stop(); err != nil {
		t.Errorf("after %d good requests: %v", client.count(), err)
	}
	if after := c.pid("stable#0"); after != before {
		t.Errorf("the stable pod was process %d and is %d", before, after)
	}
	eventually(t, func() error { // what containerd did not know is gone as well
		if shims := n.shims(); len(shims) != len(last) {
			return fmt.Errorf("%d replicas and shims %q", len(last), shims)
		}
		return nil
	})
	if ids := n.containers(t); len(ids) != len(last) {
		t.Errorf("%d replicas and containers %v", len(last), ids)
	}
	for _, pattern := range []string{n.o.RunDir + "/pods/*", n.o.RunDir + "/ns/*", n.o.DataDir + "/network/addresses/*"} {
		if found, _ := filepath.Glob(pattern); len(found) != len(last) {
			t.Errorf("%d replicas and %v", len(last), found)
		}
	}
	c.assign(nil)
	eventually(t, func() error { return c.settled(nil) })
	if ids := n.containers(t); len(ids) != 0 {
		t.Errorf("containers %v", ids)
	}
}

// shims are the IDs that the shims of the node's containerd have.
func (n *node) shims() (ids []string) {
	procs, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, p := range procs {
		b, _ := os.ReadFile(p)
		if args := strings.Split(string(b), "\x00"); len(args) > 6 && strings.Contains(args[0], "containerd-shim") && args[6] == n.d.Socket {
			ids = append(ids, args[4])
		}
	}
	return ids
}

func (c *childControl) pid(key string) int {
	for _, r := range c.view().Replicas {
		if (api.Binding{Pod: r.Pod, Slot: r.Slot}).Key() == key && len(r.Containers) == 1 {
			return r.Containers[0].PID
		}
	}
	return 0
}

// settled is nil when exactly these replicas run.
func (c *childControl) settled(want []*api.Assignment) error {
	v := c.view()
	running := map[string]string{}
	for _, r := range v.Replicas {
		if r.Phase != api.PhaseRunning {
			return fmt.Errorf("%+v", r)
		}
		running[api.Binding{Pod: r.Pod, Slot: r.Slot}.Key()] = r.Revision
	}
	for _, a := range want {
		if running[a.Key()] != a.Revision {
			return fmt.Errorf("%s in revision %s does not run: %v", a.Key(), a.Revision, running)
		}
	}
	if len(running) != len(want) {
		return fmt.Errorf("running %v", running)
	}
	return nil
}
