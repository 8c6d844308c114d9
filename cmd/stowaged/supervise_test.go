package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stowage-iac/stowage/api"
)

// TestSupervise: what dies is started again; the supervisor's own death stops
// nothing and the next one adopts what runs; -stop ends everything.
func TestSupervise(t *testing.T) {
	if _, err := exec.LookPath("containerd"); err != nil {
		t.Fatal("containerd is missing (make deps)")
	}
	i := newInstance(t, api.NodeConfig{Role: api.RoleWorker, Supervise: true})
	first := i.start("supervise")
	t.Cleanup(func() { i.output("", "supervise", "-stop") })
	i.healthy()
	agent, containerd := i.pid("stowaged", 0), i.pid("containerd", 0)
	for !answers(i.path("containerd.sock")) && alive(containerd, 0) {
		<-time.After(10 * time.Millisecond)
	}

	kill(t, agent)
	agent = i.pid("stowaged", agent)
	kill(t, containerd)
	containerd = i.pid("containerd", containerd)

	kill(t, first.Process.Pid)
	first.Wait()
	second := i.start("supervise")
	if pid := i.pid("supervise", first.Process.Pid); pid != second.Process.Pid {
		t.Errorf("the pid file names %d, the supervisor is %d", pid, second.Process.Pid)
	}
	if now := i.pid("stowaged", 0); now != agent {
		t.Errorf("stowaged %d was not adopted: now %d", agent, now)
	}
	i.healthy()
	kill(t, agent) // an adopted child is watched too
	agent = i.pid("stowaged", agent)

	if _, err := i.output("", "supervise", "-stop"); err != nil {
		t.Fatal(err)
	}
	second.Wait()
	i.gone(agent)
	i.gone(containerd)
	for _, name := range []string{"supervise", "stowaged", "containerd"} {
		if _, err := os.Stat(i.path("run/" + name + ".pid")); err == nil {
			t.Errorf("%s.pid is left", name)
		}
	}
}

// TestStopWithoutSupervisor: -stop ends the children of a supervisor that died,
// and is content when nothing runs.
func TestStopWithoutSupervisor(t *testing.T) {
	i := newInstance(t, api.NodeConfig{Role: api.RoleWorker})
	cmd := i.start("supervise")
	t.Cleanup(func() { i.output("", "supervise", "-stop") })
	i.healthy()
	agent := i.pid("stowaged", 0)
	kill(t, cmd.Process.Pid)
	cmd.Wait()
	if !alive(agent, 0) {
		t.Fatal("stowaged died with its supervisor")
	}
	for range 2 {
		if _, err := i.output("", "supervise", "-stop"); err != nil {
			t.Fatal(err)
		}
	}
	i.gone(agent)
}

// TestBoundLogs: a log that grew too large is moved aside while its writer goes on.
func TestBoundLogs(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.log")
	w, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	w.Write(bytes.Repeat([]byte("x"), 100))
	if err := bound(file, 100); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file + ".1"); err == nil {
		t.Error("a small log was moved")
	}
	w.WriteString("y")
	if err := bound(file, 100); err != nil {
		t.Fatal(err)
	}
	w.WriteString("z")
	now, _ := os.ReadFile(file)
	old, _ := os.ReadFile(file + ".1")
	if string(now) != "z" || len(old) != 101 {
		t.Errorf("now %q, before %d bytes", now, len(old))
	}
}
