package ocispec

import (
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/stowage-iac/stowage/api"
)

// cfsPeriod is the CPU scheduler's accounting period in microseconds.
const cfsPeriod = 100_000

// resources are the cgroup's settings. They are written in terms of cgroup v1;
// runc translates them for v2 (shares to cpu.weight, quota to cpu.max, swap to
// memory.swap.max).
func resources(r api.Resources, h Host) *specs.LinuxResources {
	out := &specs.LinuxResources{
		Devices: []specs.LinuxDeviceCgroup{{Allow: false, Access: "rwm"}}, // runc adds null, zero, random, tty…
		CPU:     &specs.LinuxCPU{},
		Memory:  &specs.LinuxMemory{},
	}
	// 1024 shares are one CPU; the kernel's least is 2.
	shares := uint64(max(2, r.MilliCPU*1024/1000))
	out.CPU.Shares = &shares
	if r.LimitMilliCPU > 0 {
		quota, period := max(1000, r.LimitMilliCPU*cfsPeriod/1000), uint64(cfsPeriod)
		out.CPU.Quota, out.CPU.Period = &quota, &period
	}
	if r.LimitMemory > 0 {
		limit := r.LimitMemory
		out.Memory.Limit = &limit
		if h.SwapLimit { // memory and swap together: a limit is a limit
			out.Memory.Swap = &limit
		}
	}
	if r.LimitPids > 0 {
		out.Pids = &specs.LinuxPids{Limit: &r.LimitPids}
	}
	return out
}

// openFiles limits open files as systemd does its services: a low soft limit,
// which old programs assume, and a hard one up to which others raise it.
func openFiles(h Host) []specs.POSIXRlimit {
	hard := uint64(524288)
	if h.OpenFiles > 0 {
		hard = min(hard, h.OpenFiles)
	}
	return []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Soft: min(1024, hard), Hard: hard}}
}

// oomScore is who dies first when the host runs out of memory: those that asked
// for little or nothing, as in Kubernetes' burstable class; never the host's
// own processes, which are at 0.
func oomScore(r api.Resources, hostMemory int64) int {
	if r.Memory <= 0 || hostMemory <= 0 {
		return 1000
	}
	return int(min(999, max(2, 1000-1000*r.Memory/hostMemory)))
}

// defaultCapabilities are Docker's: what common images need and no more.
var defaultCapabilities = []string{
	"CAP_AUDIT_WRITE", "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_MKNOD",
	"CAP_NET_BIND_SERVICE", "CAP_NET_RAW", "CAP_SETFCAP", "CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID", "CAP_SYS_CHROOT",
}

func capabilities(add []string) []string {
	caps := slices.Clone(defaultCapabilities)
	for _, c := range add {
		c = strings.ToUpper(c)
		if !strings.HasPrefix(c, "CAP_") {
			c = "CAP_" + c
		}
		if !slices.Contains(caps, c) {
			caps = append(caps, c)
		}
	}
	slices.Sort(caps)
	return caps
}
