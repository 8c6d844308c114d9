package etcd

import (
	"context"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/stowage-iac/stowage/state/keyed"
)

const lockKey = "lock"

// held is the lock's key under a lease that this process keeps alive.
type held struct {
	s       *store
	lease   clientv3.LeaseID
	created int64 // revision of the key
	stop    context.CancelFunc
	lost    chan struct{}
}

// Acquire writes the lock's key under a lease, if there is none.
func (s *store) Acquire(ctx context.Context, info []byte) (keyed.Held, error) {
	h := &held{s: s, lost: make(chan struct{})}
	err := s.do(ctx, func(ctx context.Context, c *clientv3.Client) error {
		if got, err := c.Get(ctx, s.o.Prefix+lockKey, clientv3.WithCountOnly()); err != nil {
			return err
		} else if got.Count > 0 {
			return keyed.ErrHeld // without a lease of one's own
		}
		granted, err := c.Grant(ctx, lockTTL)
		if err != nil {
			return err
		}
		h.lease = granted.ID
		key := s.o.Prefix + lockKey
		done, err := c.Txn(ctx).If(clientv3.Compare(clientv3.CreateRevision(key), "=", 0)).
			Then(clientv3.OpPut(key, string(info), clientv3.WithLease(h.lease))).Commit()
		if err == nil && !done.Succeeded {
			err = keyed.ErrHeld
		}
		if err != nil {
			c.Revoke(ctx, h.lease) // it runs out by itself otherwise
			return err
		}
		h.created = done.Header.Revision
		return nil
	})
	if err != nil {
		return nil, err
	}
	keep, stop := context.WithCancel(context.WithoutCancel(ctx))
	alive, err := s.client.KeepAlive(keep, h.lease)
	if err != nil {
		stop()
		return nil, s.explain(ctx, err)
	}
	h.stop = stop
	go func() {
		for range alive {
		}
		close(h.lost)
	}()
	return h, nil
}

// Lost is closed when the lease ran out.
func (h *held) Lost() <-chan struct{} { return h.lost }

// Release removes the key, if it is still this lock's.
func (h *held) Release(ctx context.Context) error {
	h.stop()
	return h.s.do(ctx, func(ctx context.Context, c *clientv3.Client) error {
		key := h.s.o.Prefix + lockKey
		_, err := c.Txn(ctx).If(clientv3.Compare(clientv3.CreateRevision(key), "=", h.created)).Then(clientv3.OpDelete(key)).Commit()
		if err == nil {
			c.Revoke(ctx, h.lease) // it runs out by itself otherwise
		}
		return err
	})
}

// Holder reads the lock's key: where it is, its lease lives.
func (s *store) Holder(ctx context.Context) ([]byte, bool, error) {
	o, err := s.Get(ctx, lockKey)
	if err == keyed.ErrAbsent {
		return nil, false, nil
	}
	return o.Data, err == nil, err
}

// Break removes the lock's key, if it holds info.
func (s *store) Break(ctx context.Context, info []byte) error {
	return s.do(ctx, func(ctx context.Context, c *clientv3.Client) error {
		key := s.o.Prefix + lockKey
		done, err := c.Txn(ctx).If(clientv3.Compare(clientv3.Value(key), "=", string(info))).Then(clientv3.OpDelete(key)).Commit()
		if err == nil && !done.Succeeded {
			err = keyed.ErrChanged
		}
		return err
	})
}
