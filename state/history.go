package state

import (
	"context"
	"fmt"
)

// Context is the one that what is written belongs to; "" where none is declared.
func (s *Store) Context() string { return s.o.Context }

// Keys are those that the store encrypts and decrypts with.
func (s *Store) Keys() *Keyring { return s.o.Keys }

// Holder tells who holds the lock, if anybody does.
func (s *Store) Holder(ctx context.Context) (LockInfo, bool, error) { return s.backend.Holder(ctx) }

// Break takes the lock away from the holder with that ID; see Backend.
func (s *Store) Break(ctx context.Context, id string) error { return s.backend.Break(ctx, id) }

// Raw reads the stored snapshot as it is, encrypted or not; nil when there is none.
func (s *Store) Raw(ctx context.Context) ([]byte, error) {
	stored, err := s.backend.Read(ctx)
	if err != nil {
		return nil, s.explain(err)
	}
	return stored.Snapshot, nil
}

// History lists the present version, if there is one, and the earlier ones, newest first.
func (s *Store) History(ctx context.Context) (present *Version, earlier []Version, err error) {
	if present, err = s.Present(ctx); err != nil {
		return nil, nil, err
	}
	if earlier, err = s.backend.Versions(ctx); err != nil {
		return nil, nil, s.explain(err)
	}
	return present, earlier, nil
}

// Present describes the present version; nil when there is none. No key is needed.
func (s *Store) Present(ctx context.Context) (*Version, error) {
	data, err := s.Raw(ctx)
	if err != nil || data == nil {
		return nil, err
	}
	v, err := SnapshotVersion(data, int64(len(data)))
	if err != nil {
		return nil, s.explain(err)
	}
	return &v, nil
}

// Version reads an earlier version. ErrNoVersion when there is none of that serial.
func (s *Store) Version(ctx context.Context, serial uint64) (*State, error) {
	data, err := s.backend.Version(ctx, serial)
	if err != nil {
		return nil, err
	}
	snap, err := decodeSnapshot(data, s.o.Keys)
	if err != nil {
		return nil, fmt.Errorf("the earlier version %d of the state %s is refused: %w", serial, s.backend.Location(), err)
	}
	if snap.state.HashKey == nil {
		snap.state.HashKey = newHashKey()
	}
	return snap.state, nil
}
