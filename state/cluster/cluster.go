// Package cluster keeps a state in the store of the cluster that it describes: on
// the managers, next to the objects, through SSH and stowaged's operator API.
//
// A cluster cannot keep what makes it. Before its first manager serves, and again
// from before its last one is destroyed, the state and its journal are in a file
// of this machine; whenever the lock is given back and a manager serves, the state
// moves into the cluster (ADR 0007 tells why nothing is lost on the way):
//
//	file            cluster         the state is in
//	none            none            the file (nothing yet)
//	state           none, marker    the file
//	none, marker    state           the cluster
//	state           same or newer   the cluster: a move was cut off behind its copy
//	state           older           the file: the cluster's copy is of a move that was cut off
//
// A marker is a snapshot that says where the state went.
package cluster

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/cluster/client"
	"github.com/stowage-iac/stowage/ssh"
	"github.com/stowage-iac/stowage/state"
	"github.com/stowage-iac/stowage/state/keyed"
	"github.com/stowage-iac/stowage/state/local"
)

// Options say where the state is.
type Options struct {
	Hosts []ssh.Config // managers, tried in turn
	Name  string
	Dir   string // for the file
	// Dial opens a connection to a manager's socket; nil: through SSH to the Hosts.
	// An error that is ssh.ErrNoSocket means that no manager is there (yet).
	Dial client.Dialer
	// Patience is how long a manager that starts is waited for; default 10 s.
	Patience time.Duration
}

// Backend is a state in a cluster, or on its way there.
type Backend struct {
	o        Options
	client   *client.Client
	there    *keyed.Backend
	here     *local.Backend
	location string

	mu    sync.Mutex
	hosts map[int]ssh.Host // open connections, by index in o.Hosts
	known bool             // at is decided
	at    side
}

var _ state.Backend = (*Backend)(nil)

// side is where the state is.
type side bool

const (
	inFile    side = false
	inCluster side = true
)

// New makes a backend; nothing is dialled yet.
func New(o Options) *Backend {
	if o.Patience == 0 {
		o.Patience = 10 * time.Second
	}
	var names []string
	for _, h := range o.Hosts {
		names = append(names, h.Name)
	}
	sum := sha256.Sum256([]byte(strings.Join(names, "\n")))
	b := &Backend{o: o, hosts: map[int]ssh.Host{}, location: fmt.Sprintf("%s in the cluster of %s", o.Name, strings.Join(names, ", ")),
		here: local.New(filepath.Join(o.Dir, "cluster", fmt.Sprintf("%s-%s.json", strings.ReplaceAll(o.Name, "/", "_"), hex.EncodeToString(sum[:4]))))}
	dial := o.Dial
	if dial == nil {
		dial = b.dial
	}
	b.client = client.New(dial)
	b.there = keyed.New(&store{b.client, b.client.State(o.Name)}, keyed.Options{
		Location: b.location, Previous: b.location + " (stowage state history lists them)", Limit: limit,
		Stale: fmt.Sprintf("its lock ends by itself within %d s", api.StateLease),
	})
	return b
}

// dial connects to the socket of the first host that has one.
func (b *Backend) dial(ctx context.Context) (net.Conn, error) {
	var missing, failed error
	for n := range b.o.Hosts {
		h, err := b.host(ctx, n)
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		conn, err := h.Dial(ctx, api.Socket)
		if err == nil {
			return conn, nil
		}
		if errors.Is(err, ssh.ErrNoSocket) {
			missing = err
		} else {
			failed = errors.Join(failed, err)
		}
	}
	if failed != nil { // one that cannot be reached may be the one that has the state
		return nil, failed
	}
	return nil, missing
}

func (b *Backend) host(ctx context.Context, n int) (ssh.Host, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if h := b.hosts[n]; h != nil {
		return h, nil
	}
	h, err := ssh.Dial(ctx, b.o.Hosts[n], ssh.Options{})
	if err == nil {
		b.hosts[n] = h
	}
	return h, err
}

// Close ends the connections.
func (b *Backend) Close() error {
	b.client.Close()
	b.mu.Lock()
	defer b.mu.Unlock()
	var err error
	for n, h := range b.hosts {
		err = errors.Join(err, h.Close())
		delete(b.hosts, n)
	}
	return err
}

// Location names the state.
func (b *Backend) Location() string { return b.location }

// Previous says where earlier versions are.
func (b *Backend) Previous() string {
	return b.there.Previous() + " or, from before there was a manager, in " + b.here.Previous()
}

// in is the side's backend.
func (b *Backend) in(s side) state.Backend {
	if s == inCluster {
		return b.there
	}
	return b.here
}

// present is the backend that has the state now.
func (b *Backend) present(ctx context.Context) (state.Backend, error) {
	s, err := b.find(ctx)
	if err != nil {
		return nil, err
	}
	return b.in(s), nil
}

// Read reads the state where it is.
func (b *Backend) Read(ctx context.Context) (state.Stored, error) {
	p, err := b.present(ctx)
	if err != nil {
		return state.Stored{}, err
	}
	return p.Read(ctx)
}

// Holder tells who holds the lock.
func (b *Backend) Holder(ctx context.Context) (state.LockInfo, bool, error) {
	p, err := b.present(ctx)
	if err != nil {
		return state.LockInfo{}, false, err
	}
	return p.Holder(ctx)
}

// Break takes the lock away.
func (b *Backend) Break(ctx context.Context, id string) error {
	p, err := b.present(ctx)
	if err != nil {
		return err
	}
	return p.Break(ctx, id)
}

// Versions lists the earlier versions.
func (b *Backend) Versions(ctx context.Context) ([]state.Version, error) {
	p, err := b.present(ctx)
	if err != nil {
		return nil, err
	}
	return p.Versions(ctx)
}

// Version reads one.
func (b *Backend) Version(ctx context.Context, serial uint64) ([]byte, error) {
	p, err := b.present(ctx)
	if err != nil {
		return nil, err
	}
	return p.Version(ctx, serial)
}
