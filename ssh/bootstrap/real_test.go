package bootstrap

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/ssh"
	"github.com/stowage-iac/stowage/test/hosts"
)

// standin builds the stand-in for stowaged. flavour makes the build differ.
func standin(t *testing.T, flavour string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "stowaged-"+flavour)
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w -X main.Flavour="+flavour, "-o", path, "./testdata/standin")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the stand-in: %v\n%s", err, out)
	}
	return path
}

func dial(t *testing.T, lab *hosts.Lab, i int, user string) ssh.Host {
	t.Helper()
	h, err := ssh.Dial(t.Context(), ssh.Config{
		Name: lab.Hosts[i].Name, Address: lab.Hosts[i].Addr, User: user, PrivateKey: lab.Key, KnownHosts: lab.KnownHosts,
	}, ssh.Options{AgentSocket: "none", Home: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

func run(t *testing.T, h ssh.Host, script string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := h.Run(ctx, ssh.Command{Script: script})
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", script, err, out.Stdout, out.Stderr)
	}
	return out.Stdout
}

// prepare runs Prepare as an apply does, and returns what it reported.
func prepare(t *testing.T, h ssh.Host, binary string, react ...func(string)) ([]string, error) {
	t.Helper()
	facts, err := ssh.Facts(t.Context(), h)
	if err != nil {
		t.Fatal(err)
	}
	var progress []string
	err = Prepare(t.Context(), h, facts, Options{
		Stowaged: func(arch string) (string, error) { return binary, nil },
		Progress: func(s string) {
			progress = append(progress, s)
			for _, r := range react {
				r(s)
			}
		},
	})
	return progress, err
}

// join takes a prepared host to a running node.
func join(t *testing.T, h ssh.Host, config api.NodeConfig) {
	t.Helper()
	id, err := Identity(t.Context(), h, config.Name)
	if err != nil {
		t.Fatal(err)
	}
	if id.Name != config.Name || id.Recipient == "" {
		t.Fatalf("identity: %+v", id)
	}
	if err := WriteNode(t.Context(), h, config, &api.JoinResponse{Certificate: "cert\n", CA: "ca\n"}); err != nil {
		t.Fatal(err)
	}
	if err := Start(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := WaitHealthy(ctx, h); err != nil {
		t.Fatal(err)
	}
}

// everything is all of a host that a node could leave behind.
func everything(t *testing.T, h ssh.Host) string {
	t.Helper()
	return run(t, h, `
dpkg -l | awk 'NR > 5 {print "package", $1, $2, $3}'
find /etc /usr/local /opt /var/lib /run /var/log/stowage -xdev \
  ! -path '/var/lib/apt/*' ! -path '/var/lib/dpkg/*' ! -path '/run/systemd/*' ! -path '/run/user/*' ! -path '/run/log/*' \
  ! -path '/var/lib/systemd/*' ! -path '/run/sudo/*' ! -path '/run/utmp' ! -path '/run/udev/*' ! -path '/var/lib/sudo/*' \
  -printf 'file %p %M %u:%g %l\n' 2>/dev/null | sort
find /etc -xdev -type f ! -name ld.so.cache -exec sha256sum {} + | sort -k2
systemctl list-unit-files --no-legend --plain | awk '{print "unit", $1, $2}'
systemctl list-units --no-legend --plain --type=service --state=running,failed | awk '$1 !~ /^(user@|session)/ {print "running", $1}'
ip -o link | awk '{print "link", $2}'
nft list ruleset 2>/dev/null
for f in net/ipv4/ip_forward; do echo "$f $(cat /proc/sys/$f)"; done
cat /etc/passwd /etc/group
awk '{print "mount", $2, $3}' /proc/mounts | grep -v ' /run/user' | sort`)
}

// A bare host becomes a node, and a bare host again.
func TestRealBareHostAndBack(t *testing.T) {
	lab := hosts.Start(t, hosts.Options{N: 1, Variant: hosts.Bare})
	binary := standin(t, "one")
	h := dial(t, lab, 0, "root")
	before := everything(t, h)

	start := time.Now()
	progress, err := prepare(t, h, binary)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("first Prepare took %v: %s", time.Since(start), strings.Join(progress, "; "))

	start = time.Now()
	if progress, err = prepare(t, h, binary); err != nil {
		t.Fatal(err)
	}
	if len(progress) > 0 {
		t.Errorf("the second Prepare did something: %q", progress)
	}
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("the second Prepare took %v", took)
	} else {
		t.Logf("second Prepare, with facts, took %v", took)
	}

	config := api.NodeConfig{Cluster: "c1", Name: "a", Role: api.RoleManager, Address: lab.Hosts[0].Addr}
	start = time.Now()
	join(t, h, config)
	t.Logf("identity to healthy took %v", time.Since(start))
	pid := run(t, h, "systemctl show -p MainPID --value stowaged")
	join(t, h, config)
	if again := run(t, h, "systemctl show -p MainPID --value stowaged"); again != pid {
		t.Errorf("stowaged was restarted although nothing changed: %s, %s", pid, again)
	}
	if mode := run(t, h, "stat -c '%a %U' /etc/stowage /etc/stowage/node.json /var/lib/stowage /var/lib/stowage/install.json"); mode != "700 root\n600 root\n700 root\n600 root\n" {
		t.Errorf("modes: %s", mode)
	}

	start = time.Now()
	var said []string
	if err := Remove(t.Context(), h, func(s string) { said = append(said, s) }); err != nil {
		t.Fatal(err)
	}
	t.Logf("Remove took %v: %s", time.Since(start), strings.Join(said, "; "))
	if diff := cmp.Diff(strings.Split(before, "\n"), strings.Split(everything(t, h), "\n")); diff != "" {
		t.Errorf("the host is not as it was (-before +after):\n%s", diff)
	}
	if err := Remove(t.Context(), h, nil); err != nil {
		t.Errorf("a second Remove: %v", err)
	}
}

// The same with the real agent, as a manager and with its store. With and
// without systemd.
func TestRealAgentAndBack(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "stowaged")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary, "github.com/stowage-iac/stowage/cmd/stowaged")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build stowaged: %v\n%s", err, out)
	}
	lab := hosts.Start(t, hosts.Options{N: 2, Variant: hosts.Bare})
	for i, init := range []string{"systemd", "none"} {
		t.Run(init, func(t *testing.T) {
			h := dial(t, lab, i, "root")
			before := everything(t, h)
			if init == "none" {
				run(t, h, "mv /run/systemd/system /run/systemd/hidden")
			}
			begin := time.Now()
			if _, err := prepare(t, h, binary); err != nil {
				t.Fatal(err)
			}
			prepared := time.Since(begin)
			if _, err := Identity(t.Context(), h, "a"); err != nil {
				t.Fatal(err)
			}
			config := api.NodeConfig{Cluster: "c1", Name: "a", Role: api.RoleManager, Address: lab.Hosts[i].Addr,
				Managers: []string{lab.Hosts[i].Addr + ":7464"}, Supervise: init != "systemd"}
			begin = time.Now()
			for range 2 { // the second time nothing changes
				if err := WriteNode(t.Context(), h, config, nil); err != nil {
					t.Fatal(err)
				}
				if err := Start(t.Context(), h); err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
				defer cancel()
				if err := WaitHealthy(ctx, h); err != nil {
					t.Fatal(err)
				}
			}
			t.Logf("prepared in %v, a healthy manager %v later", prepared, time.Since(begin))
			s, err := ssh.Inspect(t.Context(), h)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range Preflight(s, true) {
				if f.Severity == Error {
					t.Errorf("on a node that runs: %s: %s", f.Summary, f.Detail)
				}
			}
			begin = time.Now()
			if err := Remove(t.Context(), h, func(s string) { t.Logf("%v %s", time.Since(begin), s) }); err != nil {
				t.Fatal(err)
			}
			t.Logf("removed in %v", time.Since(begin))
			if left := run(t, h, "ps -e -o comm | grep -E '^(stowaged|containerd)' || true"); left != "" {
				t.Errorf("still running: %s", left)
			}
			if init == "none" {
				run(t, h, "mv /run/systemd/hidden /run/systemd/system && systemctl daemon-reload")
			}
			if diff := cmp.Diff(strings.Split(before, "\n"), strings.Split(everything(t, h), "\n")); diff != "" {
				t.Errorf("the host is not as it was (-before +after):\n%s", diff)
			}
		})
	}
}

// A user with sudo is as good as root: everything goes through sudo and the
// helper on the host, since sshd would connect to sockets as the user.
func TestRealUserWithSudo(t *testing.T) {
	lab := hosts.Start(t, hosts.Options{N: 1, Variant: hosts.Ready})
	h := dial(t, lab, 0, "deploy")
	before := everything(t, h)
	if _, err := prepare(t, h, standin(t, "one")); err != nil {
		t.Fatal(err)
	}
	join(t, h, api.NodeConfig{Cluster: "c1", Name: "a", Role: api.RoleWorker, Address: lab.Hosts[0].Addr})
	if err := Remove(t.Context(), h, nil); err != nil {
		t.Fatal(err)
	}
	// containerd was there before, so it stays.
	if diff := cmp.Diff(strings.Split(before, "\n"), strings.Split(everything(t, h), "\n")); diff != "" {
		t.Errorf("the host is not as it was (-before +after):\n%s", diff)
	}
}

// stowaged comes back however often it dies, is replaced by a new build, and
// says why it does not start.
func TestRealAgentsLife(t *testing.T) {
	lab := hosts.Start(t, hosts.Options{N: 1, Variant: hosts.Ready})
	h := dial(t, lab, 0, "root")
	if _, err := prepare(t, h, standin(t, "one")); err != nil {
		t.Fatal(err)
	}
	config := api.NodeConfig{Cluster: "c1", Name: "a", Role: api.RoleWorker, Address: lab.Hosts[0].Addr}
	join(t, h, config)

	run(t, h, `for n in $(seq 50); do
  until pid=$(systemctl show -p MainPID --value stowaged) && [ "$pid" != 0 ]; do :; done
  kill -KILL "$pid"
  while [ "$(systemctl show -p MainPID --value stowaged)" = "$pid" ]; do :; done
done`)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := WaitHealthy(ctx, h); err != nil {
		t.Errorf("after 50 kills in a row: %v", err)
	}

	if _, err := prepare(t, h, standin(t, "two")); err != nil {
		t.Fatal(err)
	}
	join(t, h, config)
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return h.Dial(ctx, api.Socket) }}}
	var view api.LocalView
	if err := get(t.Context(), client, "/v1/local", &view); err != nil || view.Node.Version != "two" {
		t.Errorf("after an upgrade the version is %q (%v)", view.Node.Version, err)
	}
	client.CloseIdleConnections()

	config.Name = "broken"
	if err := WriteNode(t.Context(), h, config, nil); err != nil {
		t.Fatal(err)
	}
	if err := Start(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if err := WaitHealthy(ctx, h); err == nil || !strings.Contains(err.Error(), "stowaged: the node's name is broken (flavour two)") {
		t.Errorf("the log is not in the error: %v", err)
	}
}

// Without systemd the supervisor does its work.
func TestRealWithoutSystemd(t *testing.T) {
	lab := hosts.Start(t, hosts.Options{N: 1, Variant: hosts.Bare})
	h := dial(t, lab, 0, "root")
	before := everything(t, h)
	// What every tool looks at to know whether systemd runs.
	run(t, h, "mv /run/systemd/system /run/systemd/hidden")
	binary := standin(t, "one")
	if _, err := prepare(t, h, binary); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(lab.Hosts[0].Root(), api.UnitFile)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a unit file was written: %v", err)
	}
	config := api.NodeConfig{Cluster: "c1", Name: "a", Role: api.RoleWorker, Address: lab.Hosts[0].Addr, Supervise: true}
	join(t, h, config)
	pid := run(t, h, "cat /run/stowage/supervise.pid")
	join(t, h, config)
	if again := run(t, h, "cat /run/stowage/supervise.pid"); again != pid {
		t.Errorf("the supervisor was restarted although nothing changed: %s, %s", pid, again)
	}
	config.Address = "10.0.0.1"
	join(t, h, config)
	if again := run(t, h, "cat /run/stowage/supervise.pid"); again == pid {
		t.Error("the supervisor was not restarted although the configuration changed")
	}
	if err := Remove(t.Context(), h, nil); err != nil {
		t.Fatal(err)
	}
	if left := run(t, h, "ps -e -o comm | grep -E '^(stowaged|containerd)' || true"); left != "" {
		t.Errorf("still running: %s", left)
	}
	run(t, h, "mv /run/systemd/hidden /run/systemd/system && systemctl daemon-reload")
	if diff := cmp.Diff(strings.Split(before, "\n"), strings.Split(everything(t, h), "\n")); diff != "" {
		t.Errorf("the host is not as it was (-before +after):\n%s", diff)
	}
}
