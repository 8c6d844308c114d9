package agent

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	client "github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/containerd/containerd/v2/pkg/oci"
	"golang.org/x/sys/unix"

	"github.com/stowage-iac/stowage/agent/runtime/containerd/containerdtest"
	"github.com/stowage-iac/stowage/api"
)

func TestReasonsNameTheCause(t *testing.T) {
	n := startNode(t)
	l, err := net.Listen("tcp", ":18090")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	missing := n.pod("true")
	missing.Containers[0].Image = "stowage.test/absent@sha256:" + strings.Repeat("0", 64)
	broken := n.pod("true")
	broken.Containers[0].Command = []string{"/no/such/program"}
	nobody := n.pod("true", func(c *api.Container) { c.User = "nobody-here" })
	for _, c := range []struct {
		pod     string
		t       api.PodTemplate
		reason  string
		message string
	}{
		{"missing", missing, "ImageMissing", "is not on node n1: apply again to push it"},
		{"taken", n.web(18090), "PortTaken", fmt.Sprintf("node n1: host port 18090/tcp is held by exe (pid %d)", os.Getpid())},
		{"broken", broken, "StartFailed", `exec: "/no/such/program": stat /no/such/program: no such file or directory`},
		{"nobody", nobody, "StartFailed", `user "nobody-here" is not in the image's /etc/passwd`},
		{"crash", n.pod("exit 9"), "CrashLoop", "container main ended with exit code 9"},
	} {
		key := n.assign(c.pod, 0, c.t)
		if st := n.reason(t, key, c.reason); !strings.Contains(st.Message, c.message) {
			t.Errorf("%s: %q does not say %q", c.pod, st.Message, c.message)
		}
	}
	// What was missing comes: no need to wait for the back-off's end.
	l.Close()
	n.phase(t, "taken#0", api.PhaseRunning)
	late := containerdtest.Busybox()
	late.Config.Env = append(late.Config.Env, "LATE=1")
	first := n.pod("sleep 1000000")
	first.Containers[0].Image = "stowage.test/late@" + digestOf(t, n, late)
	key := n.assign("late", 0, first)
	n.reason(t, key, "ImageMissing")
	n.d.Import(t, n.o.Namespace, "stowage.test/late", late)
	n.phase(t, key, api.PhaseRunning)
}

// digestOf is the digest that an image will have.
func digestOf(t *testing.T, n *node, i containerdtest.Image) string {
	_, digest, _ := strings.Cut(n.d.Import(t, "elsewhere", "x", i), "@")
	return digest
}

// Stopping the agent at any moment leaves containers running, and the next
// agent takes them over as they are.
func TestAgentRestartsAdoptWhatRuns(t *testing.T) {
	n := startNode(t)
	key := n.assign("web", 0, n.web(18080))
	before := n.phase(t, key, api.PhaseRunning)
	n.serves("http://127.0.0.1:18080/", "web-0")
	client := startClient("http://127.0.0.1:18080/")
	for range 10 {
		n.down()
		n.up()
		n.await(t, "adopted", func() bool { return n.last.StartedAt.Equal(n.agent.started) && n.status[key].Phase == api.PhaseRunning })
	}
	if err := client.stop(); err != nil {
		t.Errorf("after %d good requests: %v", client.count(), err)
	}
	after := n.phase(t, key, api.PhaseRunning)
	if after.Containers[0].PID != before.Containers[0].PID || after.Restarts != 0 || after.IP != before.IP {
		t.Errorf("was %+v, is %+v", before, after)
	}
	// What ends while no agent runs is started again, and counted.
	n.down()
	if err := syscall.Kill(before.Containers[0].PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	n.up()
	n.await(t, "healed", func() bool { s := n.status[key]; return s.Phase == api.PhaseRunning && s.Restarts == 1 })
	n.serves("http://127.0.0.1:18080/", "web-0")
}

// requests keeps requesting a URL until it fails or is stopped.
type requests struct {
	quit  chan struct{}
	done  chan error
	total atomic.Int64
}

func startClient(url string) *requests {
	r := &requests{quit: make(chan struct{}), done: make(chan error, 1)}
	go func() {
		for {
			select {
			case <-r.quit:
				r.done <- nil
				return
			default:
			}
			if _, err := get(url); err != nil {
				r.done <- err
				return
			}
			r.total.Add(1)
		}
	}()
	return r
}

func (r *requests) stop() error  { close(r.quit); return <-r.done }
func (r *requests) count() int64 { return r.total.Load() }

func TestContainerdKilledUnderARunningPod(t *testing.T) {
	n := startNode(t)
	key := n.assign("web", 0, n.web(18080))
	before := n.phase(t, key, api.PhaseRunning)
	n.serves("http://127.0.0.1:18080/", "web-0")
	client := startClient("http://127.0.0.1:18080/")
	for range 3 {
		n.d.Kill(t)
		n.await(t, "not ready", func() bool { return !n.last.Ready && strings.Contains(n.last.Message, "containerd does not answer") })
		n.d.Up(t)
		n.await(t, "ready", func() bool { return n.last.Ready })
	}
	if err := client.stop(); err != nil {
		t.Errorf("after %d good requests: %v", client.count(), err)
	}
	if after := n.phase(t, key, api.PhaseRunning); after.Containers[0].PID != before.Containers[0].PID {
		t.Errorf("was %+v, is %+v", before, after)
	}
	// It ends while containerd is down: noticed and healed when that is back.
	n.d.Kill(t)
	if err := syscall.Kill(before.Containers[0].PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	n.d.Up(t)
	n.await(t, "healed", func() bool { s := n.status[key]; return s.Phase == api.PhaseRunning && s.Restarts == 1 })
	n.serves("http://127.0.0.1:18080/", "web-0")
}

// With no manager in reach the agent works from its copy; after a power cut too.
func TestRebootWithoutAManager(t *testing.T) {
	n := startNode(t)
	pod := n.web(18080)
	pod.Containers[0].Env = []api.EnvVar{{Name: "TOKEN", Sealed: "token"}}
	pod.Containers[0].Mounts = []api.Mount{{Path: "/etc/site", Config: "site", Version: "v1"}}
	n.config(&api.ConfigData{Name: "site", ConfigSpec: api.ConfigSpec{Version: "v1", Files: map[string][]byte{"a": []byte("a")}}})
	key := n.assign("web", 0, pod, n.seal(api.SealedBundle{"token": []byte("x")})...)
	before := n.phase(t, key, api.PhaseRunning)
	n.leave()
	n.down()
	powerCut(t, n)
	n.up()
	n.serves("http://127.0.0.1:18080/", "web-0")
	if v := n.agent.View(); len(v.Replicas) != 1 || v.Replicas[0].IP != before.IP {
		t.Errorf("the local view: %+v", v)
	}
	// Declarations that changed meanwhile are made true when a manager is back.
	n.mu.Lock()
	delete(n.replicas, key)
	n.mu.Unlock()
	n.comeBack()
	n.goneFor(t, key)
}

// powerCut does to this host what one does: processes, mounts and kernel state
// go, files stay. The boot ID cannot change here, so the run directory goes too, as a tmpfs would.
func powerCut(t *testing.T, n *node) {
	n.d.Kill(t)
	killAll(t, n)
	for _, cmd := range []string{"ip link del stowage0", "nft delete table ip stowage"} {
		f := strings.Fields(cmd)
		if out, err := exec.Command(f[0], f[1:]...).CombinedOutput(); err != nil {
			t.Fatal(string(out))
		}
	}
	for _, dir := range []string{n.o.RunDir, filepath.Join(n.d.Dir(), "state")} {
		if err := unmountBelow(dir); err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
	}
	n.d.Up(t)
}

// killAll ends the daemon's shims and the containers.
func killAll(t *testing.T, n *node) {
	procs, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, p := range procs {
		b, _ := os.ReadFile(p)
		if strings.Contains(string(b), "containerd-shim") && strings.Contains(string(b), n.d.Dir()) {
			var pid int
			fmt.Sscanf(p, "/proc/%d/cmdline", &pid)
			_ = unix.Kill(pid, unix.SIGKILL)
		}
	}
	for _, pid := range processes(n.o.CgroupRoot) {
		_ = unix.Kill(pid, unix.SIGKILL)
	}
	eventually(t, func() error {
		if left := processes(n.o.CgroupRoot); len(left) > 0 {
			return fmt.Errorf("processes %v live", left)
		}
		return nil
	})
}

// Containers with our labels that nobody declared go; nobody else's do.
func TestUndeclaredContainersAreRemovedOthersStay(t *testing.T) {
	n := startNode(t)
	key := n.assign("web", 0, n.pod("sleep 1000000"))
	n.phase(t, key, api.PhaseRunning)
	n.down()
	n.mu.Lock()
	delete(n.replicas, key) // and the node's copy is lost as well
	n.mu.Unlock()
	if err := os.RemoveAll(filepath.Join(n.o.DataDir, "agent")); err != nil {
		t.Fatal(err)
	}
	stranger := n.foreign(t)
	n.leave()
	n.up()
	n.await2(t, func() bool { return n.agent.View().Node.Facts.Containerd != "" })
	if ids := n.containers(t); len(ids) != 2 {
		t.Errorf("before any manager has spoken: %v", ids)
	}
	n.comeBack()
	n.goneFor(t, key)
	if ids := n.containers(t); len(ids) != 1 || ids[0] != stranger {
		t.Errorf("left: %v, want %s only", ids, stranger)
	}
}

// await2 waits for what is not reported.
func (n *node) await2(t *testing.T, ok func() bool) {
	t.Helper()
	eventually(t, func() error {
		if !ok() {
			return fmt.Errorf("not yet")
		}
		return nil
	})
}

func (n *node) client(t *testing.T) (*client.Client, context.Context) {
	c, err := client.New(n.d.Socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c, namespaces.WithNamespace(context.Background(), n.o.Namespace)
}

// foreign makes a container in our namespace that is not ours.
func (n *node) foreign(t *testing.T) string {
	c, ctx := n.client(t)
	img, err := c.GetImage(ctx, n.image)
	if err != nil {
		t.Fatal(err)
	}
	const id = "stranger"
	ctr, err := c.NewContainer(ctx, id, client.WithNewSnapshot(id, img), client.WithNewSpec(oci.WithImageConfig(img)), client.WithContainerLabels(map[string]string{"com.example": "yes"}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ctr.Delete(ctx, client.WithSnapshotCleanup) })
	return id
}

func (n *node) containers(t *testing.T) (ids []string) {
	c, ctx := n.client(t)
	list, err := c.Containers(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, ctr := range list {
		ids = append(ids, ctr.ID())
	}
	return ids
}
