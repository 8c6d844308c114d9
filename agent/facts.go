package agent

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/stowage-iac/stowage/api"
)

// hostFacts reads what this host is. It costs a few milliseconds and a hash of
// our own binary, so it is read once; diskFree changes.
func hostFacts(dataDir string) api.NodeFacts {
	f := api.NodeFacts{Arch: runtime.GOARCH, CPUs: runtime.NumCPU(), CgroupVersion: 1, Init: "none"}
	f.Hostname, _ = os.Hostname()
	f.MachineID = firstLine("/etc/machine-id")
	f.Kernel = firstLine("/proc/sys/kernel/osrelease")
	f.OS, f.OSVersion, f.OSName = osRelease("/etc/os-release")
	f.Memory = memTotal()
	f.DiskFree = diskFree(dataDir)
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err == nil {
		f.CgroupVersion = 2
	}
	if _, err := os.Stat("/run/systemd/system"); err == nil {
		f.Init = "systemd"
	} else if _, err := os.Stat("/run/openrc"); err == nil {
		f.Init = "openrc"
	}
	for _, tool := range []struct{ name, program string }{{"apt", "apt-get"}, {"dnf", "dnf"}, {"apk", "apk"}} {
		if _, err := exec.LookPath(tool.program); err == nil {
			f.PackageTool = tool.name
			break
		}
	}
	f.Runc = runcVersion()
	f.Stowaged = ownHash()
	return f
}

func firstLine(path string) string {
	b, _ := os.ReadFile(path)
	line, _, _ := strings.Cut(string(b), "\n")
	return strings.TrimSpace(line)
}

func osRelease(path string) (id, version, name string) {
	b, _ := os.ReadFile(path)
	for line := range strings.Lines(string(b)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		value = strings.Trim(value, `"'`)
		switch key {
		case "ID":
			id = value
		case "VERSION_ID":
			version = value
		case "PRETTY_NAME":
			name = value
		}
	}
	return id, version, name
}

func memTotal() int64 {
	b, _ := os.ReadFile("/proc/meminfo")
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) >= 2 && f[0] == "MemTotal:" {
			kb, _ := strconv.ParseInt(f[1], 10, 64)
			return kb << 10
		}
	}
	return 0
}

func diskFree(dir string) int64 {
	var s unix.Statfs_t
	if unix.Statfs(dir, &s) != nil {
		return 0
	}
	return int64(s.Bavail) * s.Bsize
}

func runcVersion() string {
	out, err := exec.Command("runc", "--version").Output()
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return strings.TrimSpace(strings.TrimPrefix(line, "runc version "))
}

func ownHash() string {
	f, err := os.Open("/proc/self/exe")
	if err != nil {
		return ""
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return ""
	}
	return hex.EncodeToString(h.Sum(nil))
}
