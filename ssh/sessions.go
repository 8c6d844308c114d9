package ssh

import (
	"context"
	"fmt"
	"sync"
)

// OpenSSH allows 10 sessions on one connection (MaxSessions). One is kept back
// to kill what a cancelled command left; streams may not take all of the rest.
const (
	maxSessions = 9
	maxStreams  = 6
)

// slots bounds the sessions of one connection.
type slots struct {
	all, streams chan struct{}

	mu    sync.Mutex
	burnt int // slots that the server has turned out not to have
}

func newSlots() *slots {
	return &slots{all: make(chan struct{}, maxSessions), streams: make(chan struct{}, maxStreams)}
}

// acquire waits for a slot; release gives it back.
func (s *slots) acquire(ctx context.Context, stream bool) (release func(), err error) {
	if stream {
		if err := take(ctx, s.streams); err != nil {
			return nil, err
		}
	}
	if err := take(ctx, s.all); err != nil {
		if stream {
			<-s.streams
		}
		return nil, err
	}
	return sync.OnceFunc(func() {
		<-s.all
		if stream {
			<-s.streams
		}
	}), nil
}

func take(ctx context.Context, c chan struct{}) error {
	select {
	case c <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for a free session: %w", context.Cause(ctx))
	}
}

// shrink is called by the holder of a slot whose session the server refused: the
// server allows fewer than we thought. It gives up the slot for good and waits
// for another one's to become free, so that the holder still holds one. It
// returns false when there is no other left.
func (s *slots) shrink(ctx context.Context) (bool, error) {
	s.mu.Lock()
	if s.burnt+2 > maxSessions || len(s.all)-s.burnt < 2 {
		s.mu.Unlock()
		return false, nil
	}
	s.burnt++
	s.mu.Unlock()
	if err := take(ctx, s.all); err != nil {
		// The slot that this holder will release is the one that it could not get.
		s.mu.Lock()
		s.burnt--
		s.mu.Unlock()
		return false, err
	}
	return true, nil
}
