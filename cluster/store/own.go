package store

import (
	"context"
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/stowage-iac/stowage/api"
)

// Own gives an object another owner and changes nothing else of it. from is the owner
// that it must have, or have had: an object that is already to's stays as it is.
func (s *Store) Own(ctx context.Context, kind api.Kind, name, from, to string) error {
	if to == "" {
		return fmt.Errorf("%w: %s.%s: the new owner is missing", ErrInvalid, kind, name)
	}
	for range attempts {
		prior, err := s.Get(ctx, kind, name)
		if err != nil || prior.Owner == to {
			return err
		}
		if err := checkOwner(prior, kind, name, from); err != nil {
			return err
		}
		next := *prior
		next.Owner, next.ModRevision = to, 0
		key := objectKey(kind, name)
		resp, err := s.kv.Txn(ctx).
			If(clientv3.Compare(clientv3.ModRevision(key), "=", prior.ModRevision)).
			Then(clientv3.OpPut(key, string(encode(next)))).Commit()
		if err != nil {
			return unavailable(err)
		}
		if resp.Succeeded {
			return nil
		}
	}
	return fmt.Errorf("%w: %s.%s is being written by others all the time; try again", ErrConflict, kind, name)
}
