package state

import (
	"errors"
	"fmt"
	"time"
)

// Sentinels, for errors.Is.
var (
	ErrConflict = errors.New("written by somebody else meanwhile")
	ErrDamaged  = errors.New("damaged")
	ErrForeign  = errors.New("of another lineage")
	ErrNewer    = errors.New("written by a newer version of stowage")
	ErrKey      = errors.New("no usable key")
	ErrLocked   = errors.New("locked")
)

// LockedError says who holds the lock. errors.Is(err, ErrLocked) holds.
type LockedError struct {
	Location string
	Holder   LockInfo // zero when the holder has not written it yet
}

// Error names the holder, its operation and since when.
func (e *LockedError) Error() string {
	if e.Holder.Who == "" {
		return fmt.Sprintf("the state %s is locked by another process that has not said its name; "+
			"wait for it to finish, or use -lock-timeout", e.Location)
	}
	return fmt.Sprintf("the state %s is locked by %s (process %d) for %s since %s; "+
		"wait for it to finish, or use -lock-timeout", e.Location, e.Holder.Who, e.Holder.PID,
		e.Holder.Operation, e.Holder.Created.Format(time.RFC3339))
}

// Is makes it an ErrLocked.
func (e *LockedError) Is(target error) bool { return target == ErrLocked }
