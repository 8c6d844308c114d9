package planner

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/cluster/client"
	"github.com/stowage-iac/stowage/image"
	"github.com/stowage-iac/stowage/ssh"
)

// Fleet holds one connection per host for a whole run: refresh, plan and apply
// share them. Safe for concurrent use.
type Fleet struct {
	o FleetOptions

	mu      sync.Mutex
	nodes   map[string]ssh.Config // by name
	keys    map[string]ssh.Key    // by name: those that were given for this run
	open    map[ssh.Config]*connection
	manager string
	clients map[string]*client.Client // by node
}

// FleetOptions of NewFleet.
type FleetOptions struct {
	SSH ssh.Options
	// Dial connects to a host; default ssh.Dial.
	Dial func(ctx context.Context, c ssh.Config, o ssh.Options) (ssh.Host, error)
}

// connection is a host that is connected once, however many ask for it.
type connection struct {
	ready chan struct{} // closed when host or err is set
	host  ssh.Host
	err   error
}

// NewFleet makes a fleet without hosts; nothing is connected before it is needed.
func NewFleet(o FleetOptions) *Fleet {
	if o.Dial == nil {
		o.Dial = ssh.Dial
	}
	return &Fleet{o: o, nodes: map[string]ssh.Config{}, keys: map[string]ssh.Key{}, open: map[ssh.Config]*connection{}, clients: map[string]*client.Client{}}
}

// Add says how to reach a node. A private key is remembered: later, what is recorded
// comes without it.
func (f *Fleet) Add(node string, c ssh.Config) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if c.Key != "" {
		f.keys[node] = c.Key
	}
	c.Key = f.keys[node]
	if old, ok := f.nodes[node]; ok && old != c {
		delete(f.clients, node)
	}
	f.nodes[node] = c
}

// SetManager says which node's stowaged is the cluster's API; "" when there is none.
func (f *Fleet) SetManager(node string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.manager = node
}

// Host connects to a node's host, or returns the connection that is there.
func (f *Fleet) Host(ctx context.Context, node string) (ssh.Host, error) {
	f.mu.Lock()
	c, ok := f.nodes[node]
	f.mu.Unlock()
	if !ok {
		return nil, fmt.Errorf("node.%s: neither the configuration nor the state says how to reach it", node)
	}
	return f.connect(ctx, c)
}

func (f *Fleet) connect(ctx context.Context, c ssh.Config) (ssh.Host, error) {
	f.mu.Lock()
	c.Key = f.keys[c.Name]
	conn, ok := f.open[c]
	if !ok {
		conn = &connection{ready: make(chan struct{})}
		f.open[c] = conn
	}
	f.mu.Unlock()
	if !ok {
		conn.host, conn.err = f.o.Dial(ctx, c, f.o.SSH)
		if conn.err != nil { // the next one who asks tries again
			f.mu.Lock()
			delete(f.open, c)
			f.mu.Unlock()
		}
		close(conn.ready)
		return conn.host, conn.err
	}
	select {
	case <-conn.ready:
		return conn.host, conn.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Cluster is the operator API of the manager.
func (f *Fleet) Cluster(ctx context.Context) (*client.Client, error) {
	f.mu.Lock()
	manager := f.manager
	f.mu.Unlock()
	if manager == "" {
		return nil, fmt.Errorf("there is no cluster: no node of it is declared or recorded as its manager")
	}
	if _, err := f.Host(ctx, manager); err != nil {
		return nil, err
	}
	return f.Client(manager), nil
}

// Client is the API of the stowaged on a node. Nothing is dialled before its first call.
func (f *Fleet) Client(node string) *client.Client {
	f.mu.Lock()
	defer f.mu.Unlock()
	c, ok := f.clients[node]
	if !ok {
		c = client.New(f.dialer(node, api.Socket))
		f.clients[node] = c
	}
	return c
}

func (f *Fleet) dialer(node, socket string) func(ctx context.Context) (net.Conn, error) {
	return func(ctx context.Context) (net.Conn, error) {
		h, err := f.Host(ctx, node)
		if err != nil {
			return nil, err
		}
		return h.Dial(ctx, socket)
	}
}

// speaks is how long containerd's first word is waited for.
const speaks = 10 * time.Second

// Missing tells for each image how many bytes the node's containerd lacks: all of
// them where containerd is installed and does not run (yet).
func (f *Fleet) Missing(ctx context.Context, node, platform string, images []*image.Image) ([]int64, error) {
	conn, err := f.dialer(node, api.ContainerdSock)(ctx)
	if err == nil {
		// Through a helper on the host only a read tells that nothing listens, or that
		// there is no helper yet. containerd speaks first.
		conn.SetReadDeadline(time.Now().Add(speaks))
		if _, failed := conn.Read(make([]byte, 1)); errors.Is(failed, ssh.ErrNoSocket) {
			err = failed
		}
		conn.Close()
	}
	if errors.Is(err, ssh.ErrNoSocket) {
		sizes := make([]int64, len(images))
		for i, img := range images {
			if sizes[i], err = img.Size(platform); err != nil {
				return nil, err
			}
		}
		return sizes, nil
	}
	if err != nil {
		return nil, err
	}
	return image.Missing(ctx, f.images(node), platform, images...)
}

// Own hands an object of the cluster over to another owner.
func (f *Fleet) Own(ctx context.Context, kind api.Kind, name, from, to string) error {
	c, err := f.Cluster(ctx)
	if err != nil {
		return err
	}
	return c.Own(ctx, kind, name, from, to)
}

// Push brings an image into a node's containerd, what is missing there only.
func (f *Fleet) Push(ctx context.Context, node string, img *image.Image, o image.PushOptions) error {
	_, err := image.Push(ctx, f.images(node), img, o)
	return err
}

// images is a node as a place for images.
func (f *Fleet) images(node string) image.Host {
	return image.Host{Containerd: f.dialer(node, api.ContainerdSock), Agent: f.dialer(node, api.Socket)}
}

// Close ends all connections.
func (f *Fleet) Close() error {
	f.mu.Lock()
	open, clients := f.open, f.clients
	f.open, f.clients = map[ssh.Config]*connection{}, map[string]*client.Client{}
	f.mu.Unlock()
	for _, c := range clients {
		c.Close()
	}
	var first error
	for _, c := range open {
		<-c.ready
		if c.err != nil {
			continue
		}
		if err := c.host.Close(); err != nil && first == nil {
			first = err
		}
	}
	return first
}
