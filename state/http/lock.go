package http

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"sync"
	"time"

	"github.com/stowage-iac/stowage/state"
)

// lockBody is a lock as Terraform writes it, with the process besides.
type lockBody struct {
	ID, Operation, Info, Who, Version string
	Created                           time.Time
	Path                              string
	PID                               int
}

func bodyOf(i state.LockInfo) []byte {
	text, err := json.Marshal(lockBody{ID: i.ID, Operation: i.Operation, Info: fmt.Sprintf("process %d", i.PID), Who: i.Who, Created: i.Created, Path: i.Path, PID: i.PID})
	if err != nil { // plain data
		panic(err)
	}
	return text
}

func infoOf(text []byte) state.LockInfo {
	var l lockBody
	json.Unmarshal(text, &l) // a server that says nothing leaves the holder without a name
	return state.LockInfo{ID: l.ID, Operation: l.Operation, Who: l.Who, PID: l.PID, Created: l.Created, Path: l.Path}
}

// lock asks the server for the lock; held tells that another has it.
func (b *Backend) lock(ctx context.Context, info state.LockInfo) (holder state.LockInfo, held bool, err error) {
	a, err := b.send(ctx, b.o.LockMethod, b.o.LockAddress, bodyOf(info))
	if err != nil {
		return holder, false, err
	}
	switch a.status {
	case http.StatusOK, http.StatusCreated, http.StatusNoContent:
		return info, false, nil
	case http.StatusLocked, http.StatusConflict:
		holder = infoOf(a.body)
		return holder, holder.ID != info.ID, nil // our own: the answer to a first attempt was lost
	}
	return holder, false, b.refused("lock the state", b.o.LockAddress, a)
}

// unlock gives the lock info back. A lock that is not there, or another's, is no error.
func (b *Backend) unlock(ctx context.Context, info state.LockInfo) error {
	a, err := b.send(ctx, b.o.UnlockMethod, b.o.UnlockAddress, bodyOf(info))
	if err != nil {
		return err
	}
	switch a.status {
	case http.StatusOK, http.StatusNoContent, http.StatusConflict, http.StatusLocked, http.StatusNotFound:
		return nil
	}
	return b.refused("unlock the state", b.o.UnlockAddress, a)
}

// probing is the operation of a lock that only asks who holds it.
const probing = "look who holds the lock"

func maxTime(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// retryEvery is the pause between two attempts at a held lock.
const retryEvery = 500 * time.Millisecond

// Lock takes this machine's lock and then the server's. A server's lock that a
// dead process of this working copy left is given back first.
func (b *Backend) Lock(ctx context.Context, info state.LockInfo, wait time.Duration) (state.Session, error) {
	deadline := time.Now().Add(wait)
	here, err := b.here.Lock(ctx, info, wait)
	if err != nil {
		var locked *state.LockedError
		if errors.As(err, &locked) {
			return nil, &state.LockedError{Location: b.o.Address, Holder: locked.Holder}
		}
		return nil, err
	}
	s := &session{b: b, here: here, info: info}
	if err := b.acquire(ctx, info, deadline); err != nil {
		here.Unlock()
		return nil, err
	}
	return s, nil
}

func (b *Backend) acquire(ctx context.Context, info state.LockInfo, deadline time.Time) error {
	if stale, ok, err := b.left(); err != nil {
		return err
	} else if ok {
		if err := b.unlock(ctx, stale); err != nil {
			return err
		}
	}
	if err := os.WriteFile(b.held, bodyOf(info), 0o600); err != nil {
		return err
	}
	for {
		holder, held, err := b.lock(ctx, info)
		if err != nil {
			b.unlock(context.WithoutCancel(ctx), info) // it may have been done
			return err
		}
		if !held {
			return nil
		}
		if holder.Operation == probing { // it gives the lock back at once
			deadline = maxTime(deadline, time.Now().Add(10*time.Millisecond))
		} else if !time.Now().Before(deadline) {
			os.Remove(b.held)
			return &state.LockedError{Location: b.o.Address, Holder: holder,
				Note: fmt.Sprintf("if that process is gone, only \"stowage force-unlock %s\" ends its lock, and its journal is on its machine: apply there first", holder.ID)}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the lock of the state %s: %w", b.o.Address, context.Cause(ctx))
		case <-time.After(min(retryEvery, time.Until(deadline))):
		}
	}
}

// left is the lock that a process of this machine asked for and did not give back.
func (b *Backend) left() (state.LockInfo, bool, error) {
	text, err := os.ReadFile(b.held)
	if errors.Is(err, fs.ErrNotExist) {
		return state.LockInfo{}, false, nil
	}
	info := infoOf(text)
	return info, info.ID != "", err
}

// Holder tells who holds the lock. The protocol cannot ask for that: unless a
// process of this machine has it, Holder takes the lock for an instant.
func (b *Backend) Holder(ctx context.Context) (state.LockInfo, bool, error) {
	if info, held, err := b.here.Holder(ctx); held || err != nil {
		return info, held, err
	}
	holder, held, err := b.probe(ctx)
	if stale, ok, _ := b.left(); ok && held && stale.ID == holder.ID {
		held = false // of a dead process of this machine
	}
	return holder, held, err
}

func (b *Backend) probe(ctx context.Context) (state.LockInfo, bool, error) {
	me := state.LockInfo{ID: fmt.Sprintf("probe-%d-%d", os.Getpid(), time.Now().UnixNano()), Operation: probing, PID: os.Getpid(), Created: time.Now()}
	holder, held, err := b.lock(ctx, me)
	if err == nil && !held {
		return state.LockInfo{}, false, b.unlock(ctx, me)
	}
	return holder, held, err
}

// Break takes the server's lock away, unless its holder lives on this machine.
func (b *Backend) Break(ctx context.Context, id string) error {
	info, alive, err := b.here.Holder(ctx)
	if err != nil {
		return err
	}
	if !alive {
		var held bool
		if info, held, err = b.probe(ctx); err != nil {
			return err
		} else if !held {
			return fmt.Errorf("the state %s is %w", b.o.Address, state.ErrNotLocked)
		}
	}
	switch {
	case info.ID != id:
		return &state.LockedError{Location: b.o.Address, Holder: info}
	case alive:
		return fmt.Errorf("the lock of the state %s is held by process %d of this machine, and %w; end that process", b.o.Address, info.PID, state.ErrAlive)
	}
	return b.unlock(ctx, info)
}

// session is a held lock, here and on the server.
type session struct {
	b    *Backend
	here state.Session
	info state.LockInfo

	mu   sync.Mutex
	done bool
}

// Replace writes the state on the server, if its serial is still base, and
// keeps what it replaces on this machine.
func (s *session) Replace(ctx context.Context, base uint64, next []byte) error {
	present, err := s.b.get(ctx)
	if err != nil {
		return err
	}
	have, err := serialOf(present)
	if err != nil {
		return err
	}
	if have != base {
		return fmt.Errorf("%s: %w: its serial is %d, expected was %d; plan again", s.b.o.Address, state.ErrConflict, have, base)
	}
	copied, err := s.b.here.Read(ctx)
	if err != nil {
		return err
	}
	known, err := serialOf(copied.Snapshot)
	if err != nil {
		return err
	}
	if present != nil && string(copied.Snapshot) != string(present) {
		if err := s.here.Replace(ctx, known, present); err != nil {
			return err
		}
		known = have
	}
	address, err := url.Parse(s.b.o.Address)
	if err != nil {
		return err
	}
	q := address.Query()
	q.Set("ID", s.info.ID)
	address.RawQuery = q.Encode()
	a, err := s.b.send(ctx, s.b.o.UpdateMethod, address.String(), next)
	if err != nil {
		return err
	}
	switch {
	case a.status == http.StatusLocked || a.status == http.StatusConflict:
		return fmt.Errorf("the state %s: %w: the server answered %d to a write with the lock %s", s.b.o.Address, state.ErrLost, a.status, s.info.ID)
	case a.status/100 != 2:
		return s.b.refused("write the state", s.b.o.Address, a)
	}
	return s.here.Replace(ctx, known, next)
}

// Rewrite replaces an earlier version that this machine keeps.
func (s *session) Rewrite(ctx context.Context, serial uint64, next []byte) error {
	return s.here.Rewrite(ctx, serial, next)
}

// StartJournal makes the journal on this machine.
func (s *session) StartJournal(ctx context.Context, head []byte) (state.Log, error) {
	return s.here.StartJournal(ctx, head)
}

// DropJournal removes it.
func (s *session) DropJournal(ctx context.Context) error { return s.here.DropJournal(ctx) }

// Unlock gives the server's lock back, and then this machine's.
func (s *session) Unlock() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done {
		return nil
	}
	s.done = true
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	err := s.b.unlock(ctx, s.info)
	if err == nil {
		err = os.Remove(s.b.held)
	}
	if hereErr := s.here.Unlock(); err == nil {
		err = hereErr
	}
	return err
}
