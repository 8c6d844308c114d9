// Package keyed keeps a state in any store of small objects under keys that can
// write one of them conditionally: etcd, S3, a table, the cluster's store.
//
// Layout, below a prefix that belongs to one state:
//
//	head                     what is valid: JSON, see head
//	snapshot/NAME/000000     the pieces of one snapshot
//	journal/NAME/00000000    the batches of records of one journal; the last may seal it
//	lock                     whatever the store makes of its lock
//
// Snapshots and journals are written under names of their own and become valid by
// one conditional write of the head. A crash anywhere leaves the old head or the
// new one; what no head names is swept up by a later write. A holder that lost the
// lock can write nothing more: its successor changed the head, and sealed the
// journal that it was writing.
package keyed

import (
	"context"
	"errors"
)

// Sentinels of a store.
var (
	ErrAbsent  = errors.New("there is no such object")
	ErrChanged = errors.New("the object is not as expected")
	ErrHeld    = errors.New("the lock is held")
)

// Object is one object.
type Object struct {
	Key      string
	Data     []byte
	Revision string // changes with every write; never ""
}

// Store is where the objects are. Keys are relative to the state's prefix. Errors
// other than the sentinels name the store's address and are for users.
type Store interface {
	// Get reads one object, or ErrAbsent.
	Get(ctx context.Context, key string) (Object, error)
	// All reads the objects whose keys begin with prefix, sorted by key.
	All(ctx context.Context, prefix string) ([]Object, error)
	// Keys lists the keys that begin with prefix, sorted.
	Keys(ctx context.Context, prefix string) ([]string, error)
	// Put writes an object if it has the revision; "" means that there must be none.
	// Else it is ErrChanged. It returns the new revision.
	Put(ctx context.Context, key string, data []byte, revision string) (string, error)
	// Delete removes objects; those that are gone already are no error.
	Delete(ctx context.Context, keys []string) error

	// Acquire takes the lock and keeps it alive, or fails with ErrHeld. info is what Holder returns.
	Acquire(ctx context.Context, info []byte) (Held, error)
	// Holder tells who holds the lock, if anybody who may still live does.
	Holder(ctx context.Context) (info []byte, held bool, err error)
	// Break takes the lock away from the holder that gave info. It may fail with
	// ErrChanged: that holder has it no more.
	Break(ctx context.Context, info []byte) error
}

// Held is a lock that is kept alive.
type Held interface {
	// Lost is closed when the lock is not held any more, or cannot be known to be.
	Lost() <-chan struct{}
	// Release gives it back, if it is still held. Called once.
	Release(ctx context.Context) error
}
