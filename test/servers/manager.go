package servers

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/cluster"
	"github.com/stowage-iac/stowage/cluster/server"
	"github.com/stowage-iac/stowage/ssh"
)

// Manager is a manager of a cluster in this process, with its real store and API.
type Manager struct {
	t      testing.TB
	socket string

	mu    sync.Mutex
	stop  context.CancelFunc
	ended sync.WaitGroup
}

// NewManager makes one that does not run yet.
func NewManager(t testing.TB) *Manager {
	dir, err := os.MkdirTemp("", "manager-") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	m := &Manager{t: t, socket: filepath.Join(dir, "s")}
	t.Cleanup(func() {
		m.Stop()
		os.RemoveAll(dir)
	})
	return m
}

// Socket is the path of its socket.
func (m *Manager) Socket() string { return m.socket }

// Dial connects to its socket; ssh.ErrNoSocket while it does not run.
func (m *Manager) Dial(ctx context.Context) (net.Conn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", m.socket)
	switch {
	case err == nil:
		return conn, nil
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	}
	return nil, fmt.Errorf("%w: %w", ssh.ErrNoSocket, err)
}

// Start starts it with what it had stored.
func (m *Manager) Start() {
	m.t.Helper()
	dir := filepath.Dir(m.socket)
	log := slog.New(slog.DiscardHandler)
	config := api.NodeConfig{Cluster: "c1", Name: "m", Role: api.RoleManager, Address: "127.0.0.1"}
	s := server.New(server.Options{Local: func() api.LocalView { return api.LocalView{Config: config} }, Log: log}, "starting")
	o := cluster.Options{Config: config, DataDir: filepath.Join(dir, "m"), NodeListen: fmt.Sprintf("127.0.0.1:%d", freePort(m.t)),
		PeerListen: "127.0.0.1", PeerPort: freePort(m.t), Log: log, Server: s}
	l, err := net.Listen("unix", m.socket)
	if err != nil {
		m.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	m.mu.Lock()
	m.stop = cancel
	m.mu.Unlock()
	m.ended.Go(func() { s.ServeOperator(ctx, l) })
	m.ended.Go(func() {
		if err := cluster.Run(ctx, o); err != nil {
			m.t.Errorf("the manager: %v", err)
		}
	})
}

// Stop ends it; its store stays.
func (m *Manager) Stop() {
	m.mu.Lock()
	stop := m.stop
	m.stop = nil
	m.mu.Unlock()
	if stop == nil {
		return
	}
	stop()
	m.ended.Wait()
	os.Remove(m.socket)
}

// Wipe removes its store, as bootstrap.Remove does.
func (m *Manager) Wipe() {
	m.Stop()
	if err := os.RemoveAll(filepath.Join(filepath.Dir(m.socket), "m")); err != nil {
		m.t.Fatal(err)
	}
}
