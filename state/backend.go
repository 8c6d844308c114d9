package state

import (
	"context"
	"time"
)

// Backend keeps the bytes of one state: a snapshot, and the journal of an apply
// that has not been folded into it. It does not look into them: Store does.
type Backend interface {
	// Location names the state for messages, e.g. a path.
	Location() string
	// Previous says where earlier versions are kept, for messages.
	Previous() string
	// Read returns what is stored; no lock is needed.
	Read(ctx context.Context) (Stored, error)
	// Holder tells who holds the lock, if anybody does.
	Holder(ctx context.Context) (info LockInfo, held bool, err error)
	// Lock takes the exclusive lock that every write needs. While another process
	// holds it, Lock tries again for at most wait and then returns a *LockedError.
	// The lock of a process that died is free, at once or after a time that the backend documents.
	Lock(ctx context.Context, info LockInfo, wait time.Duration) (Session, error)
	// Break takes the lock away from a holder that died without the backend noticing.
	// id is that of its LockInfo: another one is ErrLocked, naming the real holder; no
	// lock at all is ErrNotLocked. A holder that is known to live is ErrAlive.
	Break(ctx context.Context, id string) error
	// Versions lists the earlier snapshots, at least ten, newest first.
	Versions(ctx context.Context) ([]Version, error)
	// Version reads an earlier snapshot; ErrNoVersion when there is none of that serial.
	Version(ctx context.Context, serial uint64) ([]byte, error)
}

// KeepVersions is how many earlier snapshots a backend keeps.
const KeepVersions = 10

// Version is an earlier snapshot.
type Version struct {
	Serial    uint64    `json:"serial"`
	Size      int64     `json:"size"`                // bytes
	Written   time.Time `json:"written,omitzero"`    // zero when it is not recorded
	Who       string    `json:"who,omitempty"`       // user@host, "" when it is not recorded
	Operation string    `json:"operation,omitempty"` // apply, destroy, state rm …
}

// Stored is what a backend holds; a nil slice stands for absent. The bytes belong to the caller.
type Stored struct {
	Snapshot []byte
	Journal  []byte
}

// Session is a held lock and the right to write.
type Session interface {
	// Replace stores next as the snapshot, atomically and durably, if the serial of
	// the present one is still base (0: there is none); else it is ErrConflict. The
	// present one becomes the newest of the earlier versions.
	Replace(ctx context.Context, base uint64, next []byte) error
	// Rewrite replaces an earlier snapshot by one of the same serial, atomically and
	// durably; nil removes it. Whoever reads meanwhile gets the one or the other. It is
	// ErrNoVersion when there is none of that serial.
	Rewrite(ctx context.Context, serial uint64, next []byte) error
	// StartJournal makes a journal that begins with head, atomically and durably. It is an error when there is one.
	StartJournal(ctx context.Context, head []byte) (Log, error)
	// DropJournal removes the journal, if there is one.
	DropJournal(ctx context.Context) error
	// Unlock gives the lock back. It may be called again.
	Unlock() error
}

// Log is a journal being written.
type Log interface {
	// Append adds p behind what is there; it is durable when Append returns.
	Append(p []byte) error
	Close() error
}
