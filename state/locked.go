package state

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"
)

// Locked is a store that this process may write to.
type Locked struct {
	store   *Store
	session Session
	info    LockInfo
}

// Load is Store.Load; nobody else writes after it until Unlock.
func (l *Locked) Load(ctx context.Context) (*Loaded, error) {
	loaded, err := l.store.Load(ctx)
	if err == nil && loaded.Interrupted != nil {
		loaded.Interrupted.Running = false // who holds the lock is l
	}
	return loaded, err
}

// Operation is what a journal records.
type Operation struct {
	Name string // apply, destroy
	Plan string // id of the plan
	// Sensitive: something sensitive will be recorded. The key is then looked for
	// (or made) by Begin, before anything is done whose result could not be kept.
	Sensitive bool
	// Partial: the operation leaves out some of what there is to do. What an earlier,
	// interrupted one left under way then stays known as such, unless it is done here.
	Partial bool
}

// Begin starts the journal of an operation on what Locked.Load returned; base
// is not to be used again. The journal of an interrupted operation is folded
// into the snapshot first, and what it left under way is carried over.
func (l *Locked) Begin(ctx context.Context, base *Loaded, op Operation) (*Journal, error) {
	if err := l.fold(ctx, base); err != nil {
		return nil, l.store.explain(err)
	}
	e, err := l.envelope(base.envelope, base.envelope != nil || op.Sensitive)
	if err != nil {
		return nil, l.store.explain(err)
	}
	s := *base.State
	s.Instances = maps.Clone(base.State.Instances)
	h := journalHeader{FormatVersion: FormatVersion, ID: randomID(), Lineage: s.Lineage, Base: base.stored,
		StowageVersion: l.store.o.Version, Context: l.store.o.Context, Operation: op.Name, Plan: op.Plan,
		Who: whoami(), PID: os.Getpid(), Started: time.Now().UTC().Truncate(time.Second)}
	j := newJournal(l, &s, h)
	j.partial = op.Partial
	if err := j.start(ctx, e, base.Interrupted); err != nil {
		return nil, l.store.explain(err)
	}
	return j, nil
}

// fold writes the replayed state as a snapshot and removes the journal, or
// removes one that a snapshot contains already.
func (l *Locked) fold(ctx context.Context, base *Loaded) error {
	if base.journal != "" {
		in := base.Interrupted
		if len(in.Underway) == 0 {
			in = nil
		}
		if err := l.replace(ctx, base, base.State, in, base.journal); err != nil {
			return err
		}
		base.journal = ""
	}
	return l.session.DropJournal(ctx)
}

// replace stores next on top of what base stands on, and makes base stand on it.
func (l *Locked) replace(ctx context.Context, base *Loaded, next *State, in *Interrupted, merged string) error {
	e, err := l.envelope(base.envelope, next.Sensitive())
	if err != nil {
		return err
	}
	next.StowageVersion, next.WrittenBy, next.Operation = l.store.o.Version, l.info.Who, l.info.Operation
	next.Written = time.Now().UTC().Truncate(time.Second)
	next.Context = l.store.o.Context
	data, err := encodeSnapshot(next, in, merged, e)
	if err != nil {
		return err
	}
	if err := l.session.Replace(ctx, base.stored, data); err != nil {
		return err
	}
	base.envelope, base.stored = e, next.Serial
	return nil
}

// envelope is the one to encrypt with from now on: nil where nothing needs it.
func (l *Locked) envelope(e *Envelope, needed bool) (*Envelope, error) {
	keys := l.store.o.Keys
	if !needed && !keys.Always() {
		return nil, nil
	}
	if e != nil && !e.fallback && !keys.changed(e.header) {
		return e, nil
	}
	return keys.NewEnvelope()
}

// Overwrite is Write for a state of another lineage.
func (l *Locked) Overwrite(ctx context.Context, base *Loaded, next *State) error {
	copied := *base.State
	copied.Lineage = next.Lineage
	base.State = &copied
	return l.Write(ctx, base, next)
}

// Evacuate brings a state that is kept by what an operation is about to destroy to
// another place; most backends have nothing to do for that.
func (l *Locked) Evacuate(ctx context.Context, base *Loaded) error {
	e, ok := l.session.(interface{ Evacuate(context.Context) error })
	if !ok {
		return nil
	}
	if err := l.fold(ctx, base); err != nil {
		return l.store.explain(err)
	}
	if err := e.Evacuate(ctx); err != nil {
		return l.store.explain(err)
	}
	return nil
}

// Write replaces the whole state, without a journal; next.Serial is set. The
// present state must still be base, which is next afterwards. It is for commands
// that edit the state.
func (l *Locked) Write(ctx context.Context, base *Loaded, next *State) error {
	return l.Edit(ctx, base, next, func(address string) string { return address })
}

// Edit is Write for a state in which instances have other addresses. now gives the
// one that stands for an address of before, or "": what an interrupted operation left
// under way stays known as such.
func (l *Locked) Edit(ctx context.Context, base *Loaded, next *State, now func(address string) string) error {
	if next.Lineage != base.State.Lineage {
		return fmt.Errorf("the state %s: %w: %s cannot replace %s", l.store.backend.Location(), ErrForeign, next.Lineage, base.State.Lineage)
	}
	for _, i := range next.Instances {
		if err := checkInstance(i); err != nil {
			return err
		}
	}
	if err := l.fold(ctx, base); err != nil {
		return l.store.explain(err)
	}
	if next.HashKey == nil {
		next.HashKey = base.State.HashKey
	}
	next.Serial = base.stored + 1
	in := base.Interrupted.renamed(now)
	if err := l.replace(ctx, base, next, in, ""); err != nil {
		return l.store.explain(err)
	}
	base.State, base.Interrupted = next, in
	return nil
}

// renamed is in with what was under way at the addresses that now gives.
func (in *Interrupted) renamed(now func(address string) string) *Interrupted {
	if in == nil {
		return nil
	}
	var left []string
	for _, address := range in.Underway {
		if a := now(address); a != "" {
			left = append(left, a)
		}
	}
	if len(left) == 0 {
		return nil
	}
	slices.Sort(left)
	out := *in
	out.Underway = left
	return &out
}

// Unlock gives the lock back. It may be called again.
func (l *Locked) Unlock() error { return l.session.Unlock() }
