package state_test

import (
	"context"
	"errors"
	"time"

	"github.com/stowage-iac/stowage/state"
	"github.com/stowage-iac/stowage/state/statetest"
)

// cutting is a backend whose writes fail after so many.
type cutting struct {
	*statetest.Memory
	left *int
}

type cuttingSession struct {
	state.Session
	left *int
}

func (c *cutting) Lock(ctx context.Context, info state.LockInfo, wait time.Duration) (state.Session, error) {
	s, err := c.Memory.Lock(ctx, info, wait)
	if err != nil {
		return nil, err
	}
	return cuttingSession{s, c.left}, nil
}

func (s cuttingSession) Replace(ctx context.Context, base uint64, next []byte) error {
	if *s.left == 0 {
		return errors.New("cut off")
	}
	*s.left--
	return s.Session.Replace(ctx, base, next)
}
