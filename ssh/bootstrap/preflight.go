package bootstrap

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/ssh"
)

// Severity of a finding.
type Severity string

// An error keeps the host from becoming a node; a warning does not.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
)

// Finding is something about a host that a plan must say.
type Finding struct {
	Severity Severity
	Summary  string // constant and short
	Detail   string // what, and what to do, in full sentences; the host is named by whoever shows it
}

// What a host must have.
const (
	minDisk       = 2 << 30 // bytes free where images and data go
	minBinDisk    = 64 << 20
	warnClockSkew = 30 * time.Second
	maxClockSkew  = 5 * time.Minute
)

// Preflight judges whether a host can become a node, or stay one. manager: it is
// to be a manager, which listens on ports of its own. Pure; errors first.
func Preflight(s ssh.Survey, manager bool) []Finding {
	var found findings
	found.platform(s)
	found.kernel(s)
	found.cgroups(s)
	if manager {
		found.ports(s)
	}
	found.disk(s)
	found.clock(s.Skew)
	found.packages(s)
	slices.SortStableFunc(found, func(a, b Finding) int { return strings.Compare(string(a.Severity), string(b.Severity)) })
	return found
}

type findings []Finding

func (f *findings) add(severity Severity, summary, detail string, args ...any) {
	*f = append(*f, Finding{Severity: severity, Summary: summary, Detail: fmt.Sprintf(detail, args...)})
}

func (f *findings) platform(s ssh.Survey) {
	if s.System != "Linux" {
		f.add(Error, "Unsupported operating system", "The host runs %s. A node needs Linux.", s.System)
	}
	if s.Arch != "amd64" && s.Arch != "arm64" {
		f.add(Error, "Unsupported architecture", "The host's architecture is %s. Stowage has builds for amd64 and arm64.", s.Arch)
	}
	if !s.Root {
		f.add(Error, "No root rights", "The login user is not root and cannot use sudo without a password. Log in as root, or allow the user to use sudo with NOPASSWD in a file in /etc/sudoers.d.")
	}
}

func (f *findings) kernel(s ssh.Survey) {
	var missing []string
	for _, name := range []string{"overlay", "veth", "bridge", "nf_tables", "seccomp"} {
		if has, known := s.Features[name]; known && !has {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		f.add(Error, "Kernel feature missing", "The kernel %s lacks %s, without which pods cannot run. Install the distribution's standard kernel or its package of extra modules (linux-modules-extra on Ubuntu), and reboot. A virtual server that shares its provider's kernel (OpenVZ, LXC) may not offer them at all.",
			s.Kernel, strings.Join(missing, ", "))
	}
}

func (f *findings) cgroups(s ssh.Survey) {
	if s.Cgroup == "none" {
		f.add(Error, "No cgroups", "No cgroup hierarchy is mounted at /sys/fs/cgroup, so containers cannot be run. Mount one (the host's init usually does: check that it is not a restricted container), or boot with systemd.")
		return
	}
	var missing []string
	for _, c := range []string{"cpu", "memory", "pids"} {
		if !slices.Contains(s.Controllers, c) {
			missing = append(missing, c)
		}
	}
	if len(missing) > 0 {
		f.add(Warning, "Cgroup controller missing", "The cgroup controllers %s are off (cgroup %s), so limits of pods on them have no effect. For memory, boot with cgroup_enable=memory on the kernel's command line.",
			strings.Join(missing, ", "), s.Cgroup)
	}
}

func (f *findings) ports(s ssh.Survey) {
	for _, port := range []int{api.NodePort, api.PeerPort} {
		for _, l := range s.Listeners {
			if l.Protocol != "tcp" || l.Port != port || l.Process == "stowaged" {
				continue
			}
			who := "another process"
			if l.PID != 0 {
				who = fmt.Sprintf("%s (process %d)", l.Process, l.PID)
			}
			f.add(Error, "Port taken", "A manager needs TCP port %d, on which %s listens already. Stop it or move it to another port.", port, who)
			break
		}
	}
}

func (f *findings) disk(s ssh.Survey) {
	for _, d := range []struct {
		path string
		free int64
		need int64
	}{
		{api.DataDir, s.DiskFree, minDisk},
		{"/var/lib/containerd", s.Disks["/var/lib/containerd"], minDisk},
		{"/usr/local/bin", s.Disks["/usr/local/bin"], minBinDisk},
	} {
		if d.free < d.need {
			f.add(Error, "Not enough disk space", "The file system of %s has %s free; a node needs %s there. Free some space, or mount a larger disk.", d.path, mebibytes(d.free), mebibytes(d.need))
			return
		}
	}
}

func mebibytes(n int64) string { return fmt.Sprintf("%d MiB", n>>20) }

func (f *findings) clock(skew time.Duration) {
	severity := Warning
	switch {
	case skew.Abs() <= warnClockSkew:
		return
	case skew.Abs() > maxClockSkew:
		severity = Error
	}
	direction := "ahead of"
	if skew < 0 {
		direction = "behind"
	}
	f.add(severity, "Clock is off", "The host's clock is %v %s this machine's. Certificates and leases need clocks that agree: switch on time synchronization there (timedatectl set-ntp true, or install chrony), or check this machine's clock.", skew.Abs(), direction)
}

func (f *findings) packages(s ssh.Survey) {
	var missing []string
	if s.Containerd == "" {
		missing = append(missing, "containerd")
	}
	if s.Runc == "" {
		missing = append(missing, "runc")
	}
	if len(missing) > 0 && s.PackageTool == "" {
		f.add(Error, "No package manager", "The host lacks %s and has neither apt nor dnf nor apk to install it with. Install it there by hand.", strings.Join(missing, " and "))
	}
	if len(missing) > 0 && s.PackageLock != "" {
		f.add(Warning, "Package manager is busy", "Another process (%s) holds the lock of dpkg, as the updates at a machine's first boot do. An apply waits for it for up to 5 minutes.", s.PackageLock)
	}
	if s.Init != systemd {
		f.add(Warning, "No systemd", "The host is not run by systemd (init: %s). stowaged runs under its own supervisor, which is not started when the host boots: apply again after a reboot, or have the host run `%s supervise` at boot.", s.Init, api.Binary)
	}
}
