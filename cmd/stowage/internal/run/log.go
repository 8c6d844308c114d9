package run

import (
	"context"
	"log/slog"
	"time"

	"github.com/stowage-iac/stowage/cmd/stowage/internal/cli"
	"github.com/stowage-iac/stowage/planner"
)

// logged also writes what runs to the log: operations at debug, their clauses at trace.
type logged struct{ planner.Progress }

// Start implements planner.Progress.
func (l logged) Start(op planner.Operation) {
	slog.Debug("operation begins", "address", op.Address, "verb", op.Verb)
	l.Progress.Start(op)
}

// Update implements planner.Progress.
func (l logged) Update(op planner.Operation, clause string) {
	slog.Log(context.Background(), cli.LevelTrace, "operation", "address", op.Address, "verb", op.Verb, "clause", clause)
	l.Progress.Update(op, clause)
}

// Retry implements planner.Progress.
func (l logged) Retry(op planner.Operation, r planner.Retry) {
	slog.Warn("operation failed and is tried again", "address", op.Address, "verb", op.Verb, "after", r.After, "attempt", r.Attempt, "of", r.Of, "why", r.Why)
	l.Progress.Retry(op, r)
}

// Done implements planner.Progress.
func (l logged) Done(op planner.Operation, failed bool) {
	slog.Debug("operation ended", "address", op.Address, "verb", op.Verb, "failed", failed, "took", time.Since(op.Started))
	l.Progress.Done(op, failed)
}

// timed logs how long a phase took; call what it returns at the end.
func timed(phase string, args ...any) func() {
	began := time.Now()
	slog.Debug(phase+" begins", args...)
	return func() { slog.Debug(phase+" ended", "took", time.Since(began)) }
}

// current is whatever display there is at the moment; none while nothing runs.
type current struct{ s *Session }

func (c current) to(f func(planner.Progress)) {
	c.s.mu.Lock()
	p := c.s.progress
	c.s.mu.Unlock()
	if p != nil {
		f(p)
	}
}

// Start implements planner.Display.
func (c current) Start(op planner.Operation) { c.to(func(p planner.Progress) { p.Start(op) }) }

// Done implements planner.Display.
func (c current) Done(op planner.Operation, failed bool) {
	c.to(func(p planner.Progress) { p.Done(op, failed) })
}
