package ocispec

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/containerd/containerd/v2/contrib/apparmor"
	"golang.org/x/sys/unix"
)

// Host is what the specification depends on of the host.
type Host struct {
	CgroupV2  bool
	SwapLimit bool   // swap is accounted, so that it can be limited
	Memory    int64  // bytes
	AppArmor  string // name of the loaded default profile; "" where the host has no AppArmor
	OpenFiles uint64 // the host's own hard limit of open files: runc may not be allowed to raise it
}

// ReadHost reads the host's facts below root ("/" but in tests).
func ReadHost(root string) Host {
	var h Host
	if _, err := os.Stat(filepath.Join(root, "sys/fs/cgroup/cgroup.controllers")); err == nil {
		h.CgroupV2 = true
		// The root cgroup has no limits; any other shows what there is.
		found, _ := filepath.Glob(filepath.Join(root, "sys/fs/cgroup/*/memory.swap.max"))
		h.SwapLimit = len(found) > 0
	} else {
		_, err := os.Stat(filepath.Join(root, "sys/fs/cgroup/memory/memory.memsw.limit_in_bytes"))
		h.SwapLimit = err == nil
	}
	h.Memory = memTotal(filepath.Join(root, "proc/meminfo"))
	var files unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &files) == nil {
		h.OpenFiles = files.Max
	}
	return h
}

func memTotal(path string) int64 {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) >= 2 && f[0] == "MemTotal:" {
			kb, _ := strconv.ParseInt(f[1], 10, 64)
			return kb << 10
		}
	}
	return 0
}

const appArmorProfile = "stowage-default"

// LoadAppArmor loads the default profile where the host enforces AppArmor and
// returns its name. A host that has AppArmor but not its parser is an error;
// containers then run without a profile.
func LoadAppArmor() (string, error) {
	on, err := os.ReadFile("/sys/module/apparmor/parameters/enabled")
	if err != nil || strings.TrimSpace(string(on)) != "Y" {
		return "", nil
	}
	if _, err := exec.LookPath("apparmor_parser"); err != nil {
		return "", err
	}
	return appArmorProfile, apparmor.LoadDefaultProfile(appArmorProfile)
}
