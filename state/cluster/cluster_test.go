package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stowage-iac/stowage/cluster/client"
	"github.com/stowage-iac/stowage/ssh"
	"github.com/stowage-iac/stowage/state"
	"github.com/stowage-iac/stowage/state/cluster"
	"github.com/stowage-iac/stowage/state/crashtest"
	"github.com/stowage-iac/stowage/state/crashtest/child"
	"github.com/stowage-iac/stowage/state/statetest"
	"github.com/stowage-iac/stowage/test/servers"
)

func options(dial client.Dialer, name, dir string) cluster.Options {
	return cluster.Options{Hosts: []ssh.Config{{Name: "m"}}, Name: name, Dir: dir, Dial: dial, Patience: 20 * time.Second}
}

func TestConformance(t *testing.T) {
	m := servers.NewManager(t)
	m.Start()
	t.Run("with a manager", func(t *testing.T) {
		statetest.Run(t, func(t *testing.T) func() state.Backend {
			name, dir := t.Name(), t.TempDir()
			return func() state.Backend { return cluster.New(options(m.Dial, name, dir)) }
		})
	})
	t.Run("before there is one", func(t *testing.T) {
		statetest.Run(t, func(t *testing.T) func() state.Backend {
			dir := t.TempDir()
			return func() state.Backend { return cluster.New(options(nobody, "n", dir)) }
		})
	})
}

// A process is killed at every call; and, where the state leaves the cluster and comes
// back within an apply, at every call of those moves, too.
func TestKilledAtEveryCall(t *testing.T) {
	for name, also := range map[string]string{"in the cluster": child.Rekey, "on its way": child.Evacuate} {
		t.Run(name, func(t *testing.T) {
			m := servers.NewManager(t)
			m.Start()
			crashtest.Run(t, crashtest.Child{Env: []string{child.Socket + "=" + m.Socket(), also + "=1"}})
		})
	}
}

func nobody(context.Context) (net.Conn, error) { return nil, ssh.ErrNoSocket }

var keys = state.NewKeyring(state.KeyOptions{Getenv: func(string) string { return "" }})

// apply records a pod; during runs in the middle of it.
func apply(t *testing.T, b state.Backend, pod int, evacuate bool, during func()) error {
	t.Helper()
	l, err := state.NewStore(b, state.Options{Keys: keys}).Lock(t.Context(), "apply", 0)
	if err != nil {
		return err
	}
	base, err := l.Load(t.Context())
	if err != nil {
		return errors.Join(err, l.Unlock())
	}
	if evacuate {
		if err := l.Evacuate(t.Context(), base); err != nil {
			return errors.Join(err, l.Unlock())
		}
	}
	j, err := l.Begin(t.Context(), base, state.Operation{Name: "apply"})
	if err != nil {
		return errors.Join(err, l.Unlock())
	}
	during()
	address := fmt.Sprintf("pod.web[%d]", pod)
	if err := j.Done(address, &state.Instance{Address: address, Kind: "pod", Value: []byte("{}")}); err != nil {
		return errors.Join(err, l.Unlock())
	}
	if _, err := j.Close(t.Context()); err != nil {
		return errors.Join(err, l.Unlock())
	}
	return l.Unlock()
}

func pods(t *testing.T, b state.Backend) int {
	t.Helper()
	l, err := state.NewStore(b, state.Options{Keys: keys}).Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return len(l.State.Instances)
}

// From nothing over a cluster to nothing: the state is in the file, in the
// cluster, and in the file again, and another machine sees it while it is there.
func TestLife(t *testing.T) {
	m := servers.NewManager(t)
	mine, other := t.TempDir(), t.TempDir()
	here := func() state.Backend { return cluster.New(options(m.Dial, "s", mine)) }
	there := func() state.Backend { return cluster.New(options(m.Dial, "s", other)) }
	if n := pods(t, here()); n != 0 {
		t.Fatal(n)
	}
	if err := apply(t, here(), 0, false, m.Start); err != nil { // the apply that makes the manager
		t.Fatal(err)
	}
	if n := pods(t, there()); n != 1 {
		t.Fatalf("another machine sees %d pods", n)
	}
	if err := apply(t, there(), 1, false, func() {}); err != nil {
		t.Fatal(err)
	}
	if n := pods(t, here()); n != 2 {
		t.Fatalf("%d pods", n)
	}
	if v, err := here().Versions(t.Context()); err != nil || len(v) == 0 {
		t.Errorf("versions %v, %v", v, err)
	}
	// Destroying that does not come to its end leaves the state in the cluster.
	if err := apply(t, here(), 2, true, func() {}); err != nil {
		t.Fatal(err)
	}
	if n := pods(t, there()); n != 3 {
		t.Fatalf("after a destroy that left the manager: %d pods", n)
	}
	if err := apply(t, here(), 3, true, m.Wipe); err != nil {
		t.Fatal(err)
	}
	if n := pods(t, here()); n != 4 {
		t.Fatalf("after the manager is gone: %d pods", n)
	}
	// And again.
	if err := apply(t, here(), 4, false, m.Start); err != nil {
		t.Fatal(err)
	}
	if n := pods(t, there()); n != 5 {
		t.Fatalf("in the second cluster: %d pods", n)
	}
}

// While the state is at home with one machine, another is told where.
func TestEvacuatedElsewhere(t *testing.T) {
	m := servers.NewManager(t)
	m.Start()
	mine := t.TempDir()
	if err := apply(t, cluster.New(options(m.Dial, "s", mine)), 0, false, func() {}); err != nil {
		t.Fatal(err)
	}
	err := apply(t, cluster.New(options(m.Dial, "s", mine)), 1, true, func() {
		l := state.NewStore(cluster.New(options(m.Dial, "s", t.TempDir())), state.Options{Keys: keys})
		if _, err := l.Load(t.Context()); !errors.Is(err, state.ErrMoved) || !strings.Contains(err.Error(), mine) {
			t.Errorf("the other machine: %v", err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

// What a move leaves behind that is cut off between its copy and its marker.
func TestCutOffMoves(t *testing.T) {
	m := servers.NewManager(t)
	mine := t.TempDir()
	here := func() state.Backend { return cluster.New(options(m.Dial, "s", mine)) }
	if err := apply(t, here(), 0, false, func() {}); err != nil {
		t.Fatal(err)
	}
	files, _ := filepath.Glob(filepath.Join(mine, "cluster", "*.json"))
	if len(files) != 1 {
		t.Fatal(files)
	}
	first, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := apply(t, here(), 1, false, m.Start); err != nil {
		t.Fatal(err)
	}
	put := func(data []byte) {
		t.Helper()
		if err := os.WriteFile(files[0], data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// The cluster has the state, and the file was not marked: neither as it was copied nor an older one counts.
	stored, err := here().Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, left := range [][]byte{stored.Snapshot, first} {
		put(left)
		if n := pods(t, here()); n != 2 {
			t.Errorf("%d pods", n)
		}
	}
	put(stored.Snapshot)
	if err := apply(t, cluster.New(options(m.Dial, "s", t.TempDir())), 2, false, func() {}); err != nil { // on another machine
		t.Fatal(err)
	}
	if err := apply(t, here(), 3, false, func() {}); err != nil {
		t.Fatal(err)
	}
	if n := pods(t, here()); n != 4 {
		t.Errorf("%d pods", n)
	}
	// The file went on, and the cluster has what an earlier move copied.
	stored, err = here().Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	put(stored.Snapshot)
	if err := apply(t, cluster.New(options(nobody, "s", mine)), 4, false, func() {}); err != nil {
		t.Fatal(err)
	}
	if n := pods(t, here()); n != 5 {
		t.Errorf("%d pods", n)
	}
	if err := apply(t, here(), 5, false, func() {}); err != nil {
		t.Fatal(err)
	}
	if n := pods(t, cluster.New(options(m.Dial, "s", t.TempDir()))); n != 6 {
		t.Errorf("another machine sees %d pods", n)
	}
}

func TestUnreachable(t *testing.T) {
	dial := func(context.Context) (net.Conn, error) { return nil, errors.New("no route to host") }
	o := options(dial, "s", t.TempDir())
	o.Patience = time.Millisecond
	_, err := cluster.New(o).Read(t.Context())
	if err == nil || !strings.Contains(err.Error(), "no route to host") || !strings.Contains(err.Error(), "s in the cluster of m") {
		t.Errorf("got %v", err)
	}
}

func TestLostCluster(t *testing.T) {
	m := servers.NewManager(t)
	m.Start()
	mine := t.TempDir()
	if err := apply(t, cluster.New(options(nobody, "s", mine)), 0, false, func() {}); err != nil {
		t.Fatal(err)
	}
	if err := apply(t, cluster.New(options(m.Dial, "s", mine)), 1, false, func() {}); err != nil {
		t.Fatal(err)
	}
	m.Wipe()
	_, err := cluster.New(options(m.Dial, "s", mine)).Read(t.Context())
	if !errors.Is(err, state.ErrDamaged) || !strings.Contains(err.Error(), "If the cluster is lost") {
		t.Errorf("got %v", err)
	}
}
