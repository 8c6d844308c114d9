package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/stowage-iac/stowage/api"
)

// supervisor runs stowaged, and containerd where the configuration says so, on
// a host without systemd. Children run in sessions of their own: they go on
// when the supervisor dies, and the next one adopts them by their pid files.
type supervisor struct {
	paths
	hostArgs []string // flags of run
	log      *slog.Logger
}

// Pauses before a child is started again.
const (
	firstPause = 200 * time.Millisecond
	lastPause  = 5 * time.Second
	goodRun    = time.Minute // after which the pause is short again
	stopGrace  = 15 * time.Second
)

func supervise(ctx context.Context, args []string) error {
	s := &supervisor{}
	f := flags("supervise", &s.paths)
	stop := f.Bool("stop", false, "end the supervisor, stowaged and containerd, and wait for their ends; containers stay")
	if err := parse(f, args, 1<<10); err != nil {
		return err
	}
	s.hostArgs = f.Args() // after "--": more flags for run
	for _, dir := range []string{s.run, s.logs} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	if *stop {
		return s.stop(ctx)
	}
	var err error
	if s.log, err = logger("info"); err != nil {
		return err
	}
	return s.supervise(ctx)
}

func (s *supervisor) pidFile() string  { return filepath.Join(s.run, "supervise.pid") }
func (s *supervisor) lockFile() string { return filepath.Join(s.run, "supervise.lock") }

func (s *supervisor) supervise(ctx context.Context) error {
	unlock, err := lock(s.lockFile())
	if err != nil {
		return err
	}
	defer unlock()
	if err := os.WriteFile(s.pidFile(), []byte(strconv.Itoa(os.Getpid())+"\n"), 0o600); err != nil {
		return err
	}
	defer os.Remove(s.pidFile())
	children, err := s.children()
	if err != nil {
		return err
	}
	go boundLogs(ctx, s.logs, s.log)
	// stowaged first when stopping, then containerd; the other way when starting.
	for i := len(children) - 1; i >= 0; i-- {
		ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
		var ended sync.WaitGroup
		ended.Go(func() { children[i].keep(ctx) })
		defer func() {
			cancel()
			ended.Wait()
		}()
	}
	s.log.Info("the supervisor runs", "children", len(children))
	<-ctx.Done()
	return nil
}

// children lists what to run, what is stopped first first.
func (s *supervisor) children() ([]*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	node, err := s.node()
	if err != nil {
		return nil, err
	}
	all := []*child{s.child("stowaged", append([]string{self, "run"}, append(s.args(), s.hostArgs...)...), nil)}
	if node.Supervise {
		all = append(all, s.child("containerd", s.containerd(node), func() bool { return answers(node.Containerd) }))
	}
	return all, nil
}

func (s *supervisor) child(name string, command []string, elsewhere func() bool) *child {
	return &child{
		name: name, command: command, elsewhere: elsewhere,
		pidFile: filepath.Join(s.run, name+".pid"), logFile: filepath.Join(s.logs, name+".log"), log: s.log,
	}
}

// containerd is its command: as the distribution configures it, or with
// directories of ours where its socket is another.
func (s *supervisor) containerd(node api.NodeConfig) []string {
	if node.Containerd == api.ContainerdSock {
		return []string{"containerd"}
	}
	return []string{"containerd", "--address", node.Containerd,
		"--root", filepath.Join(s.data, "containerd"), "--state", filepath.Join(s.run, "containerd")}
}

// answers reports whether someone listens on a unix socket.
func answers(socket string) bool {
	conn, err := net.DialTimeout("unix", socket, time.Second)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

// stop ends the supervisor, which ends its children; without one it ends the
// children that were left.
func (s *supervisor) stop(ctx context.Context) error {
	var failed error
	if b, err := os.ReadFile(s.pidFile()); err == nil {
		if pid, err := strconv.Atoi(firstLine(b)); err == nil && isRunning(s.lockFile()) {
			failed = end(ctx, pid, 0, 2*stopGrace+5*time.Second)
		}
	}
	for _, name := range []string{"stowaged", "containerd"} {
		c := s.child(name, nil, nil)
		if pid, started, ok := c.recorded(); ok {
			if err := end(ctx, pid, started, stopGrace); err != nil {
				failed = errors.Join(failed, fmt.Errorf("%s: %w", name, err))
				continue
			}
		}
		os.Remove(c.pidFile)
	}
	if failed == nil {
		os.Remove(s.pidFile())
	}
	return failed
}

// isRunning reports whether a supervisor holds the lock.
func isRunning(lockFile string) bool {
	unlock, err := lock(lockFile)
	if err != nil {
		return true
	}
	unlock()
	return false
}
