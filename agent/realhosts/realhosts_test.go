// Package realhosts tests the agent on Debian hosts that lose power, whose
// containerd is killed, and several at once.
package realhosts

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stowage-iac/stowage/agent/runtime/containerd/containerdtest"
	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/test/hosts"
)

// The agent on a host is the test binary of package agent in its child mode,
// as a systemd unit; its manager are files.
const unit = `[Unit]
After=containerd.service
[Service]
Environment=STOWAGE_AGENT_TEST_CHILD=/var/lib/agent-test/child.json
ExecStart=/usr/local/bin/agent.test
KillMode=process
Restart=always
RestartSec=100ms
[Install]
WantedBy=multi-user.target
`

type host struct {
	*hosts.Host
	t     *testing.T
	image string
}

func startHosts(t *testing.T, n int) []host {
	binary := filepath.Join(t.TempDir(), "agent.test")
	build := exec.Command("go", "test", "-c", "-o", binary, "github.com/stowage-iac/stowage/agent")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	program, err := os.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	lab := hosts.Start(t, hosts.Options{N: n, Variant: hosts.Ready})
	var out []host
	for _, h := range lab.Hosts {
		x := host{Host: h, t: t}
		x.write("/usr/local/bin/agent.test", program, 0o755)
		x.write("/etc/systemd/system/agent-test.service", []byte(unit), 0o644)
		x.writeJSON("/var/lib/agent-test/child.json", map[string]any{
			"Assignments": "/var/lib/agent-test/assignments.json", "Status": "/run/agent-test.json",
			"Options": map[string]string{"Cluster": "c1", "Node": h.Name},
		})
		x.image = containerdtest.ImportTo(t, x.live("/run/containerd/containerd.sock"), api.ContainerdNamespace, "stowage.test/busybox", containerdtest.Busybox())
		x.run("systemctl daemon-reload && systemctl enable --now agent-test && sync")
		out = append(out, x)
	}
	return out
}

func (h host) live(path string) string {
	h.t.Helper()
	root, err := h.Live()
	if err != nil {
		h.t.Fatal(err)
	}
	return root + path
}

func (h host) write(path string, content []byte, mode os.FileMode) {
	h.t.Helper()
	at := h.live(path)
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(at+".new", content, mode); err != nil {
		h.t.Fatal(err)
	}
	if err := os.Rename(at+".new", at); err != nil {
		h.t.Fatal(err)
	}
}

func (h host) writeJSON(path string, v any) {
	h.t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		h.t.Fatal(err)
	}
	h.write(path, b, 0o644)
}

func (h host) run(command string) string {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), time.Minute)
	defer cancel()
	out, err := h.Run(ctx, command)
	if err != nil {
		h.t.Fatal(err)
	}
	return out
}

func (h host) assign(templates map[string]api.PodTemplate) {
	h.t.Helper()
	all := []api.AssignmentUpdate{{Type: "put", Node: &api.NodeSpec{Name: h.Name, PodCIDR: "10.210.1.0/24"}}}
	for pod, t := range templates {
		all = append(all, api.AssignmentUpdate{Type: "put", Replica: &api.Assignment{
			Binding: api.Binding{Pod: pod, Node: h.Name, Revision: api.TemplateRevision(t)}, Template: t}})
	}
	h.writeJSON("/var/lib/agent-test/assignments.json", append(all, api.AssignmentUpdate{Type: "synced", KeepImages: []string{h.image}}))
}

func (h host) pod(script string, ports ...api.Port) api.PodTemplate {
	return api.PodTemplate{Restart: "always", StopGrace: time.Second,
		Containers: []api.Container{{Name: "main", Image: h.image, Command: []string{"sh", "-c", script}, Ports: ports}}}
}

func (h host) web() api.PodTemplate {
	return h.pod("mkdir -p /www && hostname > /www/index.html && exec httpd -f -p 80 -h /www", api.Port{Container: 80, Host: 8080})
}

// status is what the agent said last; empty before it said anything.
func (h host) status() (v api.LocalView) {
	root, err := h.Live()
	if err != nil {
		return v
	}
	b, _ := os.ReadFile(root + "/run/agent-test.json")
	_ = json.Unmarshal(b, &v)
	return v
}

var client = &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

func (h host) get() error {
	r, err := client.Get("http://" + h.Addr + ":8080/")
	if err != nil {
		return err
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err == nil && strings.TrimSpace(string(b)) != "web-0" {
		err = fmt.Errorf("got %q", b)
	}
	return err
}

func eventually(t *testing.T, f func() error) {
	t.Helper()
	var err error
	for begin := time.Now(); time.Since(begin) < time.Minute; time.Sleep(5 * time.Millisecond) {
		if err = f(); err == nil {
			return
		}
	}
	t.Fatal(err)
}

// A power cut, no manager in reach afterwards: the node's pods serve again from
// its own copy, under the same address.
func TestPowerCut(t *testing.T) {
	h := startHosts(t, 1)[0]
	h.assign(map[string]api.PodTemplate{"web": h.web()})
	eventually(t, h.get)
	before := h.status().Replicas[0]
	h.run("sync && rm /var/lib/agent-test/assignments.json && sync") // the manager is gone
	if err := h.PowerCut(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := h.Boot(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, h.get)
	eventually(t, func() error {
		v := h.status()
		if len(v.Replicas) != 1 || v.Replicas[0].Phase != api.PhaseRunning || v.Replicas[0].IP != before.IP {
			return fmt.Errorf("was %+v, is %+v", before, v.Replicas)
		}
		return nil
	})
	// In order, too.
	if err := h.Reboot(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, h.get)
	if f := h.status().Node.Facts; f.OS != "debian" || f.Init != "systemd" || f.PackageTool != "apt" || f.Containerd == "" || f.Runc == "" || f.Memory == 0 {
		t.Errorf("facts %+v", f)
	}
}

// containerd and the agent are killed again and again: no request fails.
func TestDaemonsKilledUnderLoad(t *testing.T) {
	h := startHosts(t, 1)[0]
	h.assign(map[string]api.PodTemplate{"web": h.web()})
	eventually(t, h.get)
	before := h.run("pgrep -x httpd || pgrep -f 'httpd -f'")
	stop, failed := make(chan struct{}), make(chan error, 1)
	good := 0
	go func() {
		for {
			select {
			case <-stop:
				failed <- nil
				return
			default:
			}
			if err := h.get(); err != nil {
				failed <- err
				return
			}
			good++
		}
	}()
	for i := range 10 {
		what := []string{"systemctl kill -s KILL agent-test", "systemctl kill -s KILL --kill-who=main containerd", "systemctl restart containerd"}[i%3]
		h.run(what)
		since := time.Now()
		eventually(t, func() error { // both are back
			v := h.status()
			if v.Node.SeenAt.Before(since) || !v.Node.Ready {
				return fmt.Errorf("after %s: %+v", what, v.Node)
			}
			return nil
		})
	}
	close(stop)
	if err := <-failed; err != nil {
		t.Errorf("after %d good requests: %v", good, err)
	}
	if after := h.run("pgrep -x httpd || pgrep -f 'httpd -f'"); after != before {
		t.Errorf("the server was process %s and is %s", before, after)
	}
	t.Logf("%d requests", good)
}
