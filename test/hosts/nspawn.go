package hosts

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// spawn starts systemd-nspawn for a host whose disk is mounted and whose
// network is plugged in. The process lives on when this one ends.
//
// A shell puts itself into the cgroups and becomes nspawn, so that nothing of
// the host ever runs elsewhere.
func spawn(s slot, host int, d disk, cgroups []string) (*exec.Cmd, error) {
	for _, device := range []string{"/dev/net/tun", "/dev/fuse"} {
		if !exists(device) {
			return nil, fmt.Errorf("this machine has no %s (modprobe tun fuse)", device)
		}
	}
	trees, err := hierarchies()
	if err != nil {
		return nil, err
	}
	console, err := os.OpenFile(d.console(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer console.Close()

	const enter = `while [ "$1" != -- ]; do echo $$ >"$1/cgroup.procs" || exit; shift; done; shift; exec "$@"`
	args := append([]string{"-c", enter, "enter"}, cgroups...)
	args = append(args, "--", "systemd-nspawn", "--quiet",
		"--register=no", "--keep-unit",
		"--machine="+s.machine(host), fmt.Sprintf("--hostname=h%d", host),
		"--directory="+d.root(), "--boot", "--console=pipe",
		"--network-namespace-path=/run/netns/"+s.machine(host),
		"--capability=all", "--system-call-filter=@known",
		"--resolv-conf=off", "--timezone=off", "--link-journal=no",
		"--bind=/dev/net/tun", "--bind=/dev/fuse")
	cmd := exec.Command("/bin/sh", args...)
	hierarchy := "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=0"
	if unified(trees) {
		hierarchy = "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1"
	}
	cmd.Env = []string{
		"PATH=/usr/sbin:/usr/bin:/sbin:/bin",
		"SYSTEMD_NSPAWN_API_VFS_WRITABLE=1", // sysctls, as on a real host
		"SYSTEMD_NSPAWN_TMPFS_TMP=0",        // /tmp is on the disk
		hierarchy,
	}
	cmd.Stdout, cmd.Stderr = console, console
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // no Ctrl-C of ours
	return cmd, cmd.Start()
}

// rebooted reports whether nspawn ended because its host wants to start again.
func rebooted(err error) bool {
	var exit *exec.ExitError
	return errors.As(err, &exit) && exit.ExitCode() == 133
}

// removeNspawnTraces removes what a killed nspawn leaves in /run.
func removeNspawnTraces(pattern string) error {
	for _, dir := range []string{"propagate", "unix-export"} {
		paths, err := filepath.Glob(filepath.Join("/run/systemd/nspawn", dir, pattern))
		if err != nil {
			return err
		}
		for _, path := range paths {
			if err := removeTree(path); err != nil {
				return err
			}
		}
	}
	return nil
}
