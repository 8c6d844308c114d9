package store

import (
	"context"
	"encoding/json"
	"iter"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/stowage-iac/stowage/api"
)

// page is how many keys one read takes, so that a large store needs no large message.
const page = 1000

// Load reads everything that controllers and plans work on (no events) at one revision.
func (s *Store) Load(ctx context.Context) (*State, error) {
	state := NewState()
	for _, class := range []string{"objects", "revisions", "configs", "bindings", "status", "health"} {
		if err := s.load(ctx, state, prefix(class)); err != nil {
			return nil, err
		}
	}
	return state, nil
}

// View reads what a plan needs, at one revision.
func (s *Store) View(ctx context.Context, cluster string) (*api.ClusterView, error) {
	state := NewState()
	for _, class := range []string{"objects", "bindings", "status", "health"} {
		if err := s.load(ctx, state, prefix(class)); err != nil {
			return nil, err
		}
	}
	return state.View(cluster), nil
}

// load reads a prefix into state, at state.Revision (or now, when that is 0).
func (s *Store) load(ctx context.Context, state *State, from string) error {
	at, end := state.Revision, clientv3.GetPrefixRangeEnd(from)
	for key := from; ; {
		got, err := s.kv.Get(ctx, key, clientv3.WithRange(end), clientv3.WithLimit(page), clientv3.WithRev(at))
		if err != nil {
			return unavailable(err)
		}
		if at == 0 {
			at = got.Header.Revision
		}
		for _, kv := range got.Kvs {
			if err := state.Apply(changeOf(string(kv.Key), kv.Value, kv.ModRevision, false)); err != nil {
				s.log.Error("skipped an entry of the store", "error", err)
			}
		}
		state.Revision = at
		if !got.More {
			return nil
		}
		key = string(got.Kvs[len(got.Kvs)-1].Key) + "\x00"
	}
}

// Watch yields the changes after revision from, in order and without a gap,
// with a Complete one at the end of each revision and every ten seconds without
// one. It ends by yielding an error: ErrCompacted, ErrUnavailable or the context's.
func (s *Store) Watch(ctx context.Context, from int64) iter.Seq2[Change, error] {
	return func(yield func(Change, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		updates := s.kv.Watch(ctx, root, clientv3.WithPrefix(), clientv3.WithRev(from+1), clientv3.WithCreatedNotify())
		idle := time.NewTicker(10 * time.Second)
		defer idle.Stop()
		for at := from; ; {
			select {
			case u, ok := <-updates:
				if !ok || u.Err() != nil {
					yield(Change{}, watchEnd(ctx, u.Err()))
					return
				}
				for i, e := range u.Events {
					c := changeOf(string(e.Kv.Key), e.Kv.Value, e.Kv.ModRevision, e.Type == clientv3.EventTypeDelete)
					if !c.Complete() && !yield(c, nil) {
						return
					}
					at = e.Kv.ModRevision
					last := i+1 == len(u.Events) || u.Events[i+1].Kv.ModRevision != at
					if last && !yield(Change{Revision: at}, nil) {
						return
					}
				}
			case <-idle.C:
				if !yield(Change{Revision: at}, nil) {
					return
				}
			}
		}
	}
}

func watchEnd(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err == nil {
		err = context.DeadlineExceeded
	}
	return unavailable(err)
}

// changeOf splits a key; a foreign one becomes a Complete change.
func changeOf(key string, value []byte, revision int64, deleted bool) Change {
	parts, ok := split(key)
	if !ok {
		parts = nil
	}
	return Change{Revision: revision, Deleted: deleted, parts: parts, value: value}
}

// Message turns a change into what an operator's watch carries; ok is false for
// what is not part of the view. A node's status is looked up in state, which
// must have taken the change in already.
func (c Change) Message(state *State) (m api.Change, ok bool) {
	m = api.Change{Revision: c.Revision, Deleted: c.Deleted}
	if c.Complete() {
		return m, true
	}
	switch p := c.parts; {
	case p[0] == "objects" && len(p) == 3:
		m.Object = &api.Object{Kind: api.Kind(p[1]), Name: p[2]}
		if c.read(m.Object) && !c.Deleted {
			m.Object.ModRevision = c.Revision
		}
	case p[0] == "bindings" && len(p) == 4:
		m.Binding = &api.Binding{Node: p[1], Pod: p[2], Slot: slotOf(p[3])}
		c.read(m.Binding)
	case p[0] == "status" && len(p) == 5:
		m.Replica = &api.ReplicaStatus{Node: p[1], Pod: p[3], Slot: slotOf(p[4])}
		c.read(m.Replica)
	case p[0] == "status" && len(p) == 3:
		m.Node = &api.NodeStatus{Name: p[1]}
		if !c.Deleted {
			*m.Node, _ = state.NodeStatus(p[1])
		}
	case p[0] == "health" && len(p) == 2:
		status, known := state.NodeStatus(p[1])
		m.Node, m.Deleted, ok = &status, false, known
		return m, ok
	case p[0] == "events" && len(p) == 3 && !c.Deleted:
		m.Event = &api.Event{}
		c.read(m.Event)
	default:
		return m, false
	}
	return m, true
}

func (c Change) read(into any) bool {
	return c.Deleted || json.Unmarshal(c.value, into) == nil
}
