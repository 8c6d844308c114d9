package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/stowage-iac/stowage/api"
)

// statesRoot is apart from root: what is kept for the CLI is nothing that
// controllers or agents watch.
const statesRoot = "/stowage/states/"

// statePage is how many of a state's objects are read at once; each has at most 1 MiB.
const statePage = 8

func statePrefix(state string) string { return statesRoot + url.PathEscape(state) + "/" }

// StateObjects reads a page of a state's objects whose keys begin with prefix,
// after the key after; with keysOnly without their data.
func (s *Store) StateObjects(ctx context.Context, state, prefix, after string, keysOnly bool) (*api.StatePage, error) {
	base := statePrefix(state)
	from := base + prefix
	if after != "" {
		from = base + after + "\x00"
	}
	o := []clientv3.OpOption{clientv3.WithRange(clientv3.GetPrefixRangeEnd(base + prefix)), clientv3.WithLimit(statePage)}
	if keysOnly {
		o = append(o, clientv3.WithKeysOnly(), clientv3.WithLimit(1000))
	}
	got, err := s.kv.Get(ctx, from, o...)
	if err != nil {
		return nil, unavailable(err)
	}
	page := &api.StatePage{Objects: []api.StateObject{}, More: got.More}
	for _, kv := range got.Kvs {
		page.Objects = append(page.Objects, api.StateObject{Key: string(kv.Key[len(base):]), Data: kv.Value, Revision: kv.ModRevision})
	}
	return page, nil
}

// PutStateObject writes one, if what is there has o's revision, and returns the new one.
func (s *Store) PutStateObject(ctx context.Context, state string, o api.StateObject) (int64, error) {
	key := statePrefix(state) + o.Key
	done, err := s.kv.Txn(ctx).If(clientv3.Compare(clientv3.ModRevision(key), "=", o.Revision)).Then(clientv3.OpPut(key, string(o.Data))).Commit()
	if err != nil {
		return 0, unavailable(err)
	}
	if !done.Succeeded {
		return 0, fmt.Errorf("%w: %s of the state %q is not as expected", ErrConflict, o.Key, state)
	}
	return done.Header.Revision, nil
}

// DeleteStateObjects removes some.
func (s *Store) DeleteStateObjects(ctx context.Context, state string, keys []string) error {
	for len(keys) > 0 {
		n := min(len(keys), maxOps/2)
		var ops []clientv3.Op
		for _, key := range keys[:n] {
			ops = append(ops, clientv3.OpDelete(statePrefix(state)+key))
		}
		if _, err := s.kv.Txn(ctx).Then(ops...).Commit(); err != nil {
			return unavailable(err)
		}
		keys = keys[n:]
	}
	return nil
}

func lockKey(state string) string { return statePrefix(state) + "lock" }

// LockState takes a state's lock, under a lease that RenewStateLock keeps alive.
func (s *Store) LockState(ctx context.Context, state string, info []byte) (lease int64, err error) {
	granted, err := s.kv.Grant(ctx, api.StateLease)
	if err != nil {
		return 0, unavailable(err)
	}
	key := lockKey(state)
	done, err := s.kv.Txn(ctx).If(clientv3.Compare(clientv3.CreateRevision(key), "=", 0)).
		Then(clientv3.OpPut(key, string(info), clientv3.WithLease(granted.ID))).Commit()
	if err == nil && done.Succeeded {
		return int64(granted.ID), nil
	}
	s.kv.Revoke(ctx, granted.ID) // it runs out by itself otherwise
	if err != nil {
		return 0, unavailable(err)
	}
	return 0, fmt.Errorf("%w: the state %q is locked", ErrConflict, state)
}

// RenewStateLock keeps a lock alive for another lease; ErrNotFound when it is gone.
func (s *Store) RenewStateLock(ctx context.Context, state string, lease int64) error {
	got, err := s.kv.Get(ctx, lockKey(state))
	if err != nil {
		return unavailable(err)
	}
	if len(got.Kvs) == 0 || got.Kvs[0].Lease != lease {
		return fmt.Errorf("%w: the lock of the state %q was lost", ErrNotFound, state)
	}
	_, err = s.kv.KeepAliveOnce(ctx, clientv3.LeaseID(lease))
	if errors.Is(err, rpctypes.ErrLeaseNotFound) {
		return fmt.Errorf("%w: the lock of the state %q was lost", ErrNotFound, state)
	}
	if err != nil {
		return unavailable(err)
	}
	return nil
}

// UnlockState gives a lock back: that under the lease, or with lease 0 that whose info is the same.
func (s *Store) UnlockState(ctx context.Context, state string, l api.StateLock) error {
	key := lockKey(state)
	got, err := s.kv.Get(ctx, key)
	if err != nil {
		return unavailable(err)
	}
	if len(got.Kvs) == 0 || l.Lease != 0 && got.Kvs[0].Lease != l.Lease || l.Lease == 0 && !bytes.Equal(got.Kvs[0].Value, l.Info) {
		return fmt.Errorf("%w: that lock of the state %q is not there", ErrNotFound, state)
	}
	_, err = s.kv.Txn(ctx).If(clientv3.Compare(clientv3.ModRevision(key), "=", got.Kvs[0].ModRevision)).Then(clientv3.OpDelete(key)).Commit()
	if err != nil {
		return unavailable(err)
	}
	if lease := got.Kvs[0].Lease; lease != 0 {
		s.kv.Revoke(ctx, clientv3.LeaseID(lease)) // it runs out by itself otherwise
	}
	return nil
}
