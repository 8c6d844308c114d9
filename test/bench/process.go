package main

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"slices"
	"syscall"
	"time"
)

// used is what a finished process used.
type used struct {
	cpu, wall time.Duration
	least     time.Duration // of several runs, the CPU of the one that took least
	peak      int64         // bytes
}

// process runs a command to its end, its output dropped.
func process(ctx context.Context, dir string, env []string, name string, args ...string) (used, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = dir, env
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	began := time.Now()
	if err := cmd.Run(); err != nil {
		return used{}, fmt.Errorf("%s %v: %w\n%s", name, args, err, stderr.Bytes())
	}
	u := used{wall: time.Since(began), cpu: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}
	if r, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		u.peak = r.Maxrss * 1024
	}
	return u, nil
}

// processes runs a command n times after one that does not count and returns the medians,
// the least CPU and the highest peak.
func processes(ctx context.Context, n int, dir string, env []string, name string, args ...string) (used, error) {
	var cpu, wall []time.Duration
	var peak int64
	for i := 0; i <= n; i++ {
		u, err := process(ctx, dir, env, name, args...)
		if err != nil {
			return used{}, err
		}
		if i > 0 {
			cpu, wall, peak = append(cpu, u.cpu), append(wall, u.wall), max(peak, u.peak)
		}
	}
	return used{cpu: median(cpu), wall: median(wall), least: slices.Min(cpu), peak: peak}, nil
}

func mib(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }
