package s3

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/stowage-iac/stowage/state/keyed"
)

const lockKey = "lock"

// lockObject is the lock's content. It is never deleted: not every store can do
// that conditionally.
type lockObject struct {
	Free bool            `json:"free,omitempty"` // given back
	Info json.RawMessage `json:"info,omitempty"` // of the holder
	Beat uint64          `json:"beat"`           // counts the writes: no two are alike
}

// held is a lock that a goroutine renews.
type held struct {
	s    *store
	lost chan struct{}
	stop chan struct{}
	done sync.WaitGroup

	object   lockObject
	revision string
}

// readLock returns the lock as it is; alive tells whether its holder may live.
func (s *store) readLock(ctx context.Context) (l lockObject, revision string, alive bool, err error) {
	o, age, err := s.get(ctx, lockKey)
	if errors.Is(err, keyed.ErrAbsent) {
		return lockObject{}, "", false, nil
	}
	if err != nil {
		return lockObject{}, "", false, err
	}
	if err := json.Unmarshal(o.Data, &l); err != nil {
		return lockObject{}, "", false, fmt.Errorf("%s%s in bucket %q is not a lock of stowage; if nobody applies, delete it", s.prefix, lockKey, s.o.Bucket)
	}
	return l, o.Revision, !l.Free && age < s.o.Stale, nil
}

func (s *store) writeLock(ctx context.Context, l *lockObject, revision string) (string, error) {
	l.Beat++
	data, err := json.Marshal(l)
	if err != nil {
		return "", err
	}
	now, err := s.Put(ctx, lockKey, data, revision)
	if err == nil || errors.Is(err, keyed.ErrChanged) {
		return now, err
	}
	// The answer did not come: it may have been done.
	if o, getErr := s.Get(ctx, lockKey); getErr == nil && bytes.Equal(o.Data, data) {
		return o.Revision, nil
	}
	return "", err
}

// Acquire takes a lock that is free or stale.
func (s *store) Acquire(ctx context.Context, info []byte) (keyed.Held, error) {
	l, revision, alive, err := s.readLock(ctx)
	if err != nil {
		return nil, err
	}
	if alive {
		return nil, keyed.ErrHeld
	}
	h := &held{s: s, lost: make(chan struct{}), stop: make(chan struct{}), object: lockObject{Info: info, Beat: l.Beat}}
	h.revision, err = s.writeLock(ctx, &h.object, revision)
	if errors.Is(err, keyed.ErrChanged) {
		return nil, keyed.ErrHeld // somebody was faster
	}
	if err != nil {
		return nil, err
	}
	// A store that ignores conditions would let everybody in.
	if _, err := s.Put(ctx, lockKey, []byte("{}"), ""); !errors.Is(err, keyed.ErrChanged) {
		if err == nil {
			err = fmt.Errorf("the store at %s ignores If-None-Match: it cannot keep two applies apart; use one with conditional writes "+
				"(AWS, MinIO, Ceph, R2 and others have them), or another backend", s.o.Endpoint)
		}
		return nil, err
	}
	h.done.Go(h.renew)
	return h, nil
}

// renew writes the lock again and again, until Release, or until it is lost.
func (h *held) renew() {
	beat := time.NewTicker(h.s.o.Beat)
	defer beat.Stop()
	last := time.Now()
	for {
		select {
		case <-h.stop:
			return
		case <-beat.C:
		}
		// What another would take for dead is dead: with some room for clocks of whole seconds.
		left := h.s.o.Stale*3/4 - time.Since(last)
		ctx, cancel := context.WithTimeout(context.Background(), max(left, time.Millisecond))
		sent := time.Now()
		revision, err := h.s.writeLock(ctx, &h.object, h.revision)
		cancel()
		switch {
		case err == nil:
			h.revision, last = revision, sent
		case errors.Is(err, keyed.ErrChanged), time.Since(last) > h.s.o.Stale*3/4:
			close(h.lost)
			return
		}
	}
}

// Lost is closed when the lock was taken, or could not be renewed in time.
func (h *held) Lost() <-chan struct{} { return h.lost }

// Release marks the lock as free, if it is still this one.
func (h *held) Release(ctx context.Context) error {
	close(h.stop)
	h.done.Wait()
	select {
	case <-h.lost:
		return nil
	default:
	}
	_, err := h.s.writeLock(ctx, &lockObject{Free: true, Beat: h.object.Beat}, h.revision)
	if errors.Is(err, keyed.ErrChanged) {
		return nil
	}
	return err
}

// Holder tells who holds the lock and gave a sign of life within the time.
func (s *store) Holder(ctx context.Context) ([]byte, bool, error) {
	l, _, alive, err := s.readLock(ctx)
	return l.Info, alive, err
}

// Break marks the lock as free, if it is that holder's.
func (s *store) Break(ctx context.Context, info []byte) error {
	for {
		l, revision, _, err := s.readLock(ctx)
		if err != nil {
			return err
		}
		if l.Free || !bytes.Equal(l.Info, info) {
			return keyed.ErrChanged
		}
		_, err = s.writeLock(ctx, &lockObject{Free: true, Beat: l.Beat}, revision)
		if !errors.Is(err, keyed.ErrChanged) {
			return err
		}
	}
}
