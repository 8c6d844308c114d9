package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/stowage-iac/stowage/state"
)

// session is a held lock on the side where the state is.
type session struct {
	b    *Backend
	info state.LockInfo

	mu   sync.Mutex
	at   side
	in   state.Session
	done bool
}

// Lock takes the lock on the side where the state is, and looks again: it may
// have moved while the lock was waited for.
func (b *Backend) Lock(ctx context.Context, info state.LockInfo, wait time.Duration) (state.Session, error) {
	for {
		at, err := b.look(ctx)
		if err != nil {
			return nil, err
		}
		in, err := b.in(at).Lock(ctx, info, wait)
		if err != nil {
			return nil, err
		}
		again, err := b.look(ctx)
		if err != nil {
			in.Unlock()
			return nil, err
		}
		if again == at {
			b.set(at)
			return &session{b: b, info: info, at: at, in: in}, nil
		}
		if err := in.Unlock(); err != nil {
			return nil, err
		}
	}
}

// Replace stores the snapshot where the state is.
func (s *session) Replace(ctx context.Context, base uint64, next []byte) error {
	return s.in.Replace(ctx, base, next)
}

// Rewrite replaces an earlier version where the state is.
func (s *session) Rewrite(ctx context.Context, serial uint64, next []byte) error {
	return s.in.Rewrite(ctx, serial, next)
}

// StartJournal starts the journal where the state is.
func (s *session) StartJournal(ctx context.Context, head []byte) (state.Log, error) {
	return s.in.StartJournal(ctx, head)
}

// DropJournal removes it.
func (s *session) DropJournal(ctx context.Context) error { return s.in.DropJournal(ctx) }

// moveTimeout bounds the move into the cluster at the end of an apply.
const moveTimeout = 2 * time.Minute

// Unlock moves a state that is in the file into the cluster, if a manager serves
// by now, and gives the lock back.
func (s *session) Unlock() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done {
		return nil
	}
	s.done = true
	var err error
	if s.at == inFile {
		ctx, cancel := context.WithTimeout(context.Background(), moveTimeout)
		defer cancel()
		if err = s.settle(ctx); err != nil {
			err = fmt.Errorf("the state stays in %s for now, and the next apply moves it into the cluster: %w", s.b.here.Location(), err)
		}
	}
	return errors.Join(err, s.in.Unlock())
}

// settle moves the state into the cluster, with its earlier versions.
func (s *session) settle(ctx context.Context) error {
	file, err := s.b.here.Read(ctx)
	if err != nil || file.Snapshot == nil || file.Journal != nil {
		return err
	}
	mine, err := state.HeaderOf(file.Snapshot)
	if err != nil || mine.Moved != "" {
		return err
	}
	if serves, err := s.b.serves(ctx); err != nil || !serves {
		return nil // not yet, or not any more
	}
	there, err := s.b.there.Lock(ctx, s.info, 0)
	if err != nil {
		return err
	}
	if err := s.copy(ctx, there, file.Snapshot, mine); err != nil {
		return errors.Join(err, there.Unlock())
	}
	s.b.set(inCluster)
	return there.Unlock()
}

// copy writes the state into the cluster, reads it back, and marks the file.
func (s *session) copy(ctx context.Context, there state.Session, snapshot []byte, mine state.Header) error {
	stored, err := s.b.there.Read(ctx)
	if err != nil {
		return err
	}
	theirs, err := state.HeaderOf(stored.Snapshot)
	if err != nil {
		return err
	}
	if stored.Snapshot != nil && theirs.Lineage != mine.Lineage {
		return fmt.Errorf("%w: %s has one of lineage %s", state.ErrForeign, s.b.location, theirs.Lineage)
	}
	if !bytes.Equal(stored.Snapshot, snapshot) {
		if err := there.DropJournal(ctx); err != nil {
			return err
		}
		if err := there.Replace(ctx, theirs.Serial, snapshot); err != nil {
			return err
		}
		if stored, err = s.b.there.Read(ctx); err != nil {
			return err
		}
		if !bytes.Equal(stored.Snapshot, snapshot) {
			return fmt.Errorf("%w: what was written to %s reads differently", state.ErrDamaged, s.b.location)
		}
	}
	marker, err := state.Marker(snapshot, s.b.location, s.info)
	if err != nil {
		return err
	}
	return s.in.Replace(ctx, mine.Serial, marker)
}

// Evacuate brings the state home into the file, before the managers that keep it
// are destroyed. There must be no journal. The lock goes along.
func (s *session) Evacuate(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.at == inFile {
		return nil
	}
	stored, err := s.b.there.Read(ctx)
	if err != nil || stored.Snapshot == nil {
		return err
	}
	theirs, err := state.HeaderOf(stored.Snapshot)
	if err != nil {
		return err
	}
	here, err := s.b.here.Lock(ctx, s.info, 0)
	if err != nil {
		return err
	}
	file, err := s.b.here.Read(ctx)
	if err == nil {
		var mine state.Header
		if mine, err = state.HeaderOf(file.Snapshot); err == nil {
			err = here.Replace(ctx, mine.Serial, stored.Snapshot)
		}
	}
	if err != nil {
		return errors.Join(err, here.Unlock())
	}
	marker, err := state.Marker(stored.Snapshot, fmt.Sprintf("%s of %s", s.b.here.Location(), s.info.Who), s.info)
	if err == nil {
		err = s.in.Replace(ctx, theirs.Serial, marker)
	}
	if err != nil {
		return errors.Join(err, here.Unlock())
	}
	old := s.in
	s.at, s.in = inFile, here
	s.b.set(inFile)
	old.Unlock() // it ends by itself otherwise, and the marker keeps everybody out
	return nil
}
