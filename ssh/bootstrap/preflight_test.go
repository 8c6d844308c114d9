package bootstrap

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/ssh"
)

// good is a host without a flaw.
func good() ssh.Survey {
	const gib = 1 << 30
	return ssh.Survey{
		NodeFacts: api.NodeFacts{Arch: "amd64", Kernel: "6.1.0-30-amd64", Init: "systemd", PackageTool: "apt", DiskFree: 20 * gib},
		System:    "Linux", Root: true, Cgroup: "v2", Controllers: []string{"cpu", "memory", "pids"},
		Features: map[string]bool{"overlay": true, "veth": true, "bridge": true, "nf_tables": true, "seccomp": true},
		Disks:    map[string]int64{"/": 20 * gib, "/var/lib/containerd": 20 * gib, "/usr/local/bin": 20 * gib},
	}
}

func TestPreflight(t *testing.T) {
	for _, c := range []struct {
		name   string
		worker bool
		host   func(s *ssh.Survey)
		want   []string // severity: summary
		says   []string
	}{
		{name: "nothing to say", host: func(s *ssh.Survey) {}},
		{name: "cgroup v1", host: func(s *ssh.Survey) { s.Cgroup = "v1" }},
		{name: "cgroups v1 and v2", host: func(s *ssh.Survey) { s.Cgroup = "hybrid" }},
		{name: "arm64", host: func(s *ssh.Survey) { s.Arch = "arm64" }},
		{name: "features that could not be determined", host: func(s *ssh.Survey) { s.Features = nil }},
		{name: "other ports in use", host: func(s *ssh.Survey) {
			s.Listeners = []ssh.Listener{{Protocol: "tcp", Port: 22}, {Protocol: "udp", Port: api.NodePort}}
		}},

		{name: "another system", host: func(s *ssh.Survey) { s.System = "FreeBSD" },
			want: []string{"error: Unsupported operating system"}, says: []string{"FreeBSD"}},
		{name: "another architecture", host: func(s *ssh.Survey) { s.Arch = "riscv64" },
			want: []string{"error: Unsupported architecture"}, says: []string{"riscv64", "arm64"}},
		{name: "no root", host: func(s *ssh.Survey) { s.Root = false },
			want: []string{"error: No root rights"}, says: []string{"NOPASSWD"}},
		{name: "a poor kernel", host: func(s *ssh.Survey) { s.Features["veth"], s.Features["nf_tables"] = false, false },
			want: []string{"error: Kernel feature missing"}, says: []string{"6.1.0-30-amd64", "veth, nf_tables"}},
		{name: "no cgroups", host: func(s *ssh.Survey) { s.Cgroup, s.Controllers = "none", nil },
			want: []string{"error: No cgroups"}},
		{name: "no memory limits", host: func(s *ssh.Survey) { s.Controllers = []string{"cpu", "pids"} },
			want: []string{"warning: Cgroup controller missing"}, says: []string{"memory", "cgroup_enable=memory"}},
		{name: "ports taken", host: func(s *ssh.Survey) {
			s.Listeners = []ssh.Listener{{Protocol: "tcp", Port: api.NodePort, PID: 12, Process: "nginx"}, {Protocol: "tcp", Port: api.PeerPort}}
		}, want: []string{"error: Port taken", "error: Port taken"}, says: []string{"7464", "nginx (process 12)", "7465", "another process"}},
		{name: "ports taken on a worker", worker: true, host: func(s *ssh.Survey) {
			s.Listeners = []ssh.Listener{{Protocol: "tcp", Port: api.NodePort, PID: 12, Process: "nginx"}}
		}},
		{name: "ports taken by ourselves", host: func(s *ssh.Survey) {
			s.Listeners = []ssh.Listener{{Protocol: "tcp", Port: api.NodePort, PID: 12, Process: "stowaged"}}
		}},
		{name: "a full disk", host: func(s *ssh.Survey) { s.DiskFree = 1 << 30 },
			want: []string{"error: Not enough disk space"}, says: []string{"1024 MiB", "2048 MiB", "/var/lib/stowage"}},
		{name: "a full disk of images", host: func(s *ssh.Survey) { s.Disks["/var/lib/containerd"] = 1 << 20 },
			want: []string{"error: Not enough disk space"}, says: []string{"/var/lib/containerd"}},
		{name: "a clock a little off", host: func(s *ssh.Survey) { s.Skew = 30 * time.Second }},
		{name: "a clock off", host: func(s *ssh.Survey) { s.Skew = 31 * time.Second },
			want: []string{"warning: Clock is off"}, says: []string{"31s ahead of"}},
		{name: "a clock far off", host: func(s *ssh.Survey) { s.Skew = -301 * time.Second },
			want: []string{"error: Clock is off"}, says: []string{"5m1s behind", "chrony"}},
		{name: "no package manager", host: func(s *ssh.Survey) { s.PackageTool, s.Runc = "", "1.1" },
			want: []string{"error: No package manager"}, says: []string{"lacks containerd and"}},
		{name: "no package manager, and none needed", host: func(s *ssh.Survey) {
			s.PackageTool, s.Runc, s.Containerd = "", "1.1", "1.7"
		}},
		{name: "a busy package manager", host: func(s *ssh.Survey) { s.PackageLock = "77 unattended-upgr" },
			want: []string{"warning: Package manager is busy"}, says: []string{"unattended-upgr"}},
		{name: "no systemd", host: func(s *ssh.Survey) { s.Init = "openrc" },
			want: []string{"warning: No systemd"}, says: []string{"openrc", "stowaged supervise"}},
		{name: "errors come first", host: func(s *ssh.Survey) { s.Init, s.Skew = "none", time.Hour },
			want: []string{"error: Clock is off", "warning: No systemd"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := good()
			c.host(&s)
			var got []string
			var details strings.Builder
			for _, f := range Preflight(s, !c.worker) {
				got = append(got, string(f.Severity)+": "+f.Summary)
				details.WriteString(f.Detail + "\n")
				if !strings.HasSuffix(f.Detail, ".") {
					t.Errorf("no sentence: %s", f.Detail)
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			for _, s := range c.says {
				if !strings.Contains(details.String(), s) {
					t.Errorf("does not say %q: %s", s, details.String())
				}
			}
		})
	}
}
