package state

import (
	"context"
	"time"
)

// Store reads and writes a state through a backend: it knows the formats, the
// encryption and the journal. Safe for concurrent use.
type Store struct {
	backend Backend
	keys    *Keyring
	version string
}

// Options of NewStore.
type Options struct {
	// Keys encrypt and decrypt; nil is NewKeyring(KeyOptions{}).
	Keys *Keyring
	// Version of stowage, recorded in what is written.
	Version string
	// Lineage, when not "", is the only one that is accepted.
	Lineage string
}

// NewStore makes a store over a backend; nothing is read yet.
func NewStore(b Backend, o Options) *Store { return nil }

// Loaded is a state as it is now: the snapshot with the journal of an apply that
// did not end (or is under way) replayed on it.
type Loaded struct {
	// State is never nil: without a stored one it is New(). Instances are shared: do not change them.
	State *State
	// Exists is false when nothing is stored yet. Only then may the caller replace
	// State.Lineage and State.HashKey (by those of a saved plan) before Begin.
	Exists bool
	// Encrypted tells whether what is stored is encrypted.
	Encrypted bool
	// Interrupted tells of an apply that did not end; nil when the last one did.
	Interrupted *Interrupted
}

// Interrupted describes an apply that was cut off, or that runs right now if the lock is held.
type Interrupted struct {
	Operation string // apply, destroy
	Plan      string // its id
	Started   time.Time
	By        string // user@host
	PID       int
	Done      []string // addresses finished, in the order of finishing
	Underway  []string // addresses begun and not known to be finished, sorted
}

// Load reads the state without a lock. Errors are ErrDamaged, ErrForeign,
// ErrNewer, ErrKey (errors.Is), or the backend's.
func (s *Store) Load(ctx context.Context) (*Loaded, error) { return nil, nil }

// Lock takes the exclusive lock for an operation (apply, destroy), waiting for at most wait.
func (s *Store) Lock(ctx context.Context, operation string, wait time.Duration) (*Locked, error) {
	return nil, nil
}

// Locked is a store that this process may write to.
type Locked struct{}

// Load is Store.Load; nobody else writes after it until Unlock.
func (l *Locked) Load(ctx context.Context) (*Loaded, error) { return nil, nil }

// Begin starts the journal of an operation on what Locked.Load returned. The
// journal of an interrupted operation is folded into the snapshot first.
func (l *Locked) Begin(ctx context.Context, base *Loaded, op Operation) (*Journal, error) {
	return nil, nil
}

// Write replaces the whole state, without a journal; Serial of next is set. The
// present state must still be base. It is for commands that edit the state.
func (l *Locked) Write(ctx context.Context, base *Loaded, next *State) error { return nil }

// Unlock gives the lock back. It may be called again.
func (l *Locked) Unlock() error { return nil }

// Operation is what a journal records.
type Operation struct {
	Name string // apply, destroy
	Plan string // id of the plan
}

// Journal records an operation's finished steps. Every method that records
// returns when the record is durable; records of many goroutines share one
// flush. After an error every later call returns it too. Safe for concurrent use.
type Journal struct{}

// Begin says that an action on address starts: until Done or Fail it is under way.
func (j *Journal) Begin(address, action string) error { return nil }

// Done records the result of address: the new instance, or nil when it is gone.
func (j *Journal) Done(address string, result *Instance) error { return nil }

// Fail says that the action on address ended without a result; what is recorded of it stays.
func (j *Journal) Fail(address string) error { return nil }

// SetOutputs records all output values.
func (j *Journal) SetOutputs(outputs map[string]*Output) error { return nil }

// SetClusterID records the cluster's ID.
func (j *Journal) SetClusterID(id string) error { return nil }

// State is a copy of the state with everything recorded so far. Its instances are shared.
func (j *Journal) State() *State { return nil }

// Close ends the operation: the snapshot is written, then the journal removed.
// Also after failed steps. A crash in between loses nothing.
func (j *Journal) Close(ctx context.Context) (*State, error) { return nil, nil }

// Leave closes the journal without ending the operation, as a crash would: the next Load tells of it.
func (j *Journal) Leave() error { return nil }

// New is a state with a random lineage and hash key, serial 0 and nothing in it.
func New() *State { return nil }
