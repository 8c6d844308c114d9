package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/cluster/client"
)

func object(name string) api.Object {
	template := api.PodTemplate{Restart: "always", Containers: []api.Container{{Name: "c", Image: "x@sha256:0"}}}
	spec, err := json.Marshal(api.PodSpec{Template: template, Revision: api.TemplateRevision(template)})
	if err != nil {
		panic(err)
	}
	return api.Object{Kind: api.KindPod, Name: name, Owner: "mine", Spec: spec}
}

// TestKilledBetweenWrites: stowaged is killed again and again while a client
// writes without a pause; no acknowledged write is lost and, since the client
// repeats itself, none fails.
func TestKilledBetweenWrites(t *testing.T) {
	i := newInstance(t, api.NodeConfig{Role: api.RoleManager})
	running := i.start("run")
	i.healthy()
	acknowledged := make(chan string)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		defer close(acknowledged)
		c := i.client()
		for n := 0; ctx.Err() == nil; n++ {
			name := fmt.Sprint("p", n)
			if _, err := c.Put(ctx, object(name)); err != nil {
				if ctx.Err() == nil {
					t.Errorf("write %d: %v", n, err)
				}
				return
			}
			acknowledged <- name
		}
	}()
	var all []string
	for kills := range 5 {
		for range 20 + 7*kills {
			name, ok := <-acknowledged
			if !ok {
				return
			}
			all = append(all, name)
		}
		kill(t, running.Process.Pid)
		running.Wait()
		running = i.start("run")
	}
	cancel()
	for name := range acknowledged {
		all = append(all, name)
	}
	i.healthy()
	view, err := i.client().View(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]bool{}
	for _, o := range view.Objects {
		have[o.Name] = true
	}
	for _, name := range all {
		if !have[name] {
			t.Errorf("the acknowledged write of %s is lost", name)
		}
	}
	if len(all) < 100 {
		t.Errorf("only %d writes", len(all))
	}
}

// TestReadyAndTerminated: systemd is told when it may go on; SIGTERM ends it
// within seconds and with status 0, and the socket was root's alone.
func TestReadyAndTerminated(t *testing.T) {
	i := newInstance(t, api.NodeConfig{Role: api.RoleManager})
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: i.path("notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	i.env = append(i.env, "NOTIFY_SOCKET="+i.path("notify"))
	cmd := i.start("run")
	b := make([]byte, 64)
	l.SetReadDeadline(time.Now().Add(10 * time.Second))
	if n, err := l.Read(b); err != nil || string(b[:n]) != "READY=1" {
		t.Fatalf("systemd was told %q, %v", b[:n], err)
	}
	info, err := os.Stat(i.path("run/stowaged.sock"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket: %v, %v", info.Mode(), err)
	}
	i.healthy()
	cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil {
		t.Errorf("ended with %v", err)
	}
}

// TestOnlyOne: a second daemon on the same node refuses to start, saying why.
func TestOnlyOne(t *testing.T) {
	i := newInstance(t, api.NodeConfig{Role: api.RoleWorker})
	i.start("run")
	i.healthy()
	if _, err := i.output("", "run"); err == nil || !strings.Contains(err.Error(), "another stowaged runs") {
		t.Errorf("error %v", err)
	}
}

// TestWorkerSocket: a worker says what it is, and that the cluster is elsewhere.
func TestWorkerSocket(t *testing.T) {
	i := newInstance(t, api.NodeConfig{Role: api.RoleWorker, Managers: []string{"m1:7464"}})
	i.start("run")
	i.healthy()
	local, err := i.client().Local(t.Context())
	if err != nil || local.Config.Name != "m" || local.Config.Role != api.RoleWorker {
		t.Errorf("local view %+v, %v", local, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err = i.client().View(ctx)
	if !errors.Is(err, client.ErrUnavailable) || !strings.Contains(err.Error(), "m is a worker") || !strings.Contains(err.Error(), "m1:7464") {
		t.Errorf("the view of a worker: %v", err)
	}
}

// TestIdentityAndJoin: what identity prints is signed by a manager and stored
// by join; keys stay the same and private.
func TestIdentityAndJoin(t *testing.T) {
	m := newInstance(t, api.NodeConfig{Role: api.RoleManager})
	m.start("run")
	m.healthy()
	w := newInstance(t, api.NodeConfig{Role: api.RoleWorker})
	request := func() (r api.JoinRequest) {
		t.Helper()
		out, err := w.output("", "identity", "-name", "w")
		if err == nil {
			err = json.Unmarshal([]byte(out), &r)
		}
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	r := request()
	if again := request(); again.Recipient != r.Recipient || !strings.HasPrefix(r.Recipient, "age1") {
		t.Errorf("recipients %q and %q", r.Recipient, again.Recipient)
	}
	if _, err := m.client().Sign(t.Context(), r); !errors.Is(err, client.ErrInvalid) {
		t.Errorf("a request without a role: %v", err)
	}
	r.Role, r.Address = api.RoleWorker, "10.0.0.2"
	resp, err := m.client().Sign(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(resp)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.output(string(b), "join"); err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]os.FileMode{"node.key": 0o600, "age.key": 0o600, "node.crt": 0o644, "ca.crt": 0o644} {
		info, err := os.Stat(w.path("data/pki/" + name))
		if err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	if _, err := w.output("{}", "join"); err == nil {
		t.Error("an empty answer was stored")
	}
}

// TestDamagedStore: a manager whose store cannot start says so to the operator
// and goes on being a node.
func TestDamagedStore(t *testing.T) {
	i := newInstance(t, api.NodeConfig{Role: api.RoleManager})
	cmd := i.start("run")
	i.healthy()
	kill(t, cmd.Process.Pid)
	cmd.Wait()
	logs, err := filepath.Glob(i.path("data/etcd/member/wal/*.wal"))
	if err != nil || len(logs) == 0 {
		t.Fatalf("no log found: %v", err)
	}
	for _, log := range logs {
		if err := os.WriteFile(log, []byte("not a log at all"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	i.start("run")
	for deadline := time.Now().Add(20 * time.Second); ; <-time.After(50 * time.Millisecond) {
		err := i.client().Healthy(t.Context())
		if err != nil && strings.Contains(err.Error(), "restore it from a backup") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the operator is told %v", err)
		}
	}
	if _, err := i.client().Local(t.Context()); err != nil {
		t.Errorf("it is no node any more: %v", err)
	}
}
