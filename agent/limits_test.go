package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stowage-iac/stowage/api"
)

func itoa(n int) string { return strconv.Itoa(n) }

func TestIsolation(t *testing.T) {
	n := startNode(t)
	key := n.assign("web", 0, n.pod("mount > /tmp/m 2>/dev/null; echo ready; sleep 1000000", func(c *api.Container) { c.ReadOnly = false }))
	st := n.phase(t, key, api.PhaseRunning)
	status, err := os.ReadFile(filepath.Join("/proc", itoa(st.Containers[0].PID), "status"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"NoNewPrivs:\t1", "Seccomp:\t2",
		"CapBnd:\t00000000a80425fb", "CapEff:\t00000000a80425fb", "CapInh:\t0000000000000000", "CapAmb:\t0000000000000000",
	} {
		if !strings.Contains(string(status), want+"\n") {
			t.Errorf("no %q in\n%s", want, status)
		}
	}
	// The pod shares network and IPC, nothing else of the host.
	pid := itoa(st.Containers[0].PID)
	for _, ns := range []string{"net", "ipc", "pid", "mnt", "uts"} {
		in, err1 := os.Readlink("/proc/" + pid + "/ns/" + ns)
		out, err2 := os.Readlink("/proc/self/ns/" + ns)
		if err1 != nil || err2 != nil || in == out {
			t.Errorf("%s namespace: %s in the container, %s on the host", ns, in, out)
		}
	}
}

func TestContainersOfAPodShareNetworkAndIPC(t *testing.T) {
	n := startNode(t)
	pod := n.pod("until wget -q -O - http://127.0.0.1/; do sleep 0.1; done; cat /dev/shm/hello; sleep 1000000")
	pod.Containers = append(pod.Containers, api.Container{Name: "side", Image: n.image,
		Command: []string{"sh", "-c", "echo from-shm > /dev/shm/hello; mkdir /www; echo from-net > /www/index.html; exec httpd -f -h /www"}})
	key := n.assign("web", 0, pod)
	n.phase(t, key, api.PhaseRunning)
	n.hasOutput("web-0", "from-net")
	n.hasOutput("web-0", "from-shm")
}

func TestMemoryLimitKills(t *testing.T) {
	n := startNode(t)
	pod := n.pod("sleep 0.2; dd if=/dev/zero of=/dev/null bs=64M count=1000", func(c *api.Container) {
		c.Resources.LimitMemory = 16 << 20
	})
	pod.Restart = "never"
	key := n.assign("hog", 0, pod)
	st := n.phase(t, key, api.PhaseFailed)
	if st.Reason != "OOMKilled" || !st.Containers[0].OOMKilled || !strings.Contains(st.Message, "more memory than its limit") {
		t.Errorf("got %+v", st)
	}
}

func TestPidsLimit(t *testing.T) {
	n := startNode(t)
	key := n.assign("forks", 0, n.pod(`for i in 1 2 3 4 5 6 7 8 9 10; do sleep 1000000 & done; echo "all"; sleep 1000000`, func(c *api.Container) {
		c.Resources.LimitPids = 5
	}))
	n.await(t, "ended", func() bool { return n.status[key].Restarts > 0 })
	eventually(t, func() error { // what the shell says reaches the log after its end
		if out := n.output("forks-0"); !strings.Contains(out, "fork") {
			return fmt.Errorf("eleven processes within a limit of five: %q", out)
		}
		return nil
	})
	if out := n.output("forks-0"); strings.Contains(out, "all\n") {
		t.Errorf("eleven processes within a limit of five: %q", out)
	}
}

func TestCPUQuota(t *testing.T) {
	n := startNode(t)
	key := n.assign("spin", 0, n.pod("while :; do :; done", func(c *api.Container) { c.Resources.LimitMilliCPU, c.Resources.MilliCPU = 100, 50 }))
	n.phase(t, key, api.PhaseRunning)
	dir := "/sys/fs/cgroup/cpu" + n.o.CgroupRoot + "/spin-0/main.1/"
	if _, err := os.Stat(dir); err != nil {
		t.Skip("cgroup v2: ", err)
	}
	read := func(name string) string { b, _ := os.ReadFile(dir + name); return strings.TrimSpace(string(b)) }
	if got := read("cpu.cfs_quota_us") + "/" + read("cpu.cfs_period_us") + " " + read("cpu.shares"); got != "10000/100000 51" {
		t.Errorf("quota, period and shares: %s", got)
	}
	eventually(t, func() error { // it is in fact held back
		for line := range strings.Lines(read("cpu.stat")) {
			if f := strings.Fields(line); len(f) == 2 && f[0] == "nr_throttled" && f[1] != "0" {
				return nil
			}
		}
		return os.ErrNotExist
	})
}

func TestReadOnlyRoot(t *testing.T) {
	n := startNode(t)
	key := n.assign("ro", 0, n.pod("touch /x || echo refused; sleep 1000000", func(c *api.Container) { c.ReadOnly = true }))
	n.phase(t, key, api.PhaseRunning)
	n.hasOutput("ro-0", "refused")
}
