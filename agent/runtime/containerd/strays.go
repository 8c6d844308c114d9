package containerd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/containerd/containerd/api/services/tasks/v1"
	"golang.org/x/sys/unix"
)

// A stray is a shim that the daemon knows no task for. containerd 1.6 leaves one
// behind, with what runc has made by then, when the client that asked for a task
// is killed before the task is there. Nothing but its process is left of it, so
// it is found in /proc.
type stray struct {
	pid    int
	id     string
	args   []string
	bundle string
}

// settleTime is the age under which a shim without a task may be one that is
// just being started, by whomever.
const settleTime = 10 * time.Second

// ReapStrays ends the strays of our namespace and what they hold. busy says
// which containers are being started now.
func (r *Runtime) ReapStrays(ctx context.Context, busy func(id string) bool) error {
	return r.reap(ctx, settleTime, func(id string) (bool, error) { return busy(id), nil })
}

// reap ends the strays that are old enough and not spared.
func (r *Runtime) reap(ctx context.Context, age time.Duration, spare func(id string) (bool, error)) error {
	shims := r.shims(age) // before the tasks are listed: a task that is there now has its shim
	if len(shims) == 0 {
		return nil
	}
	list, err := r.c.TaskService().List(r.ns(ctx), &tasks.ListTasksRequest{})
	if err != nil {
		return classify(err)
	}
	known := map[string]bool{}
	for _, t := range list.Tasks {
		known[t.ID] = true
	}
	var errs []error
	for _, s := range shims {
		if known[s.id] {
			continue
		}
		spared, err := spare(s.id)
		if err != nil || spared {
			errs = append(errs, err)
			continue
		}
		errs = append(errs, s.end(ctx))
	}
	return errors.Join(errs...)
}

// shims finds the shims of our daemon and namespace that are older than age.
func (r *Runtime) shims(age time.Duration) []stray {
	var out []stray
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		b, err := os.ReadFile(filepath.Join(dir, "cmdline"))
		if err != nil || !strings.Contains(string(b), "containerd-shim") {
			continue
		}
		args := strings.Split(strings.TrimRight(string(b), "\x00"), "\x00")
		if flag(args, "-namespace") != r.o.Namespace || flag(args, "-address") != r.o.Socket {
			continue
		}
		st, err := os.Stat(dir)
		if err != nil || time.Since(st.ModTime()) < age {
			continue
		}
		pid, _ := strconv.Atoi(filepath.Base(dir))
		bundle, _ := os.Readlink(filepath.Join(dir, "cwd"))
		out = append(out, stray{pid: pid, id: flag(args, "-id"), args: args, bundle: bundle})
	}
	return out
}

func flag(args []string, name string) string {
	for i := range len(args) - 1 {
		if args[i] == name {
			return args[i+1]
		}
	}
	return ""
}

// end kills the stray's processes, then the shim, and lets its program clean up
// as containerd does after a shim that died.
func (s stray) end(ctx context.Context) error {
	for _, pid := range children(s.pid) {
		_ = unix.Kill(pid, unix.SIGKILL)
	}
	_ = unix.Kill(s.pid, unix.SIGKILL)
	if s.id == "" || filepath.Base(s.bundle) != s.id {
		return nil // its directory is gone already
	}
	c := exec.CommandContext(ctx, s.args[0], append(s.args[1:], "-bundle", s.bundle, "delete")...)
	c.Dir = s.bundle
	out, err := c.CombinedOutput()
	work, _ := os.Readlink(filepath.Join(s.bundle, "work"))
	_ = unix.Unmount(filepath.Join(s.bundle, "rootfs"), unix.MNT_DETACH)
	if rerr := os.RemoveAll(s.bundle); rerr != nil {
		return fmt.Errorf("clean up after the stray shim of %s: %w (%v: %s)", s.id, rerr, err, out)
	}
	if filepath.Base(work) == s.id {
		return os.RemoveAll(work)
	}
	return nil
}

// children are the processes whose parent is pid.
func children(pid int) []int {
	var out []int
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, l := range lists {
		b, _ := os.ReadFile(l)
		for _, f := range strings.Fields(string(b)) {
			if n, err := strconv.Atoi(f); err == nil {
				out = append(out, n)
			}
		}
	}
	return out
}
