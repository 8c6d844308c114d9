package store

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/stowage-iac/stowage/api"
)

// AnyRevision as a precondition means none.
const AnyRevision int64 = -1

// attempts bounds how often a write that needs no precondition is tried again
// after a racing one.
const attempts = 10

// Revision is one version of a pod's template, as it is kept for the slots that still run it.
type Revision struct {
	Template  api.PodTemplate `json:"template"`
	Sealed    []byte          `json:"sealed,omitempty"`
	SealedFor []string        `json:"sealed_for,omitempty"`
}

// Get reads one object.
func (s *Store) Get(ctx context.Context, kind api.Kind, name string) (*api.Object, error) {
	got, err := s.kv.Get(ctx, objectKey(kind, name))
	if err != nil {
		return nil, unavailable(err)
	}
	if len(got.Kvs) == 0 {
		return nil, fmt.Errorf("%w: %s.%s is not in the cluster's store", ErrNotFound, kind, name)
	}
	return decodeObject(got.Kvs[0])
}

// List reads all objects of a kind, in the order of their keys.
func (s *Store) List(ctx context.Context, kind api.Kind) ([]api.Object, error) {
	got, err := s.kv.Get(ctx, prefix("objects", string(kind)), clientv3.WithPrefix())
	if err != nil {
		return nil, unavailable(err)
	}
	all := make([]api.Object, 0, len(got.Kvs))
	for _, kv := range got.Kvs {
		o, err := decodeObject(kv)
		if err != nil {
			return nil, err
		}
		all = append(all, *o)
	}
	return all, nil
}

// Put writes an object if what is there is as o.ModRevision says (0: nothing,
// AnyRevision: whatever) and of the same owner. What is already there as asked
// is returned as it is, without a write.
func (s *Store) Put(ctx context.Context, o api.Object) (*api.Object, error) {
	if err := Validate(o); err != nil {
		return nil, err
	}
	for range attempts {
		prior, err := s.Get(ctx, o.Kind, o.Name)
		if err != nil && !isNotFound(err) {
			return nil, err
		}
		if err := checkOwner(prior, o.Kind, o.Name, o.Owner); err != nil {
			return nil, err
		}
		w, err := s.complete(ctx, o, prior)
		if err != nil {
			return nil, err
		}
		if prior != nil && bytes.Equal(prior.Spec, w.object.Spec) {
			return prior, nil
		}
		if err := checkRevision(prior, o.Kind, o.Name, o.ModRevision); err != nil {
			return nil, err
		}
		stored, err := s.commit(ctx, w, prior)
		if stored != nil || err != nil {
			return stored, err
		}
	}
	return nil, fmt.Errorf("%w: %s.%s is being written by others all the time; try again", ErrConflict, o.Kind, o.Name)
}

// write is an object with all that goes into the store together with it.
type write struct {
	object api.Object
	also   []clientv3.Op
	when   []clientv3.Cmp
}

// complete fills in what the manager decides and adds what is kept beside the object.
func (s *Store) complete(ctx context.Context, o api.Object, prior *api.Object) (*write, error) {
	w := &write{object: o}
	w.object.ModRevision = 0
	var err error
	switch o.Kind {
	case api.KindNode:
		err = s.completeNode(ctx, w, prior)
	case api.KindPod:
		var spec api.PodSpec
		if err = json.Unmarshal(o.Spec, &spec); err == nil {
			w.add(revisionKey(o.Name, spec.Revision), Revision{spec.Template, spec.Sealed, spec.SealedFor})
		}
	case api.KindConfig:
		var spec api.ConfigSpec
		if err = json.Unmarshal(o.Spec, &spec); err == nil {
			w.add(configKey(o.Name, spec.Version), spec)
		}
	}
	if err != nil {
		return nil, err
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, w.object.Spec); err != nil {
		return nil, fmt.Errorf("%w: %s.%s: %w", ErrInvalid, o.Kind, o.Name, err)
	}
	w.object.Spec = compact.Bytes()
	return w, nil
}

func (w *write) add(key string, value any) {
	w.also = append(w.also, clientv3.OpPut(key, string(encode(value))))
}

// commit writes; nil and no error when something changed since prior was read.
func (s *Store) commit(ctx context.Context, w *write, prior *api.Object) (*api.Object, error) {
	key := objectKey(w.object.Kind, w.object.Name)
	when := append(w.when, clientv3.Compare(clientv3.ModRevision(key), "=", modRevision(prior)))
	then := append(w.also, clientv3.OpPut(key, string(encode(w.object))))
	resp, err := s.kv.Txn(ctx).If(when...).Then(then...).Commit()
	if err != nil {
		return nil, unavailable(err)
	}
	if !resp.Succeeded {
		return nil, nil
	}
	stored := w.object
	stored.ModRevision = resp.Header.Revision
	return &stored, nil
}

// Delete removes an object that owner owns, if it has modRevision (0 or
// AnyRevision: whatever it has), and a node's PodCIDR with it.
func (s *Store) Delete(ctx context.Context, kind api.Kind, name, owner string, modRevision int64) error {
	for range attempts {
		prior, err := s.Get(ctx, kind, name)
		if err != nil {
			return err
		}
		if err := checkOwner(prior, kind, name, owner); err != nil {
			return err
		}
		if modRevision != 0 {
			if err := checkRevision(prior, kind, name, modRevision); err != nil {
				return err
			}
		}
		key := objectKey(kind, name)
		then := []clientv3.Op{clientv3.OpDelete(key)}
		var spec api.NodeSpec
		if kind == api.KindNode && json.Unmarshal(prior.Spec, &spec) == nil && spec.PodCIDR != "" {
			then = append(then, clientv3.OpDelete(podCIDRKey(spec.PodCIDR)))
		}
		resp, err := s.kv.Txn(ctx).
			If(clientv3.Compare(clientv3.ModRevision(key), "=", prior.ModRevision)).
			Then(then...).Commit()
		if err != nil {
			return unavailable(err)
		}
		if resp.Succeeded {
			return nil
		}
	}
	return fmt.Errorf("%w: %s.%s is being written by others all the time; try again", ErrConflict, kind, name)
}

func checkOwner(prior *api.Object, kind api.Kind, name, owner string) error {
	if prior == nil || prior.Owner == owner {
		return nil
	}
	return fmt.Errorf("%w: %s.%s is managed by the state of lineage %q, not by %q; remove it there, or import it into this state", ErrForeignOwner, kind, name, prior.Owner, owner)
}

func checkRevision(prior *api.Object, kind api.Kind, name string, want int64) error {
	switch {
	case want == AnyRevision || want == modRevision(prior):
		return nil
	case prior == nil:
		return fmt.Errorf("%w: %s.%s was deleted since it was read at revision %d; plan again", ErrConflict, kind, name, want)
	case want == 0:
		return fmt.Errorf("%w: %s.%s exists already, at revision %d; plan again", ErrConflict, kind, name, prior.ModRevision)
	}
	return fmt.Errorf("%w: %s.%s has revision %d, not %d as it was read; plan again", ErrConflict, kind, name, prior.ModRevision, want)
}

func modRevision(o *api.Object) int64 {
	if o == nil {
		return 0
	}
	return o.ModRevision
}

func decodeObject(kv *mvccpb.KeyValue) (*api.Object, error) {
	var o api.Object
	if err := json.Unmarshal(kv.Value, &o); err != nil {
		return nil, fmt.Errorf("store: %s is damaged: %w", kv.Key, err)
	}
	o.ModRevision = kv.ModRevision
	return &o, nil
}

// encode never fails: everything that is stored is plain data.
func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("store: %T is always JSON: %v", v, err))
	}
	return b
}
