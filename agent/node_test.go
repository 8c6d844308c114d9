package agent

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/stowage-iac/stowage/agent/runtime/containerd/containerdtest"
	"github.com/stowage-iac/stowage/api"
)

// node is a host with a containerd of its own and an agent on it.
type node struct {
	*manager
	t     testing.TB
	d     *containerdtest.Daemon
	o     Options
	image string
	key   *age.X25519Identity

	agent *Agent
	stop  context.CancelFunc
	ended chan error
}

func startNode(t testing.TB) *node {
	d := containerdtest.Start(t)
	key, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	m := newManager()
	dir, err := os.MkdirTemp("", "node")
	if err != nil {
		t.Fatal(err)
	}
	n := &node{manager: m, t: t, d: d, key: key, o: Options{
		Cluster: "c1", Node: "n1", Version: "test", Containerd: d.Socket,
		DataDir: filepath.Join(dir, "data"), RunDir: filepath.Join(dir, "run"), Namespace: "stowage-test",
		CgroupRoot: fmt.Sprintf("/stowage-test-%d", os.Getpid()), Source: m, Reporter: m,
		Identity: func() (age.Identity, error) { return key, nil },
		Log:      slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}}
	n.image = d.Import(t, n.o.Namespace, "stowage.test/busybox", containerdtest.Busybox())
	m.keep = []string{n.image}
	t.Cleanup(func() {
		n.down()
		if err := Teardown(context.Background(), n.o); err != nil {
			t.Error(err)
		}
		if left := leftovers(n.o); left != "" {
			t.Errorf("the teardown has left:\n%s", left)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	n.up()
	return n
}

type testWriter struct{ t testing.TB }

func (w testWriter) Write(b []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(b)))
	return len(b), nil
}

// up starts an agent.
func (n *node) up() {
	n.t.Helper()
	a, err := New(n.o)
	if err != nil {
		n.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	n.agent, n.stop, n.ended = a, cancel, make(chan error, 1)
	go func() { n.ended <- a.Run(ctx) }()
}

// down stops it; its containers go on.
func (n *node) down() {
	if n.agent == nil {
		return
	}
	n.stop()
	if err := <-n.ended; err != nil {
		n.t.Error(err)
	}
	n.agent = nil
}

// leftovers names what a teardown should have removed.
func leftovers(o Options) string {
	var out []string
	for _, cmd := range []string{"ip -o link show type veth", "ip -o link show type bridge", "nft list tables"} {
		f := strings.Fields(cmd)
		b, _ := exec.Command(f[0], f[1:]...).CombinedOutput()
		if s := strings.TrimSpace(string(b)); s != "" {
			out = append(out, s)
		}
	}
	for _, dir := range []string{o.RunDir, o.DataDir} {
		found, _ := filepath.Glob(dir + "/*")
		out = append(out, found...)
	}
	out = append(out, cgroupDirs(o.CgroupRoot)...)
	mounts, _ := os.ReadFile("/proc/self/mountinfo")
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, o.RunDir) {
			out = append(out, line)
		}
	}
	return strings.Join(out, "\n")
}

// pod is a template of one container that runs a shell script.
func (n *node) pod(script string, change ...func(*api.Container)) api.PodTemplate {
	c := api.Container{Name: "main", Image: n.image, Command: []string{"sh", "-c", script}}
	for _, f := range change {
		f(&c)
	}
	return api.PodTemplate{Containers: []api.Container{c}, Restart: "always", StopGrace: time.Second}
}

// web is a pod that serves its hostname by HTTP on a host port.
func (n *node) web(hostPort int) api.PodTemplate {
	return n.pod("mkdir -p /www && hostname > /www/index.html && exec httpd -f -p 80 -h /www", func(c *api.Container) {
		c.Ports = []api.Port{{Name: "http", Container: 80, Host: hostPort}}
	})
}

var httpClient = &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

func get(url string) (string, error) {
	r, err := httpClient.Get(url)
	if err != nil {
		return "", err
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	return strings.TrimSpace(string(b)), err
}

// eventually repeats f until it succeeds; for what nothing announces, as a server's first accept.
func eventually(t testing.TB, f func() error) {
	t.Helper()
	var err error
	for begin := time.Now(); time.Since(begin) < 20*time.Second; time.Sleep(5 * time.Millisecond) {
		if err = f(); err == nil {
			return
		}
	}
	t.Fatal(err)
}

func (n *node) serves(url, want string) {
	n.t.Helper()
	eventually(n.t, func() error {
		got, err := get(url)
		if err == nil && got != want {
			err = fmt.Errorf("%s: got %q, want %q", url, got, want)
		}
		return err
	})
}

// output is what the replica's main container has written.
func (n *node) output(id string) string {
	i := strings.LastIndexByte(id, '-')
	b, _ := os.ReadFile(filepath.Join(n.o.DataDir, "logs", id[:i], id[i+1:], "main.log"))
	return string(b)
}

// hasOutput waits for a line.
func (n *node) hasOutput(id, want string) {
	n.t.Helper()
	eventually(n.t, func() error {
		if out := n.output(id); !slices.Contains(strings.Split(out, "\n"), want) {
			return fmt.Errorf("%s has written %q, not %q", id, out, want)
		}
		return nil
	})
}

func TestPodServesAndHeals(t *testing.T) {
	n := startNode(t)
	key := n.assign("web", 0, n.web(18080))
	st := n.phase(t, key, api.PhaseRunning)
	if !st.Ready || st.IP != "10.210.9.2" || len(st.Containers) != 1 {
		t.Errorf("got %+v", st)
	}
	n.serves("http://127.0.0.1:18080/", "web-0")
	n.serves("http://"+st.IP+"/", "web-0")

	if err := syscall.Kill(st.Containers[0].PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	n.await(t, "healed", func() bool {
		s := n.status[key]
		return s.Phase == api.PhaseRunning && s.Restarts == 1 && s.Containers[0].PID != st.Containers[0].PID
	})
	n.serves("http://127.0.0.1:18080/", "web-0")

	n.withdraw(key)
	n.goneFor(t, key)
	if _, err := get("http://127.0.0.1:18080/"); err == nil {
		t.Error("a withdrawn pod still answers")
	}
}

func TestRevisionChangeReplacesThePodUnderItsAddress(t *testing.T) {
	n := startNode(t)
	key := n.assign("web", 0, n.web(18080))
	before := n.phase(t, key, api.PhaseRunning)
	changed := n.web(18081)
	n.assign("web", 0, changed)
	n.await(t, "new revision", func() bool {
		s := n.status[key]
		return s.Phase == api.PhaseRunning && s.Revision == api.TemplateRevision(changed)
	})
	n.serves("http://127.0.0.1:18081/", "web-0")
	if _, err := get("http://127.0.0.1:18080/"); err == nil {
		t.Error("the old host port still answers")
	}
	if st := n.phase(t, key, api.PhaseRunning); st.IP != before.IP {
		t.Errorf("the address was %s and is %s", before.IP, st.IP)
	}
}

func TestInitContainersRunInOrderToSuccess(t *testing.T) {
	n := startNode(t)
	pod := n.pod("cat /dev/shm/order; sleep 1000000")
	step := func(name, script string) api.Container {
		return api.Container{Name: name, Image: n.image, Command: []string{"sh", "-c", script}}
	}
	pod.Init = []api.Container{
		step("first", "sleep 0.2; echo first > /dev/shm/order"),
		// Fails the first time.
		step("second", "if [ -e /dev/shm/tried ]; then echo second >> /dev/shm/order; else touch /dev/shm/tried; exit 1; fi"),
	}
	key := n.assign("web", 0, pod)
	n.phase(t, key, api.PhaseRunning)
	n.hasOutput("web-0", "second")
	if out := n.output("web-0"); out != "first\nsecond\n" {
		t.Errorf("got %q", out)
	}
}

func TestNeverAndOnFailure(t *testing.T) {
	n := startNode(t)
	never, onFailure := n.pod("exit 3"), n.pod("if [ -e /dev/shm/x ]; then exit 0; fi; touch /dev/shm/x; exit 1")
	never.Restart, onFailure.Restart = "never", "on_failure"
	a, b := n.assign("never", 0, never), n.assign("retry", 0, onFailure)
	if st := n.phase(t, a, api.PhaseFailed); st.Restarts != 0 || st.Containers[0].ExitCode != 3 {
		t.Errorf("never: %+v", st)
	}
	if st := n.phase(t, b, api.PhaseSucceeded); st.Restarts != 1 {
		t.Errorf("on_failure: %+v", st)
	}
	n.down() // an agent that restarts must not run them again
	n.up()
	n.await(t, "a fresh heartbeat", func() bool { return n.last.StartedAt.Equal(n.agent.started) })
	if st := n.phase(t, a, api.PhaseFailed); st.Restarts != 0 {
		t.Errorf("never, after a restart of the agent: %+v", st)
	}
}
