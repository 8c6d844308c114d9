package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/cluster/client"
	"github.com/stowage-iac/stowage/state/keyed"
)

// limit of one object: etcd's store is made for small ones.
const limit = 1 << 20

// store is the objects of a state in the cluster's store.
type store struct {
	c *client.Client
	s client.State
}

var _ keyed.Store = (*store)(nil)

func (s *store) Close() error {
	s.c.Close()
	return nil
}

func object(o api.StateObject) keyed.Object {
	return keyed.Object{Key: o.Key, Data: o.Data, Revision: strconv.FormatInt(o.Revision, 10)}
}

// Get reads one object.
func (s *store) Get(ctx context.Context, key string) (keyed.Object, error) {
	all, err := s.s.Objects(ctx, key, false)
	if err != nil {
		return keyed.Object{}, err
	}
	if len(all) == 0 || all[0].Key != key {
		return keyed.Object{}, keyed.ErrAbsent
	}
	return object(all[0]), nil
}

// All reads the objects below a prefix.
func (s *store) All(ctx context.Context, prefix string) ([]keyed.Object, error) {
	all, err := s.s.Objects(ctx, prefix, false)
	out := make([]keyed.Object, len(all))
	for n := range all {
		out[n] = object(all[n])
	}
	return out, err
}

// Keys lists the keys below a prefix.
func (s *store) Keys(ctx context.Context, prefix string) (keys []string, err error) {
	all, err := s.s.Objects(ctx, prefix, true)
	for _, o := range all {
		keys = append(keys, o.Key)
	}
	return keys, err
}

// Put writes an object, if it is as expected.
func (s *store) Put(ctx context.Context, key string, data []byte, revision string) (string, error) {
	var at int64
	if revision != "" {
		var err error
		if at, err = strconv.ParseInt(revision, 10, 64); err != nil {
			return "", err
		}
	}
	now, err := s.s.Put(ctx, api.StateObject{Key: key, Data: data, Revision: at})
	if errors.Is(err, client.ErrConflict) {
		return "", keyed.ErrChanged
	}
	return strconv.FormatInt(now, 10), err
}

// Delete removes objects.
func (s *store) Delete(ctx context.Context, keys []string) error { return s.s.Delete(ctx, keys) }

// beat is how often a lock is renewed: three times within its lease.
const beat = api.StateLease * time.Second / 3

// held is a lock that a goroutine renews.
type held struct {
	s    *store
	lock api.StateLock
	lost chan struct{}
	stop chan struct{}
	done sync.WaitGroup
}

// Acquire takes the lock.
func (s *store) Acquire(ctx context.Context, info []byte) (keyed.Held, error) {
	l, err := s.s.Lock(ctx, info)
	if errors.Is(err, client.ErrConflict) {
		return nil, keyed.ErrHeld
	}
	if err != nil {
		return nil, err
	}
	h := &held{s: s, lock: l, lost: make(chan struct{}), stop: make(chan struct{})}
	h.done.Go(h.renew)
	return h, nil
}

func (h *held) renew() {
	tick := time.NewTicker(beat)
	defer tick.Stop()
	for last := time.Now(); ; {
		select {
		case <-h.stop:
			return
		case <-tick.C:
		}
		ctx, cancel := context.WithTimeout(context.Background(), beat)
		sent := time.Now()
		err := h.s.s.Renew(ctx, h.lock)
		cancel()
		switch {
		case err == nil:
			last = sent
		case errors.Is(err, client.ErrNotFound), time.Since(last) > api.StateLease*time.Second:
			close(h.lost)
			return
		}
	}
}

// Lost is closed when the lease ran out.
func (h *held) Lost() <-chan struct{} { return h.lost }

// Release gives the lock back, if it is still held.
func (h *held) Release(ctx context.Context) error {
	close(h.stop)
	h.done.Wait()
	err := h.s.s.Unlock(ctx, h.lock)
	if errors.Is(err, client.ErrNotFound) {
		return nil
	}
	if err != nil {
		err = fmt.Errorf("%w; the lock ends by itself within %d s", err, api.StateLease)
	}
	return err
}

// Holder reads the lock: where it is, its lease lives.
func (s *store) Holder(ctx context.Context) ([]byte, bool, error) {
	o, err := s.Get(ctx, "lock")
	if errors.Is(err, keyed.ErrAbsent) {
		return nil, false, nil
	}
	return o.Data, err == nil, err
}

// Break takes the lock from the holder that gave info.
func (s *store) Break(ctx context.Context, info []byte) error {
	err := s.s.Unlock(ctx, api.StateLock{Info: slices.Clone(info)})
	if errors.Is(err, client.ErrNotFound) {
		return keyed.ErrChanged
	}
	return err
}
