package store

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Follower keeps a State up to date for as long as Run runs.
type Follower struct {
	store *Store

	mu      sync.Mutex
	state   *State
	synced  bool
	changed chan struct{}
	moved   chan struct{} // closed at every revision, also of events

	pending []Change // of the revision under way; Run's own
}

// NewFollower makes a follower; its state is empty until Run has read the store.
func NewFollower(s *Store) *Follower {
	return &Follower{store: s, state: NewState(), changed: make(chan struct{}), moved: make(chan struct{})}
}

// Read calls use with the state, which use must neither change nor keep.
func (f *Follower) Read(use func(*State)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	use(f.state)
}

// Changed is closed at the next change.
func (f *Follower) Changed() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.changed
}

// Synced waits until the store was read once.
func (f *Follower) Synced(ctx context.Context) error {
	for {
		f.mu.Lock()
		synced, changed := f.synced, f.changed
		f.mu.Unlock()
		if synced {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Run follows the store until ctx ends. What history it missed it reads anew.
func (f *Follower) Run(ctx context.Context) {
	for ctx.Err() == nil {
		if err := f.follow(ctx); err != nil && ctx.Err() == nil && !errors.Is(err, ErrCompacted) {
			f.store.log.Warn("following the store failed and is tried again", "error", err)
			select {
			case <-time.After(500 * time.Millisecond):
			case <-ctx.Done():
			}
		}
	}
}

func (f *Follower) follow(ctx context.Context) error {
	state, err := f.store.Load(ctx)
	if err != nil {
		return err
	}
	f.mu.Lock()
	f.state, f.synced, f.pending = state, true, nil
	f.advance()
	f.wake()
	f.mu.Unlock()
	for change, err := range f.store.Watch(ctx, state.Revision) {
		if err != nil {
			return err
		}
		f.apply(change)
	}
	return nil
}

// apply takes a revision in as a whole: what one transaction wrote (a pod and
// its revision, the two halves of a move) is never seen in part.
func (f *Follower) apply(change Change) {
	if !change.Complete() {
		f.pending = append(f.pending, change)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	news := false
	for _, c := range append(f.pending, change) {
		news = news || !c.Complete() && c.Class() != "events"
		if err := f.state.Apply(c); err != nil {
			f.store.log.Error("skipped an entry of the store", "error", err)
		}
	}
	clear(f.pending)
	f.pending = f.pending[:0]
	f.advance()
	if news {
		f.wake()
	}
}

func (f *Follower) advance() {
	close(f.moved)
	f.moved = make(chan struct{})
}

// Reached waits until the state is at revision or later.
func (f *Follower) Reached(ctx context.Context, revision int64) error {
	for {
		f.mu.Lock()
		at, moved := f.state.Revision, f.moved
		f.mu.Unlock()
		if at >= revision {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// wake tells the readers, once per revision.
func (f *Follower) wake() {
	close(f.changed)
	f.changed = make(chan struct{})
}
