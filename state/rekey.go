package state

import (
	"context"
	"errors"
	"fmt"
)

// Rekeyed is what Rekey did.
type Rekeyed struct {
	// From and To are the recipients of the state before and now; nil where it was or is
	// not encrypted.
	From, To []string
	Earlier  []uint64 // serials of earlier versions that were encrypted anew, newest first
	Dropped  []uint64 // of those that were removed
	Unread   []uint64 // of those that no key at hand opens: they are as they were
}

// Rekey encrypts the state anew, with a fresh data key, to the present recipients,
// as a new version; and then the earlier versions, the state of before among them, or
// with drop removes them. A state without anything sensitive whose encryption is not
// enforced is not written. Cut off between two versions it is called again.
func (l *Locked) Rekey(ctx context.Context, base *Loaded, drop bool) (r Rekeyed, err error) {
	if base.envelope != nil {
		r.From = base.envelope.header.Recipients
	}
	if base.envelope != nil || base.State.Sensitive() || l.store.o.Keys.Always() {
		if err := l.fold(ctx, base); err != nil {
			return r, l.store.explain(err)
		}
		base.envelope = nil // what needs one gets a fresh one
		next := *base.State
		if err := l.Write(ctx, base, &next); err != nil {
			return r, err
		}
		if base.envelope != nil {
			r.To = base.envelope.header.Recipients
		}
	}
	versions, err := l.store.backend.Versions(ctx)
	for _, v := range versions {
		if err == nil {
			err = l.rekeyVersion(ctx, v.Serial, drop, &r)
		}
	}
	if err != nil {
		return r, fmt.Errorf("the state itself is encrypted anew, its earlier versions are not all; repeat it: %w", l.store.explain(err))
	}
	return r, nil
}

func (l *Locked) rekeyVersion(ctx context.Context, serial uint64, drop bool, r *Rekeyed) error {
	if drop {
		r.Dropped = append(r.Dropped, serial)
		return l.session.Rewrite(ctx, serial, nil)
	}
	data, err := l.store.backend.Version(ctx, serial)
	if err != nil {
		return err
	}
	snap, err := decodeSnapshot(data, l.store.o.Keys)
	switch {
	case errors.Is(err, ErrKey) || errors.Is(err, ErrDamaged) || errors.Is(err, ErrNewer):
		r.Unread = append(r.Unread, serial)
		return nil
	case err != nil:
		return err
	case snap.envelope == nil && !l.store.o.Keys.Always() || snap.state.moved != "":
		return nil
	}
	if snap.state.HashKey == nil {
		snap.state.HashKey = newHashKey()
	}
	e, err := l.envelope(nil, snap.state.Sensitive())
	if err != nil {
		return err
	}
	if data, err = encodeSnapshot(snap.state, snap.interrupted, snap.header.Merged, e); err != nil {
		return err
	}
	r.Earlier = append(r.Earlier, serial)
	return l.session.Rewrite(ctx, serial, data)
}
