// Package http keeps a state at a URL, by the protocol of Terraform's http
// backend: GET, POST, LOCK and UNLOCK.
//
// That protocol can only replace the whole state. What else a backend needs is
// kept on this machine, below Options.Dir: the journal of an apply, and the
// earlier versions that were written from here.
package http

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"path/filepath"
	"time"

	"github.com/stowage-iac/stowage/state"
	"github.com/stowage-iac/stowage/state/local"
)

// Options say where the state is. All fields of the first group are required.
type Options struct {
	Address, UpdateMethod       string
	LockAddress, LockMethod     string
	UnlockAddress, UnlockMethod string
	Dir                         string // for journal and earlier versions
	Username, Password          string
	Insecure                    bool
	CA, Cert, Key               string // PEM
	Retries                     int
	RetryMin, RetryMax          time.Duration
}

// Backend is a state at a URL.
type Backend struct {
	o      Options
	client *http.Client
	// here has the journal and the earlier versions; its lock says who on this machine holds the server's.
	here *local.Backend
	held string // file with the last lock that this machine asked the server for
}

var _ state.Backend = (*Backend)(nil)

// New makes a backend; nothing is dialled yet.
func New(o Options) (*Backend, error) {
	client, err := o.client()
	if err != nil {
		return nil, fmt.Errorf("backend \"http\": %w", err)
	}
	sum := sha256.Sum256([]byte(o.Address))
	path := filepath.Join(o.Dir, "http", hex.EncodeToString(sum[:6])+".json")
	return &Backend{o: o, client: client, here: local.New(path), held: path + ".held"}, nil
}

// Location is the address.
func (b *Backend) Location() string { return b.o.Address }

// Previous is a directory of this machine.
func (b *Backend) Previous() string { return b.here.Previous() }

// Read reads the state from the server, and the journal from this machine.
func (b *Backend) Read(ctx context.Context) (state.Stored, error) {
	// The journal first: it is dropped after the snapshot that contains it was written.
	here, err := b.here.Read(ctx)
	if err != nil {
		return state.Stored{}, err
	}
	snapshot, err := b.get(ctx)
	return state.Stored{Snapshot: snapshot, Journal: here.Journal}, err
}

// Versions lists the earlier versions that this machine wrote or replaced.
func (b *Backend) Versions(ctx context.Context) ([]state.Version, error) { return b.here.Versions(ctx) }

// Version reads one of them.
func (b *Backend) Version(ctx context.Context, serial uint64) ([]byte, error) {
	return b.here.Version(ctx, serial)
}

// get reads the state; nil when there is none.
func (b *Backend) get(ctx context.Context) ([]byte, error) {
	a, err := b.send(ctx, http.MethodGet, b.o.Address, nil)
	if err != nil {
		return nil, err
	}
	switch {
	case a.status == http.StatusNotFound, a.status == http.StatusNoContent, a.status == http.StatusOK && len(a.body) == 0:
		return nil, nil
	case a.status != http.StatusOK:
		return nil, b.refused("read the state", b.o.Address, a)
	}
	return a.body, nil
}

// serialOf is 0 for a state that is not there.
func serialOf(snapshot []byte) (uint64, error) {
	if snapshot == nil {
		return 0, nil
	}
	return state.SnapshotSerial(snapshot)
}
