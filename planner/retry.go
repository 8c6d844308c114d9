package planner

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Bounds of trying again; see ApplyInput.
const (
	defaultAttempts = 5
	defaultBackoff  = time.Second
	maxBackoff      = 30 * time.Second
)

// attempts calls try until what it returns is nothing that may pass by itself, at
// most ApplyInput.Attempts times, with a pause before each further one. An interrupt
// ends the waiting: what failed stays failed, and the next apply goes on from there.
// Where a step was tried in vain to the last, the others are not tried again until one
// succeeds: of a host that is gone, each of a hundred steps would find out anew.
func (x *executor) attempts(ctx context.Context, op Operation, try func() (passing error)) {
	pause := x.Backoff
	for n := 1; ; n++ {
		passing := try()
		switch {
		case passing == nil:
			x.vain.Store(false)
			return
		case n >= x.Attempts:
			x.vain.Store(true)
			return
		case x.vain.Load() || ctx.Err() != nil || x.soft.Err() != nil:
			return
		}
		x.Progress.Retry(op, Retry{After: pause, Attempt: n + 1, Of: x.Attempts, Why: firstLine(passing)})
		t := time.NewTimer(pause)
		select {
		case <-t.C:
		case <-ctx.Done():
		case <-x.soft.Done():
		}
		t.Stop()
		if x.vain.Load() || ctx.Err() != nil || x.soft.Err() != nil {
			return
		}
		pause = min(2*pause, maxBackoff)
	}
}

// Retry is the pause before a step is tried again.
type Retry struct {
	After       time.Duration
	Attempt, Of int // this will be attempt 2 of 5
	Why         string
}

// String is the pause as a clause: "retrying in 4s (2 of 5): connection lost".
func (r Retry) String() string {
	return fmt.Sprintf("retrying in %s (%d of %d): %s", r.After, r.Attempt, r.Of, r.Why)
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
