package state

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Migrated is what Migrate did.
type Migrated struct {
	Serial    uint64 // of the state at the new place
	Instances int
	Versions  int // earlier ones that were copied
}

// Migrate moves the state of from to to, under both locks: first the earlier
// versions that from keeps, oldest first, then the present one; it reads what it
// wrote and compares; at last it leaves a marker at from, so that nobody goes on
// with the old place. An interrupted Migrate is called again: it goes on. say is
// told of every step.
//
// to must be empty, or hold an earlier version of the same state: anything else is ErrConflict.
func Migrate(ctx context.Context, from, to *Store, wait time.Duration, say func(string)) (m Migrated, err error) {
	source, err := from.Lock(ctx, "init -migrate-state", wait)
	if err != nil {
		return m, err
	}
	defer unlock(source, &err)
	target, err := to.Lock(ctx, "init -migrate-state", wait)
	if err != nil {
		return m, err
	}
	defer unlock(target, &err)
	base, err := source.Load(ctx)
	if err != nil {
		return m, err
	}
	if !base.Exists {
		return m, fmt.Errorf("there is no state in %s", from.Location())
	}
	if err := source.fold(ctx, base); err != nil {
		return m, from.explain(err)
	}
	raw, err := from.Raw(ctx)
	if err != nil {
		return m, err
	}
	have, moved, err := to.occupied(ctx, base.State, raw)
	if err != nil {
		return m, err
	}
	m.Instances = len(base.State.Instances)
	if m.Versions, have, err = copyVersions(ctx, from, target, have, say); err != nil {
		return m, err
	}
	m.Serial = base.stored
	switch {
	case moved || have > base.stored: // a marker of an earlier move has the higher serial
		next := *base.State
		next.Serial = max(have, base.stored) + 1
		m.Serial = next.Serial
		at := &Loaded{stored: have, envelope: base.envelope}
		if err := target.replace(ctx, at, &next, base.Interrupted, ""); err != nil {
			return m, to.explain(err)
		}
	case have < base.stored:
		if err := target.session.Replace(ctx, have, raw); err != nil {
			return m, to.explain(err)
		}
	}
	say(fmt.Sprintf("Copied serial %d with %d instances to %s", m.Serial, m.Instances, to.Location()))
	if err := to.verify(ctx, base.State, m.Serial); err != nil {
		return m, err
	}
	say("Read it back: it is the same")
	marker := &State{Lineage: base.State.Lineage, Serial: base.stored + 1, ClusterID: base.State.ClusterID, moved: to.Location()}
	if err := source.replace(ctx, &Loaded{stored: base.stored}, marker, nil, ""); err != nil {
		return m, from.explain(err)
	}
	say(fmt.Sprintf("Marked %s as moved; its earlier versions stay there", from.Location()))
	return m, nil
}

func unlock(l *Locked, err *error) {
	if unlockErr := l.Unlock(); *err == nil {
		*err = unlockErr
	}
}

// occupied is the serial of what is at the place that s is to be moved to, 0 for
// nothing; moved tells that it is the marker of an earlier move.
func (s *Store) occupied(ctx context.Context, state *State, raw []byte) (serial uint64, moved bool, err error) {
	stored, err := s.backend.Read(ctx)
	if err != nil {
		return 0, false, s.explain(err)
	}
	if stored.Journal != nil {
		return 0, false, fmt.Errorf("%w: %s has the journal of an apply that was cut off", ErrConflict, s.Location())
	}
	if stored.Snapshot == nil {
		return 0, false, nil
	}
	h, _, err := decodeHeader(stored.Snapshot)
	if err != nil {
		return 0, false, s.explain(err)
	}
	if h.Lineage == state.Lineage && (h.Moved != "" || h.Serial < state.Serial || bytes.Equal(raw, stored.Snapshot)) {
		return h.Serial, h.Moved != "", nil
	}
	return 0, false, fmt.Errorf("%w: %s holds a state already, of lineage %s with serial %d; what is to be moved has lineage %s and serial %d. "+
		"Use another place, or go on with the one that is there: stowage init -reconfigure", ErrConflict, s.Location(), h.Lineage, h.Serial, state.Lineage, state.Serial)
}

// copyVersions writes the earlier versions of from one after the other, so that
// the backend keeps them as earlier ones. It returns the serial that is then there.
func copyVersions(ctx context.Context, from *Store, target *Locked, have uint64, say func(string)) (n int, now uint64, err error) {
	versions, err := from.backend.Versions(ctx)
	if err != nil {
		return 0, have, from.explain(err)
	}
	for _, v := range slices.Backward(versions) {
		if v.Serial <= have {
			continue
		}
		data, err := from.backend.Version(ctx, v.Serial)
		if errors.Is(err, ErrNoVersion) {
			continue
		}
		if err != nil {
			return n, have, from.explain(err)
		}
		if h, _, err := decodeHeader(data); err != nil || h.Moved != "" || h.Serial != v.Serial {
			say(fmt.Sprintf("Left the earlier version %d out: it is not a whole state", v.Serial))
			continue
		}
		if err := target.session.Replace(ctx, have, data); err != nil {
			return n, have, target.store.explain(err)
		}
		have = v.Serial
		n++
	}
	if n > 0 {
		say(fmt.Sprintf("Copied %d earlier versions", n))
	}
	return n, have, nil
}

// verify reads what was written and compares it.
func (s *Store) verify(ctx context.Context, want *State, serial uint64) error {
	got, err := s.Load(ctx)
	if err != nil {
		return err
	}
	same := got.State.Lineage == want.Lineage && got.State.Serial == serial && len(got.State.Instances) == len(want.Instances)
	for address, i := range want.Instances {
		have := got.State.Instances[address]
		same = same && have != nil && bytes.Equal(have.Value, i.Value)
	}
	if !same {
		return fmt.Errorf("%w: what was written to %s reads differently; the old place is untouched", ErrDamaged, s.Location())
	}
	return nil
}

// Standing is what is at a place, as far as it can be told without keys.
type Standing struct {
	Exists bool // and was not moved away
	Serial uint64
	Moved  string // where it was moved to
}

// Standing reads the header of what is stored.
func (s *Store) Standing(ctx context.Context) (Standing, error) {
	stored, err := s.backend.Read(ctx)
	if err != nil {
		return Standing{}, s.explain(err)
	}
	if stored.Snapshot == nil {
		return Standing{Exists: stored.Journal != nil}, nil
	}
	h, _, err := decodeHeader(stored.Snapshot)
	if err != nil {
		return Standing{}, s.explain(err)
	}
	return Standing{Exists: h.Moved == "", Serial: h.Serial, Moved: h.Moved}, nil
}

// Header is what a snapshot says of itself without keys.
type Header struct {
	Lineage string
	Serial  uint64
	Moved   string // where the state lives now; "" when this is it
	By      string // user@host
}

// HeaderOf reads it; nil bytes have a zero one.
func HeaderOf(snapshot []byte) (Header, error) {
	if snapshot == nil {
		return Header{}, nil
	}
	h, _, err := decodeHeader(snapshot)
	return Header{h.Lineage, h.Serial, h.Moved, h.By}, err
}

// Marker is a snapshot to put in the place of one that lives in to from now on.
func Marker(snapshot []byte, to string, by LockInfo) ([]byte, error) {
	h, _, err := decodeHeader(snapshot)
	if err != nil {
		return nil, err
	}
	return encodeSnapshot(&State{Lineage: h.Lineage, Serial: h.Serial + 1, StowageVersion: h.StowageVersion, ClusterID: h.ClusterID, Context: h.Context,
		Written: time.Now().UTC().Truncate(time.Second), WrittenBy: by.Who, Operation: by.Operation, moved: to}, nil, "", nil)
}
