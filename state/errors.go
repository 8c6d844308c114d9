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
	ErrContext  = errors.New("of another context")
	ErrNewer    = errors.New("written by a newer version of stowage")
	ErrKey      = errors.New("no usable key")
	ErrLocked   = errors.New("locked")
	// ErrNotLocked: Break found no lock.
	ErrNotLocked = errors.New("not locked")
	// ErrAlive: Break found that the holder lives.
	ErrAlive = errors.New("its holder lives")
	// ErrLost: the lock was taken away, or ran out, while it was needed.
	ErrLost = errors.New("the lock was lost")
	// ErrNoVersion: the backend keeps no snapshot of that serial.
	ErrNoVersion = errors.New("no such version")
	// ErrMoved: the state was moved to another backend.
	ErrMoved = errors.New("moved to another backend")
)

// LockedError says who holds the lock. errors.Is(err, ErrLocked) holds.
type LockedError struct {
	Location string
	Holder   LockInfo // zero when the holder has not written it yet
	// Note says more, e.g. what to do if that process is gone; "" on most backends.
	Note string
}

// Error names the holder, its operation and since when.
func (e *LockedError) Error() string {
	if e.Holder.Who == "" {
		return fmt.Sprintf("the state %s is locked by another process that has not said its name; "+
			"wait for it to finish, or use -lock-timeout", e.Location)
	}
	operation := e.Holder.Operation
	if e.Holder.Context != "" {
		operation += " in the context " + e.Holder.Context
	}
	text := fmt.Sprintf("the state %s is locked by %s (process %d) for %s since %s; "+
		"wait for it to finish, or use -lock-timeout", e.Location, e.Holder.Who, e.Holder.PID,
		operation, e.Holder.Created.Format(time.RFC3339))
	if e.Note != "" {
		text += "; " + e.Note
	}
	return text
}

// Is makes it an ErrLocked.
func (e *LockedError) Is(target error) bool { return target == ErrLocked }
