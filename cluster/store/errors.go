package store

import (
	"context"
	"errors"
	"fmt"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
)

// unavailable wraps an error of etcd.
func unavailable(err error) error {
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, rpctypes.ErrCompacted):
		return fmt.Errorf("%w: the history since that revision is gone; read everything again", ErrCompacted)
	case errors.Is(err, rpctypes.ErrRequestTooLarge):
		return fmt.Errorf("%w: larger than the store takes (%d MiB)", ErrInvalid, maxRequest>>20)
	case errors.Is(err, rpctypes.ErrNoSpace):
		return fmt.Errorf("%w: the store is full (%d MiB); delete what is not needed", ErrUnavailable, quota>>20)
	}
	return fmt.Errorf("%w: the store does not answer: %w", ErrUnavailable, err)
}

func isNotFound(err error) bool { return errors.Is(err, ErrNotFound) }
