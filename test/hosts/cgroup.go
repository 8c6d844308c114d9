package hosts

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// hierarchy is one mounted cgroup tree of the machine.
type hierarchy struct {
	dir string
	v2  bool
}

// hierarchies lists the machine's cgroup trees: one per controller on cgroup
// v1, a single one on v2, both kinds on a hybrid machine.
func hierarchies() ([]hierarchy, error) {
	data, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	found := parseHierarchies(string(data))
	if len(found) == 0 {
		return nil, errors.New("no cgroup file system is mounted")
	}
	return found, nil
}

// parseHierarchies reads them from the text of /proc/self/mountinfo.
func parseHierarchies(mountinfo string) []hierarchy {
	var found []hierarchy
	for line := range strings.Lines(mountinfo) {
		before, after, _ := strings.Cut(line, " - ")
		left, right := strings.Fields(before), strings.Fields(after)
		if len(left) < 5 || len(right) < 1 || left[3] != "/" || !strings.HasPrefix(left[4], "/sys/fs/cgroup") {
			continue
		}
		if kind := right[0]; kind == "cgroup" || kind == "cgroup2" {
			found = append(found, hierarchy{dir: left[4], v2: kind == "cgroup2"})
		}
	}
	return found
}

// unified reports whether the machine has cgroup v2 only.
func unified(trees []hierarchy) bool { return len(trees) == 1 && trees[0].v2 }

// makeCgroups gives the named host a cgroup of its own in every hierarchy and
// returns their directories.
func makeCgroups(name string) ([]string, error) {
	trees, err := hierarchies()
	if err != nil {
		return nil, err
	}
	var dirs []string
	for _, tree := range trees {
		dir := filepath.Join(tree.dir, name)
		if unified(trees) {
			// Usually done by the machine's systemd already.
			for _, controller := range []string{"cpu", "cpuset", "io", "memory", "pids"} {
				os.WriteFile(filepath.Join(tree.dir, "cgroup.subtree_control"), []byte("+"+controller), 0)
			}
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, err
		}
		if !tree.v2 {
			if err := fillCpuset(dir); err != nil {
				return nil, err
			}
		}
		dirs = append(dirs, dir)
	}
	return dirs, nil
}

// fillCpuset copies the parent's CPUs and memory nodes into a v1 cpuset, which
// takes no process while these are empty. Other controllers lack the files.
func fillCpuset(dir string) error {
	for _, name := range []string{"cpuset.cpus", "cpuset.mems"} {
		value, err := os.ReadFile(filepath.Join(filepath.Dir(dir), name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), value, 0); err != nil {
			return err
		}
	}
	return nil
}

// cgroupsOf lists the cgroup directories whose name matches the pattern, in
// all hierarchies.
func cgroupsOf(pattern string) ([]string, error) {
	trees, err := hierarchies()
	if err != nil {
		return nil, err
	}
	var dirs []string
	for _, tree := range trees {
		match, err := filepath.Glob(filepath.Join(tree.dir, pattern))
		if err != nil {
			return nil, err
		}
		dirs = append(dirs, match...)
	}
	return dirs, nil
}

// processes lists the processes in the cgroups that match the pattern: all
// that a host runs, and its nspawn. Only processes that a lab started can be
// there.
func processes(pattern string) ([]int, error) {
	dirs, err := cgroupsOf(pattern)
	if err != nil {
		return nil, err
	}
	return processesIn(dirs), nil
}

// processesIn lists the processes in some cgroups and below, by id.
func processesIn(dirs []string) []int {
	var pids []int
	for _, dir := range dirs {
		filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || entry.Name() != "cgroup.procs" {
				return nil // a cgroup that vanishes meanwhile has no process
			}
			data, _ := os.ReadFile(path)
			for field := range strings.FieldsSeq(string(data)) {
				if pid, err := strconv.Atoi(field); err == nil && pid > 0 {
					pids = append(pids, pid)
				}
			}
			return nil
		})
	}
	slices.Sort(pids)
	return slices.Compact(pids)
}

// initProcess finds the process that is PID 1 inside a host, or 0.
func initProcess(pids []int) int {
	depth := len(nsPIDs("self")) + 1
	for _, pid := range pids {
		if in := nsPIDs(strconv.Itoa(pid)); len(in) == depth && in[depth-1] == "1" {
			return pid
		}
	}
	return 0
}

// nsPIDs returns a process's ids, from the machine's PID namespace inwards.
func nsPIDs(pid string) []string {
	data, _ := os.ReadFile("/proc/" + pid + "/status")
	for line := range strings.Lines(string(data)) {
		if ids, ok := strings.CutPrefix(line, "NSpid:"); ok {
			return strings.Fields(ids)
		}
	}
	return nil
}

// killAll kills every process in the matching cgroups and waits until they
// are gone. A host's PID 1 goes first: the kernel then ends the rest of the
// host at the same moment, and its nspawn ends by itself, tidily.
func killAll(ctx context.Context, pattern string) error {
	patience := time.Now().Add(2 * time.Second)
	for {
		pids, err := processes(pattern)
		if err != nil {
			return err
		}
		if len(pids) == 0 {
			return nil
		}
		late := time.Now().After(patience)
		depth := len(nsPIDs("self")) + 1
		for _, pid := range pids {
			in := nsPIDs(strconv.Itoa(pid))
			if late || len(in) == depth && in[depth-1] == "1" {
				syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		if err := pause(ctx, 5*time.Millisecond); err != nil {
			return fmt.Errorf("processes %v do not end: %w", pids, err)
		}
	}
}

// waitGone waits until no process is left in the matching cgroups.
func waitGone(ctx context.Context, pattern string) error {
	for {
		pids, err := processes(pattern)
		if err != nil || len(pids) == 0 {
			return err
		}
		if err := pause(ctx, 5*time.Millisecond); err != nil {
			return fmt.Errorf("processes %v do not end: %w", pids, err)
		}
	}
}

// removeCgroups removes the matching cgroups, innermost first.
func removeCgroups(ctx context.Context, pattern string) error {
	dirs, err := cgroupsOf(pattern)
	if err != nil {
		return err
	}
	for _, dir := range dirs {
		for {
			err := removeCgroup(dir)
			if err == nil {
				break
			}
			if pause(ctx, 10*time.Millisecond) != nil {
				return err
			}
		}
	}
	return nil
}

func removeCgroup(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if entry.IsDir() {
			if err := removeCgroup(filepath.Join(dir, entry.Name())); err != nil {
				return err
			}
		}
	}
	if err := syscall.Rmdir(dir); err != nil && err != syscall.ENOENT {
		return fmt.Errorf("remove cgroup %s: %w", dir, err)
	}
	return nil
}

// pause sleeps, or returns the reason why the context ended.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
