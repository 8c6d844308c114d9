package keyed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/stowage-iac/stowage/state"
	"github.com/stowage-iac/stowage/state/internal/crash"
)

// Holder tells who holds the lock.
func (b *Backend) Holder(ctx context.Context) (state.LockInfo, bool, error) {
	text, held, err := b.store.Holder(ctx)
	return decodeInfo(text), held, err
}

// Break takes the lock away.
func (b *Backend) Break(ctx context.Context, id string) error {
	text, held, err := b.store.Holder(ctx)
	if err != nil {
		return err
	}
	if !held {
		return fmt.Errorf("the state %s is %w", b.o.Location, state.ErrNotLocked)
	}
	if holder := decodeInfo(text); holder.ID != id {
		return &state.LockedError{Location: b.o.Location, Holder: holder}
	}
	if err := b.store.Break(ctx, text); !errors.Is(err, ErrChanged) {
		return err
	}
	return fmt.Errorf("the state %s is %w by %s any more", b.o.Location, state.ErrNotLocked, id)
}

// Lock takes the lock, and keeps whoever had it before from writing any more.
func (b *Backend) Lock(ctx context.Context, info state.LockInfo, patience time.Duration) (state.Session, error) {
	text, err := json.Marshal(info)
	if err != nil {
		return nil, err
	}
	deadline := time.Now().Add(patience)
	for pause := b.o.Retry; ; pause = min(2*pause, time.Second) {
		crash.Point()
		held, err := b.store.Acquire(ctx, text)
		crash.Point()
		if err == nil {
			return b.begin(ctx, held)
		}
		if !errors.Is(err, ErrHeld) {
			return nil, err
		}
		if left := time.Until(deadline); left <= 0 {
			holder, held, err := b.Holder(ctx)
			if err != nil {
				return nil, err
			}
			if held || pause > b.o.Retry {
				return nil, b.locked(holder)
			}
			deadline = time.Now().Add(pause) // it was given back just now: once more
		}
		if err := wait(ctx, min(pause, max(time.Until(deadline), 10*time.Millisecond))); err != nil {
			return nil, fmt.Errorf("wait for the lock of the state %s: %w", b.o.Location, err)
		}
	}
}

func (b *Backend) locked(holder state.LockInfo) error {
	e := &state.LockedError{Location: b.o.Location, Holder: holder}
	if b.o.Stale != "" && holder.ID != "" {
		e.Note = fmt.Sprintf("if that process is gone, %s, or at once with \"stowage force-unlock %s\"", b.o.Stale, holder.ID)
	}
	return e
}

// session is a held lock.
type session struct {
	b    *Backend
	held Held
	end  context.CancelCauseFunc
	ctx  context.Context // ends with the lock

	mu       sync.Mutex
	head     head
	revision string // of head
	released bool
}

// begin writes the epoch of this holder into the head and seals the journal of
// the one before, so that it cannot add to what is read from here on.
func (b *Backend) begin(ctx context.Context, held Held) (state.Session, error) {
	s := &session{b: b, held: held}
	s.ctx, s.end = context.WithCancelCause(context.WithoutCancel(ctx))
	go func() {
		select {
		case <-held.Lost():
			s.end(fmt.Errorf("the state %s: %w: somebody took it, or %s could not be reached for too long", b.o.Location, state.ErrLost, b.o.Location))
		case <-s.ctx.Done():
		}
	}()
	err := func() (err error) {
		if s.head, s.revision, err = b.readHead(ctx); err != nil {
			return err
		}
		s.head.Epoch = randomName()
		if s.revision, err = b.writeHead(ctx, &s.head, s.revision); err != nil {
			return s.explain(err)
		}
		if s.head.Journal != "" {
			return b.seal(ctx, s.head.Journal)
		}
		return nil
	}()
	if err != nil {
		s.Unlock()
		return nil, err
	}
	return s, nil
}

// sealed is the content of the object that ends a journal whose writer lost the lock.
const sealed = "sealed\n"

// seal ends a journal whose writer may still live.
func (b *Backend) seal(ctx context.Context, name string) error {
	for {
		batches, err := b.store.All(ctx, journalPath(name))
		if err != nil {
			return err
		}
		if n := len(batches); n > 0 && string(batches[n-1].Data) == sealed {
			return nil
		}
		if _, err := b.put(ctx, batchKey(name, len(batches)), []byte(sealed), ""); !errors.Is(err, ErrChanged) {
			return err
		}
	}
}

// explain says why a conditional write of this session lost.
func (s *session) explain(err error) error {
	if cause := context.Cause(s.ctx); cause != nil {
		return cause
	}
	if errors.Is(err, ErrChanged) {
		return fmt.Errorf("the state %s: %w: another process has taken it and written since", s.b.o.Location, state.ErrLost)
	}
	return err
}

// unlockTimeout bounds giving the lock back: where it fails, the lock runs out.
const unlockTimeout = 10 * time.Second

// Unlock gives the lock back.
func (s *session) Unlock() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.released {
		return nil
	}
	s.released = true
	s.end(errors.New("the lock was given back"))
	ctx, cancel := context.WithTimeout(context.Background(), unlockTimeout)
	defer cancel()
	crash.Point()
	err := s.held.Release(ctx)
	crash.Point()
	return err
}
