package state

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"strings"
	"time"
)

// Store reads and writes a state through a backend: it knows the formats, the
// encryption and the journal. Safe for concurrent use.
type Store struct {
	backend Backend
	o       Options
}

// Options of NewStore.
type Options struct {
	// Keys encrypt and decrypt; nil is NewKeyring(KeyOptions{}).
	Keys *Keyring
	// Version of stowage, recorded in what is written.
	Version string
	// Lineage, when not "", is the only one that is accepted.
	Lineage string
	// Context is the one that the state belongs to, recorded in what is written. A
	// state of another one is refused; "" refuses none.
	Context string
	// Renamed: a state of another context is accepted, and what is written belongs to Context.
	Renamed bool
}

// NewStore makes a store over a backend; nothing is read yet.
func NewStore(b Backend, o Options) *Store {
	if o.Keys == nil {
		o.Keys = NewKeyring(KeyOptions{})
	}
	return &Store{backend: b, o: o}
}

// Renaming is the same store, accepting a state of a context that had another name.
func (s *Store) Renaming() *Store {
	r := *s
	r.o.Renamed = true
	return &r
}

// Close ends the backend's connections, if it has any. Nothing is lost without it.
func (s *Store) Close() error {
	if c, ok := s.backend.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// Loaded is a state as it is now: the snapshot with the journal of an operation
// that did not end (or is under way) replayed on it.
type Loaded struct {
	// State is never nil: without a stored one it is New(). Instances are shared: do not change them.
	State *State
	// Exists is false when nothing is stored yet. Only then may the caller replace
	// State.Lineage (by that of a saved plan) before Begin.
	Exists bool
	// Encrypted tells whether what is stored is encrypted. A state that is not has
	// no stored HashKey: State.HashKey is then a fresh one, which the caller may
	// replace (by that of a saved plan) before Begin.
	Encrypted bool
	// Interrupted tells of an operation that did not end; nil when the last one did.
	Interrupted *Interrupted

	envelope *Envelope
	journal  string // ID of the journal that was replayed
	stored   uint64 // serial of the snapshot, 0 when there is none
}

// Interrupted describes an operation that was cut off, or that runs right now.
type Interrupted struct {
	Operation string    `json:"operation"` // apply, destroy
	Plan      string    `json:"plan,omitempty"`
	Started   time.Time `json:"started"`
	By        string    `json:"by"` // user@host
	PID       int       `json:"pid"`
	// Running: the operation's process lives and holds the lock.
	Running  bool     `json:"-"`
	Done     []string `json:"done,omitempty"` // addresses finished, in the order of finishing
	Underway []string `json:"underway"`       // addresses begun and not known to be finished, sorted
}

// Load reads the state without a lock. Errors are ErrDamaged, ErrForeign,
// ErrContext, ErrNewer, ErrKey (errors.Is), or the backend's.
func (s *Store) Load(ctx context.Context) (*Loaded, error) {
	// Between reading the snapshot and the journal another process may end its
	// operation and begin the next: the pair then does not fit, and is read again.
	for try := 0; ; try++ {
		l, err := s.read(ctx)
		if errors.Is(err, errMismatch) && try < 5 {
			continue
		}
		if err != nil {
			return nil, s.explain(err)
		}
		return l, nil
	}
}

// errMismatch: the journal continues another snapshot than the one that was read.
var errMismatch = errors.New("the journal and the state do not belong together")

func (s *Store) read(ctx context.Context) (*Loaded, error) {
	stored, err := s.backend.Read(ctx)
	if err != nil {
		return nil, err
	}
	l := &Loaded{}
	var head snapshotHeader
	if stored.Snapshot == nil {
		l.State = New()
	} else {
		snap, err := decodeSnapshot(stored.Snapshot, s.o.Keys)
		if err != nil {
			return nil, err
		}
		head = snap.header
		if snap.state.moved != "" {
			return nil, fmt.Errorf("%w: to %s, by %s at %s; configure that backend, or move it back with \"stowage init -migrate-state\"",
				ErrMoved, snap.state.moved, head.By, head.Written.Format(time.RFC3339))
		}
		l.State, l.envelope, l.Interrupted = snap.state, snap.envelope, snap.interrupted
		l.Exists, l.stored = true, head.Serial
	}
	if stored.Journal != nil {
		if err := s.replay(ctx, l, head, stored.Journal); err != nil {
			return nil, err
		}
	}
	if want := s.o.Lineage; want != "" && l.Exists && l.State.Lineage != want {
		return nil, fmt.Errorf("%w: its lineage is %s, expected was %s: it belongs to something else", ErrForeign, l.State.Lineage, want)
	}
	if want, have := s.o.Context, l.State.Context; want != "" && have != "" && have != want && !s.o.Renamed {
		return nil, fmt.Errorf("%w: it belongs to %q, and the selected context is %q", ErrContext, have, want)
	}
	l.Encrypted = l.envelope != nil
	if l.State.HashKey == nil {
		l.State.HashKey = newHashKey()
	}
	return l, nil
}

// replay brings l up to the end of the journal, unless that was merged already.
func (s *Store) replay(ctx context.Context, l *Loaded, head snapshotHeader, data []byte) error {
	j, err := parseJournal(data)
	if err != nil {
		return err
	}
	h := j.header
	switch {
	case l.Exists && h.Lineage != head.Lineage:
		return fmt.Errorf("%w: its journal has the lineage %s, the state %s", ErrForeign, h.Lineage, head.Lineage)
	case l.Exists && h.ID == head.Merged:
		return nil // the crash was between writing the snapshot and removing the journal
	case h.Base != l.stored:
		return fmt.Errorf("%w: the journal continues serial %d, the state has %d; %w: put the state with serial %d back, "+
			"or move the journal away to give up what it records", ErrDamaged, h.Base, l.stored, errMismatch, h.Base)
	}
	if !l.Exists {
		l.State.Lineage, l.Exists = h.Lineage, true
	}
	l.State.Context = h.Context
	l.State, l.envelope, l.Interrupted, err = replayJournal(l.State, l.envelope, j, s.o.Keys)
	if err != nil {
		return err
	}
	l.journal = h.ID
	_, held, err := s.backend.Holder(ctx)
	l.Interrupted.Running = held
	return err
}

// explain adds where the state is, and where its earlier versions are.
func (s *Store) explain(err error) error {
	if errors.Is(err, ErrDamaged) || errors.Is(err, ErrForeign) || errors.Is(err, ErrNewer) {
		return fmt.Errorf("the state %s is refused: %w; earlier versions are in %s", s.backend.Location(), err, s.backend.Previous())
	}
	what := "the state " + s.backend.Location()
	if strings.HasPrefix(err.Error(), what) {
		return err // it says so itself
	}
	return fmt.Errorf("%s: %w", what, err)
}

// Location names the state for messages.
func (s *Store) Location() string { return s.backend.Location() }

// Lock takes the exclusive lock for an operation (apply, destroy), waiting for
// at most wait. A lock that stays held is a *LockedError.
func (s *Store) Lock(ctx context.Context, operation string, wait time.Duration) (*Locked, error) {
	info := LockInfo{ID: randomID(), Operation: operation, Who: whoami(), PID: os.Getpid(), Context: s.o.Context,
		Created: time.Now().UTC().Truncate(time.Second), Path: s.backend.Location()}
	session, err := s.backend.Lock(ctx, info, wait)
	if err != nil {
		return nil, err
	}
	return &Locked{store: s, session: session, info: info}, nil
}

// New is a state with a random lineage and hash key, serial 0 and nothing in it.
func New() *State {
	return &State{Lineage: randomID(), HashKey: newHashKey(),
		Instances: map[string]*Instance{}, Outputs: map[string]*Output{}}
}

// Sensitive reports whether anything in the state is sensitive: it is then encrypted.
func (s *State) Sensitive() bool {
	for _, i := range s.Instances {
		if len(i.Sensitive) > 0 {
			return true
		}
	}
	return sensitiveOutput(s.Outputs)
}

func sensitiveOutput(outputs map[string]*Output) bool {
	for _, o := range outputs {
		if o.Sensitive {
			return true
		}
	}
	return false
}

func newHashKey() []byte {
	b := make([]byte, 32)
	rand.Read(b)
	return b
}

func randomID() string {
	b := make([]byte, 16)
	rand.Read(b)
	return hex.EncodeToString(b)
}

// whoami is user@host.
func whoami() string {
	name := "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return name + "@" + host
}
