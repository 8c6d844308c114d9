package main

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"syscall"
	"time"
)

// used is what a finished process used.
type used struct {
	cpu, wall time.Duration
	peak      int64 // bytes
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

// processes runs a command n times after one that does not count and returns the medians
// and the highest peak.
func processes(ctx context.Context, n int, dir string, env []string, name string, args ...string) (used, error) {
	all, _, err := inTurn(ctx, n, []string{dir}, func(string) []string { return env }, name, args...)
	if err != nil {
		return used{}, err
	}
	return all[0], nil
}

// inTurn runs a command in one directory after the other, n turns after one that does not
// count. It returns the medians and the highest peak by directory, and how many times as much
// CPU the last took as the first: the median of the turns, for how fast the machine is changes
// from minute to minute.
func inTurn(ctx context.Context, n int, dirs []string, env func(dir string) []string, name string, args ...string) ([]used, float64, error) {
	all := make([]used, len(dirs))
	cpu, wall := make([][]time.Duration, len(dirs)), make([][]time.Duration, len(dirs))
	var ratios []float64
	for turn := 0; turn <= n; turn++ {
		for i, dir := range dirs {
			u, err := process(ctx, dir, env(dir), name, args...)
			if err != nil {
				return nil, 0, err
			}
			if turn > 0 {
				cpu[i], wall[i], all[i].peak = append(cpu[i], u.cpu), append(wall[i], u.wall), max(all[i].peak, u.peak)
			}
		}
		if turn > 0 {
			last := len(dirs) - 1
			ratios = append(ratios, float64(cpu[last][turn-1])/float64(cpu[0][turn-1]))
		}
	}
	for i := range all {
		all[i].cpu, all[i].wall = median(cpu[i]), median(wall[i])
	}
	return all, median(ratios), nil
}

func mib(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }
