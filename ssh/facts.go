package ssh

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/stowage-iac/stowage/api"
)

//go:embed facts.sh
var factsScript string

// Survey is all that one look at a host tells: its facts, and what pre-flight
// judges besides.
type Survey struct {
	api.NodeFacts
	System string // uname -s: Linux
	// Skew is the host's clock minus this machine's, to about a second.
	Skew time.Duration
	// Root says whether the survey ran with root's rights.
	Root bool
	// Cgroup is v1, v2, hybrid (v1 with v2 beside it) or none.
	Cgroup string
	// Controllers are the cgroup controllers that are switched on: cpu, memory, pids, …
	Controllers []string
	// Features says what the kernel can do: overlay, veth, bridge, nf_tables, tun,
	// vxlan, wireguard, seccomp. A feature that could not be determined is absent.
	Features map[string]bool
	// Listeners are the ports that something listens on.
	Listeners []Listener
	// Disks are the bytes free at "/", "/var/lib", "/var/lib/containerd" and "/usr/local/bin".
	Disks map[string]int64
	// PackageLock is the process (id and name) that has dpkg's or apt's lock open, "" when none has.
	PackageLock string
	// Node is the configuration that the host's stowaged has, running or not; nil
	// where the host is no node, or its file is damaged.
	Node *api.NodeConfig
}

// Listener is a port in use.
type Listener struct {
	Protocol string // tcp, udp
	Port     int
	PID      int    // 0: unknown
	Process  string // its name
}

// Facts reads what a host is, in one round trip.
func Facts(ctx context.Context, h Host) (api.NodeFacts, error) {
	s, err := Inspect(ctx, h)
	return s.NodeFacts, err
}

// Inspect surveys a host, in one round trip. It changes nothing there.
func Inspect(ctx context.Context, h Host) (Survey, error) {
	before := time.Now()
	out, err := h.Run(ctx, Command{Script: factsScript})
	if err != nil {
		return Survey{}, fmt.Errorf("read facts: %w", err)
	}
	s, clock, err := parseSurvey(out.Stdout)
	if err != nil {
		return Survey{}, fmt.Errorf("%s: read facts: %w", h.Name(), err)
	}
	// The clock is read at the start of the script, in whole seconds.
	s.Skew = clock.Add(500 * time.Millisecond).Sub(before).Round(time.Second)
	return s, nil
}

// parseSurvey reads the script's output. An incomplete one is an error; unknown
// keys are ignored.
func parseSurvey(out string) (s Survey, clock time.Time, err error) {
	s.Features, s.Disks = map[string]bool{}, map[string]int64{}
	complete := false
	for line := range strings.Lines(out) {
		key, value, _ := strings.Cut(strings.TrimRight(line, "\n"), " ")
		value = strings.TrimSpace(value)
		switch key {
		case "clock":
			clock = time.Unix(number(value), 0)
		case "end":
			complete = true
		default:
			s.set(key, value)
		}
	}
	if !complete || clock.Unix() == 0 {
		return s, clock, fmt.Errorf("the host's answer is incomplete: %q", lastLine(out))
	}
	return s, clock, nil
}

func (s *Survey) set(key, value string) {
	switch key {
	case "uid":
		s.Root = value == "0"
	case "hostname":
		s.Hostname = value
	case "machine_id":
		s.MachineID = value
	case "os":
		s.OS = value
	case "os_version":
		s.OSVersion = value
	case "os_name":
		s.OSName = value
	case "system":
		s.System = value
	case "machine":
		s.Arch = goarch(value)
	case "kernel":
		s.Kernel = value
	case "cpus":
		s.CPUs = int(number(value))
	case "memory_kib":
		s.Memory = number(value) << 10
	case "disk_root":
		s.Disks["/"] = number(value) << 10
	case "disk_lib":
		s.Disks["/var/lib"] = number(value) << 10
	case "disk_containerd":
		s.Disks["/var/lib/containerd"] = number(value) << 10
	case "disk_bin":
		s.Disks["/usr/local/bin"] = number(value) << 10
	case "disk_data":
		s.DiskFree = number(value) << 10
	case "cgroup":
		s.Cgroup = value
		s.CgroupVersion = map[string]int{"v1": 1, "hybrid": 1, "v2": 2}[value]
	case "controller":
		s.Controllers = append(s.Controllers, value)
	case "init":
		s.Init = value
	case "package_tool":
		s.PackageTool = value
	case "package_lock":
		s.PackageLock = value
	case "containerd":
		s.Containerd = value
	case "runc":
		s.Runc = value
	case "stowaged":
		s.Stowaged = value
	case "node":
		var node api.NodeConfig
		if json.Unmarshal([]byte(value), &node) == nil {
			s.Node = &node
		}
	case "feature":
		if name, state, _ := strings.Cut(value, " "); state != "unknown" {
			s.Features[name] = state == "yes"
		}
	case "listen":
		if f := strings.Fields(value); len(f) >= 3 {
			l := Listener{Protocol: f[0], Port: int(number(f[1])), PID: int(number(f[2]))}
			l.Process = strings.Join(f[3:], " ")
			s.Listeners = append(s.Listeners, l)
		}
	}
}

// number is a decimal number, 0 where there is none.
func number(s string) int64 {
	n, _ := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
	return n
}

// goarch translates uname -m; an unknown machine is returned as it is.
func goarch(machine string) string {
	switch machine {
	case "x86_64", "amd64":
		return "amd64"
	case "aarch64", "arm64":
		return "arm64"
	case "armv7l", "armv6l", "armhf":
		return "arm"
	case "i386", "i686":
		return "386"
	}
	return machine
}
