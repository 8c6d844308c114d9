package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// child is one process that a supervisor keeps running.
type child struct {
	name      string
	command   []string
	elsewhere func() bool // reports that someone else already does its job; may be nil
	pidFile   string      // "PID START", START as in /proc/PID/stat
	logFile   string
	log       *slog.Logger
}

// keep runs the process, again whenever it ends, until ctx ends; then it stops it.
func (c *child) keep(ctx context.Context) {
	for pause := firstPause; ctx.Err() == nil; {
		began := time.Now()
		c.once(ctx)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > goodRun {
			pause = firstPause
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
		pause = min(2*pause, lastPause)
	}
}

// once adopts or starts the process and waits for its end.
func (c *child) once(ctx context.Context) {
	pid, started, running := c.recorded()
	switch {
	case running:
		c.log.Info("adopted "+c.name, "pid", pid)
	case c.elsewhere != nil && c.elsewhere():
		c.log.Info(c.name + " is run by someone else")
		return
	default:
		var err error
		if pid, started, err = c.start(); err != nil {
			c.log.Error("starting "+c.name+" failed", "error", err)
			return
		}
		c.log.Info("started "+c.name, "pid", pid)
	}
	gone := make(chan struct{})
	go func() {
		waitFor(context.Background(), pid, started)
		close(gone)
	}()
	select {
	case <-gone:
		c.log.Warn(c.name+" ended", "pid", pid)
	case <-ctx.Done():
		if err := end(context.Background(), pid, started, stopGrace); err != nil {
			c.log.Error("stopping "+c.name+" failed", "error", err)
		}
		<-gone
	}
	os.Remove(c.pidFile)
}

// start runs the command in a session of its own, its output straight into the
// log file, so that it needs no supervisor to go on.
func (c *child) start() (pid int, started uint64, err error) {
	out, err := os.OpenFile(c.logFile, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return 0, 0, err
	}
	defer out.Close()
	self, err := os.Executable()
	if err != nil {
		return 0, 0, err
	}
	cmd := exec.Command(self, append([]string{becomeName, c.pidFile}, c.command...)...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return 0, 0, err
	}
	go cmd.Wait() // reaps it; its end is seen by its pid
	pid = cmd.Process.Pid
	if started, err = startOf(pid); err != nil {
		return 0, 0, fmt.Errorf("it ended at once; see %s", c.logFile)
	}
	return pid, started, nil
}

// becomeName is the hidden command that a child starts as.
const becomeName = "become"

// become records this process in a pid file and then becomes the command given.
// The child does it itself, so that there is no instant at which it runs and a
// supervisor that died has not recorded it.
func become(_ context.Context, args []string) error {
	if len(args) < 2 {
		return errUsage
	}
	started, err := startOf(os.Getpid())
	if err != nil {
		return err
	}
	command, err := exec.LookPath(args[1])
	if err != nil {
		return err
	}
	temporary := args[0] + ".new"
	if err := os.WriteFile(temporary, fmt.Appendf(nil, "%d %d\n", os.Getpid(), started), 0o600); err != nil {
		return err
	}
	if err := os.Rename(temporary, args[0]); err != nil {
		return err
	}
	return syscall.Exec(command, args[1:], os.Environ())
}

// recorded reads the pid file; ok when that very process still runs.
func (c *child) recorded() (pid int, started uint64, ok bool) {
	b, err := os.ReadFile(c.pidFile)
	if err != nil {
		return 0, 0, false
	}
	if n, _ := fmt.Sscan(string(b), &pid, &started); n != 2 || pid <= 1 {
		return 0, 0, false
	}
	return pid, started, alive(pid, started)
}

// alive reports whether the process that began at started (0: any) runs.
func alive(pid int, started uint64) bool {
	at, err := startOf(pid)
	return err == nil && (started == 0 || at == started)
}

// startOf reads when a process began, in clock ticks since boot, which with the
// pid identifies it. A zombie has ended.
func startOf(pid int) (uint64, error) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(fields) < 20 || fields[0] == "Z" || fields[0] == "X" {
		return 0, os.ErrProcessDone
	}
	return strconv.ParseUint(fields[19], 10, 64)
}

// end terminates a process, after grace with SIGKILL, and waits for its end.
func end(ctx context.Context, pid int, started uint64, grace time.Duration) error {
	if !alive(pid, started) {
		return nil
	}
	syscall.Kill(pid, syscall.SIGTERM)
	patient, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	if waitFor(patient, pid, started) == nil {
		return nil
	}
	syscall.Kill(pid, syscall.SIGKILL)
	final, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if waitFor(final, pid, started) != nil {
		return fmt.Errorf("process %d does not end", pid)
	}
	return nil
}

func firstLine(b []byte) string {
	line, _, _ := bytes.Cut(b, []byte("\n"))
	return strings.TrimSpace(string(line))
}
