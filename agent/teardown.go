package agent

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/stowage-iac/stowage/agent/intake"
	"github.com/stowage-iac/stowage/agent/runtime/containerd"
	"github.com/stowage-iac/stowage/network"
)

// patience is how long Teardown waits for a containerd that does not answer.
const patience = 5 * time.Second

// Teardown stops and removes every container, snapshot, image, namespace, mount,
// log and network device that the agent made on this host, and nothing else.
// No agent may run meanwhile; o.Source and o.Reporter are not used. It is
// idempotent. With containerd down it ends the containers' processes, removes
// what it can and its error says what remains.
func Teardown(ctx context.Context, o Options) error {
	o = o.withDefaults()
	errs := []error{purge(ctx, o)}
	for _, dir := range []string{"pods", "secrets", "scratch"} {
		errs = append(errs, unmountBelow(filepath.Join(o.RunDir, dir)))
	}
	errs = append(errs, network.Teardown(ctx, o.network()))
	for _, dir := range []string{"pods", "secrets", "scratch", "configs"} {
		errs = append(errs, os.RemoveAll(filepath.Join(o.RunDir, dir)))
	}
	for _, dir := range []string{"agent", "logs"} {
		errs = append(errs, os.RemoveAll(filepath.Join(o.DataDir, dir)))
	}
	endCgroup(o.CgroupRoot)
	errs = append(errs, removeCgroups(o.CgroupRoot))
	return errors.Join(errs...)
}

// purge empties our namespace of containerd, or ends its processes without it.
func purge(ctx context.Context, o Options) error {
	if !listens(o.Containerd) {
		if _, err := os.Stat(o.Containerd); errors.Is(err, os.ErrNotExist) && len(processes(o.CgroupRoot)) == 0 {
			return nil // no containerd and none of ours: nothing to remove
		}
		return without(o)
	}
	rt, err := containerd.New(o.containerd())
	if err != nil {
		return err
	}
	defer rt.Close()
	pctx, cancel := context.WithTimeout(ctx, patience+time.Minute)
	defer cancel()
	if err := rt.Purge(pctx); err != nil {
		return errors.Join(fmt.Errorf("containerd at %s: %w", o.Containerd, err), without(o))
	}
	if root, err := rt.ContentRoot(pctx); err == nil { // else nothing was ever taken in
		return intake.Remove(root)
	}
	return nil
}

// without does what can be done while containerd is down.
func without(o Options) error {
	for range 100 { // those that fork while they are killed
		pids := processes(o.CgroupRoot)
		if len(pids) == 0 {
			break
		}
		for _, pid := range pids {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		time.Sleep(20 * time.Millisecond)
	}
	return fmt.Errorf("containerd does not answer at %s: its containers' processes are ended, but their records, file systems and images in its namespace %s remain; start containerd and repeat", o.Containerd, o.Namespace)
}

// listens is whether anything accepts connections on a socket.
func listens(socket string) bool {
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer syscall.Close(fd)
	return syscall.Connect(fd, &syscall.SockaddrUnix{Name: socket}) == nil
}

// cgroupDirs are root's directories in every hierarchy, deepest first.
func cgroupDirs(root string) []string {
	var dirs []string
	for _, pattern := range []string{"/sys/fs/cgroup" + root, "/sys/fs/cgroup/*" + root} {
		tops, _ := filepath.Glob(pattern)
		for _, top := range tops {
			_ = filepath.WalkDir(top, func(path string, d os.DirEntry, err error) error {
				if err == nil && d.IsDir() {
					dirs = append([]string{path}, dirs...)
				}
				return nil
			})
		}
	}
	return dirs
}

// processes are those in our cgroups: all of them belong to containers.
func processes(root string) []int {
	var pids []int
	for _, dir := range cgroupDirs(root) {
		f, err := os.Open(filepath.Join(dir, "cgroup.procs"))
		if err != nil {
			continue
		}
		for lines := bufio.NewScanner(f); lines.Scan(); {
			if pid, err := strconv.Atoi(lines.Text()); err == nil && pid > 1 {
				pids = append(pids, pid)
			}
		}
		f.Close()
	}
	return pids
}

// endCgroup removes a pod's cgroups. Its containers are gone, so whatever still
// runs there was never known to containerd. What does not end in time is left
// to the next sweep.
func endCgroup(root string) {
	for range 50 {
		pids := processes(root)
		for _, pid := range pids {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		if len(pids) == 0 && removeCgroups(root) == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func removeCgroups(root string) error {
	var errs []error
	for _, dir := range cgroupDirs(root) {
		if err := os.Remove(dir); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// unmountBelow unmounts everything mounted at or below dir, innermost first.
func unmountBelow(dir string) error {
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	var points []string
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) > 4 && (f[4] == dir || strings.HasPrefix(f[4], dir+"/")) {
			points = append([]string{f[4]}, points...)
		}
	}
	for _, p := range points {
		if err := syscall.Unmount(p, syscall.MNT_DETACH); err != nil && !errors.Is(err, syscall.EINVAL) {
			return fmt.Errorf("unmount %s: %w", p, err)
		}
	}
	return nil
}
