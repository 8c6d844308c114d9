// Package cluster is the manager's side of stowaged: it opens the store, serves
// the API's calls that need it, and runs the controllers where this manager leads.
package cluster

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"time"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/cluster/controller/nodes"
	"github.com/stowage-iac/stowage/cluster/controller/rollout"
	"github.com/stowage-iac/stowage/cluster/pki"
	"github.com/stowage-iac/stowage/cluster/server"
	"github.com/stowage-iac/stowage/cluster/store"
)

// Options are what a manager needs.
type Options struct {
	Config  api.NodeConfig
	DataDir string // pki/ and etcd/ are below it
	// NodeListen is the address for agents, default ":7464".
	NodeListen string
	// PeerListen and PeerPort are for other managers, default any address, 7465.
	PeerListen string
	PeerPort   int
	Server     *server.Server
	Log        *slog.Logger
}

// PKI is the directory of keys and certificates below a data directory.
func PKI(dataDir string) pki.Dir { return pki.Dir(filepath.Join(dataDir, "pki")) }

// Run is a manager until ctx ends or its store fails. It can be called again.
func Run(ctx context.Context, o Options) error {
	o.defaults()
	dir := PKI(o.DataDir)
	authority, err := Identity(dir, o.Config)
	if err != nil {
		return err
	}
	s, err := store.Open(ctx, o.store(dir))
	if err != nil {
		return err
	}
	defer s.Close()
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()

	m := &server.Manager{
		Cluster: o.Config.Cluster, Store: s, Follower: store.NewFollower(s),
		Presence: server.NewPresence(), Authority: authority,
	}
	running.Go(func() { m.Follower.Run(ctx) })
	if err := m.Follower.Synced(ctx); err != nil {
		return nil // stopped meanwhile
	}
	served, err := o.serveNodes(ctx, dir, &running)
	if err != nil {
		return err
	}
	o.Server.SetManager(m, "")
	defer o.Server.SetManager(nil, "the manager is restarting its store")
	running.Go(func() { o.lead(ctx, m) })
	select {
	case err = <-s.Failed():
		return fmt.Errorf("the store ended: %w", err)
	case err = <-served:
		return err
	case <-ctx.Done():
		return nil
	}
}

func (o *Options) defaults() {
	if o.NodeListen == "" {
		o.NodeListen = fmt.Sprintf(":%d", api.NodePort)
	}
	if o.PeerListen == "" {
		o.PeerListen = "0.0.0.0"
		if ip := net.ParseIP(o.Config.Address); ip != nil && ip.To4() == nil {
			o.PeerListen = "::"
		}
	}
	if o.PeerPort == 0 {
		o.PeerPort = api.PeerPort
	}
}

func (o *Options) store(dir pki.Dir) store.Options {
	return store.Options{
		Dir: filepath.Join(o.DataDir, "etcd"), Name: o.Config.Name, Cluster: o.Config.Cluster,
		Address: o.Config.Address, Members: len(o.Config.Managers), PeerListen: o.PeerListen, PeerPort: o.PeerPort,
		CA: dir.CA(), Cert: dir.Cert(), Key: dir.Key(), ServerName: pki.ManagerName, Log: o.Log,
	}
}

// serveNodes serves the agents' port; the channel yields the error that ends it.
func (o *Options) serveNodes(ctx context.Context, dir pki.Dir, running *sync.WaitGroup) (<-chan error, error) {
	config, err := pki.ServerConfig(dir)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", o.NodeListen)
	if err != nil {
		return nil, fmt.Errorf("the agents' port: %w; find what else listens there", err)
	}
	served := make(chan error, 1)
	running.Go(func() { served <- o.Server.ServeNodes(ctx, l, config) })
	return served, nil
}

// leadCheck is how often the lead is looked at without a notice of a change.
const leadCheck = 2 * time.Second

// lead runs the controllers while this manager leads.
func (o *Options) lead(ctx context.Context, m *server.Manager) {
	for ctx.Err() == nil {
		leads, changed := m.Store.Leads()
		term, end := context.WithCancel(ctx)
		var controllers sync.WaitGroup
		if leads {
			controllers.Go(func() {
				(&rollout.Controller{Store: m.Store, States: m.Follower, Log: o.Log}).Run(term)
			})
			controllers.Go(func() {
				(&nodes.Controller{Store: m.Store, States: m.Follower, Presence: m.Presence, Log: o.Log}).Run(term)
			})
		}
		for still := leads; still == leads && ctx.Err() == nil; still, changed = m.Store.Leads() {
			select {
			case <-changed:
			case <-time.After(leadCheck):
			case <-ctx.Done():
			}
		}
		end()
		controllers.Wait()
	}
}
