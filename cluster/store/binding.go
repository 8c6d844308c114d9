package store

import (
	"context"
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/stowage-iac/stowage/api"
)

// Move replaces one binding of a slot by another; either may be nil.
type Move struct {
	From *Kept[api.Binding]
	To   *api.Binding
}

// movesAtOnce keeps a batch below the store's operations per transaction.
const movesAtOnce = maxOps / 4

// Bind makes the moves of one pod, each batch in one transaction, on the
// condition that the pod's object still has podRevision (0: does not exist) and
// every slot is bound as From says. ErrConflict when something changed: read
// again and decide anew. It returns the revision of the last write.
func (s *Store) Bind(ctx context.Context, pod string, podRevision int64, moves []Move) (int64, error) {
	var revision int64
	for len(moves) > 0 {
		n := min(len(moves), movesAtOnce)
		when := []clientv3.Cmp{clientv3.Compare(clientv3.ModRevision(objectKey(api.KindPod, pod)), "=", podRevision)}
		var then []clientv3.Op
		for _, m := range moves[:n] {
			w, t := m.ops()
			when, then = append(when, w...), append(then, t...)
		}
		resp, err := s.kv.Txn(ctx).If(when...).Then(then...).Commit()
		if err != nil {
			return revision, unavailable(err)
		}
		if !resp.Succeeded {
			return revision, fmt.Errorf("%w: pod.%s or its bindings changed meanwhile", ErrConflict, pod)
		}
		revision, moves = resp.Header.Revision, moves[n:]
	}
	return revision, nil
}

func (m Move) ops() (when []clientv3.Cmp, then []clientv3.Op) {
	if m.From != nil {
		key := bindingKey(m.From.Value)
		when = append(when, clientv3.Compare(clientv3.ModRevision(key), "=", m.From.ModRevision))
		if m.To == nil || bindingKey(*m.To) != key {
			then = append(then, clientv3.OpDelete(key))
		}
	}
	if m.To != nil {
		key := bindingKey(*m.To)
		if m.From == nil || bindingKey(m.From.Value) != key {
			when = append(when, clientv3.Compare(clientv3.ModRevision(key), "=", 0))
		}
		then = append(then, clientv3.OpPut(key, string(encode(m.To))))
	}
	return when, then
}

// DropRevision forgets a pod's revision that nothing uses, unless it was written since.
func (s *Store) DropRevision(ctx context.Context, pod, revision string, modRevision int64) error {
	return s.drop(ctx, revisionKey(pod, revision), modRevision)
}

// DropConfig forgets a config's version that nothing uses, unless it was written since.
func (s *Store) DropConfig(ctx context.Context, name, version string, modRevision int64) error {
	return s.drop(ctx, configKey(name, version), modRevision)
}

func (s *Store) drop(ctx context.Context, key string, modRevision int64) error {
	_, err := s.kv.Txn(ctx).
		If(clientv3.Compare(clientv3.ModRevision(key), "=", modRevision)).
		Then(clientv3.OpDelete(key)).Commit()
	if err != nil {
		return unavailable(err)
	}
	return nil
}

// SetHealth writes the nodes controller's verdict.
func (s *Store) SetHealth(ctx context.Context, node string, h Health) error {
	if _, err := s.kv.Put(ctx, healthKey(node), string(encode(h))); err != nil {
		return unavailable(err)
	}
	return nil
}

// ForgetNode removes what was reported and judged of a node that is no more.
func (s *Store) ForgetNode(ctx context.Context, node string) error {
	_, err := s.kv.Txn(ctx).
		If(clientv3.Compare(clientv3.ModRevision(objectKey(api.KindNode, node)), "=", 0)).
		Then(clientv3.OpDelete(prefix("status", node), clientv3.WithPrefix()), clientv3.OpDelete(healthKey(node))).
		Commit()
	if err != nil {
		return unavailable(err)
	}
	return nil
}
