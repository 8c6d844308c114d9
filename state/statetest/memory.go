// Package statetest has the conformance suite that every state backend passes,
// and a backend in memory for tests that need no disk.
package statetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/stowage-iac/stowage/state"
)

// Memory is a backend in memory: same contract, gone with the process.
type Memory struct {
	mu       sync.Mutex
	stored   state.Stored
	previous [][]byte
	holder   *memorySession
	freed    chan struct{} // closed by the holder's Unlock
	flushes  int
}

var _ state.Backend = (*Memory)(nil)

// Location is "memory".
func (m *Memory) Location() string { return "memory" }

// Previous says that nothing outlives the process.
func (m *Memory) Previous() string { return "memory, too" }

// Flushes counts the Append calls on journals: one for each group of records.
func (m *Memory) Flushes() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.flushes
}

// Set replaces what is stored, e.g. by something damaged.
func (m *Memory) Set(s state.Stored) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stored = s
}

// Read copies what is stored.
func (m *Memory) Read(context.Context) (state.Stored, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return state.Stored{Snapshot: bytes.Clone(m.stored.Snapshot), Journal: bytes.Clone(m.stored.Journal)}, nil
}

// Holder tells who holds the lock.
func (m *Memory) Holder(context.Context) (state.LockInfo, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.holder == nil {
		return state.LockInfo{}, false, nil
	}
	return m.holder.info, true, nil
}

// Break takes the lock away: the backend cannot tell whether its holder lives.
func (m *Memory) Break(_ context.Context, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.holder == nil:
		return state.ErrNotLocked
	case m.holder.info.ID != id:
		return &state.LockedError{Location: m.Location(), Holder: m.holder.info}
	}
	m.holder = nil
	close(m.freed)
	return nil
}

// Versions lists the earlier snapshots.
func (m *Memory) Versions(context.Context) ([]state.Version, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []state.Version
	for _, data := range slices.Backward(m.previous) {
		v, err := state.SnapshotVersion(data, int64(len(data)))
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, nil
}

// Version copies an earlier snapshot.
func (m *Memory) Version(_ context.Context, serial uint64) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, data := range slices.Backward(m.previous) {
		if n, err := state.SnapshotSerial(data); err == nil && n == serial {
			return bytes.Clone(data), nil
		}
	}
	return nil, state.ErrNoVersion
}

// Lock takes the lock.
func (m *Memory) Lock(ctx context.Context, info state.LockInfo, wait time.Duration) (state.Session, error) {
	timeout := time.NewTimer(wait)
	defer timeout.Stop()
	for {
		m.mu.Lock()
		if m.holder == nil {
			m.holder, m.freed = &memorySession{m: m, info: info}, make(chan struct{})
			defer m.mu.Unlock()
			return m.holder, nil
		}
		held, freed := m.holder.info, m.freed
		m.mu.Unlock()
		select {
		case <-freed:
		case <-timeout.C:
			return nil, &state.LockedError{Location: m.Location(), Holder: held}
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

type memorySession struct {
	m    *Memory
	info state.LockInfo
}

func (s *memorySession) Replace(_ context.Context, base uint64, next []byte) error {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	if s.m.holder != s {
		return state.ErrLost
	}
	var have uint64
	if s.m.stored.Snapshot != nil {
		var err error
		if have, err = state.SnapshotSerial(s.m.stored.Snapshot); err != nil {
			return err
		}
	}
	if have != base {
		return fmt.Errorf("%w: its serial is %d, expected was %d", state.ErrConflict, have, base)
	}
	if s.m.stored.Snapshot != nil {
		s.m.previous = append(s.m.previous, s.m.stored.Snapshot)
	}
	s.m.stored.Snapshot = bytes.Clone(next)
	return nil
}

func (s *memorySession) Rewrite(_ context.Context, serial uint64, next []byte) error {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	if s.m.holder != s {
		return state.ErrLost
	}
	for i, data := range slices.Backward(s.m.previous) {
		if n, err := state.SnapshotSerial(data); err != nil || n != serial {
			continue
		}
		if next == nil {
			s.m.previous = slices.Delete(s.m.previous, i, i+1)
		} else {
			s.m.previous[i] = bytes.Clone(next)
		}
		return nil
	}
	return state.ErrNoVersion
}

func (s *memorySession) StartJournal(_ context.Context, head []byte) (state.Log, error) {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	if s.m.stored.Journal != nil {
		return nil, errors.New("there is a journal already")
	}
	if s.m.holder != s {
		return nil, state.ErrLost
	}
	s.m.stored.Journal = bytes.Clone(head)
	return memoryLog{s}, nil
}

func (s *memorySession) DropJournal(context.Context) error {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	if s.m.holder != s {
		return state.ErrLost
	}
	s.m.stored.Journal = nil
	return nil
}

func (s *memorySession) Unlock() error {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	if s.m.holder == s {
		s.m.holder = nil
		close(s.m.freed)
	}
	return nil
}

type memoryLog struct{ s *memorySession }

func (l memoryLog) Append(p []byte) error {
	m := l.s.m
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.holder != l.s {
		return state.ErrLost
	}
	m.stored.Journal = append(m.stored.Journal, p...)
	m.flushes++
	return nil
}

func (l memoryLog) Close() error { return nil }
