package replica

import (
	"maps"
	"slices"
	"time"

	"github.com/stowage-iac/stowage/api"
)

// Decide says what to do now, and when to ask again if nothing happens before
// (zero: never). The caller calls Begin for each action before it performs it.
func Decide(s *State, now time.Time) (actions []Action, wake time.Time) {
	d := &decision{s: s, now: now}
	if stopping(s) {
		d.stop()
	} else {
		d.run()
	}
	return d.actions, d.wake
}

type decision struct {
	s       *State
	now     time.Time
	actions []Action
	wake    time.Time
}

func (d *decision) do(a Action) { d.actions = append(d.actions, a) }

// due is whether t has come; if not, it will wake the caller.
func (d *decision) due(t time.Time) bool {
	if !t.After(d.now) {
		return true
	}
	if d.wake.IsZero() || t.Before(d.wake) {
		d.wake = t
	}
	return false
}

// stopping is whether what there is has to go before anything else.
func stopping(s *State) bool {
	if s.Want == nil {
		return true
	}
	if s.Sandbox.Phase != Absent {
		return s.Sandbox.Revision != s.Want.Revision
	}
	for _, c := range s.Containers { // they stand on nothing: the sandbox was lost
		if c.Phase == Starting || c.Phase == Running {
			return true
		}
	}
	return false
}

// stop ends the containers, then removes the sandbox.
func (d *decision) stop() {
	left := false
	for _, name := range d.s.names() {
		c := d.s.Containers[name]
		switch {
		case c.Phase == Starting || c.Busy:
			left = true
		case c.Phase == Running:
			left = true
			d.end(c)
		case c.ID != "":
			left = true
			if d.due(d.s.Hold) {
				d.do(Action{Verb: Remove, Container: name, ID: c.ID})
			}
		}
	}
	if d.collect() || left || d.s.Sandbox.Phase == Busy {
		return
	}
	switch {
	case d.s.Sandbox.Phase != Absent:
		if d.due(d.s.Hold) {
			d.do(Action{Verb: Teardown, Keep: d.s.Want != nil})
		}
	case d.s.Want == nil:
		d.do(Action{Verb: Forget})
	}
}

// end asks a running container to end, and kills it when its time is over.
func (d *decision) end(c *Container) {
	switch {
	case c.TermAt.IsZero():
		d.do(Action{Verb: Term, Container: c.Name, ID: c.ID})
	case c.KilledAt.IsZero() && d.due(c.TermAt.Add(d.s.Sandbox.grace())):
		d.do(Action{Verb: Kill, Container: c.Name, ID: c.ID})
	case !c.KilledAt.IsZero() && d.due(c.KilledAt.Add(firstDelay)): // the first did not help
		d.do(Action{Verb: Kill, Container: c.Name, ID: c.ID})
	}
}

func (s Sandbox) grace() time.Duration {
	if s.Grace > 0 {
		return s.Grace
	}
	return DefaultGrace
}

// collect removes what has been replaced; it returns whether something is left.
func (d *decision) collect() bool {
	for _, id := range slices.Sorted(maps.Keys(d.s.Garbage)) {
		if !d.s.Garbage[id] && d.due(d.s.Hold) {
			d.do(Action{Verb: Remove, ID: id})
		}
	}
	return len(d.s.Garbage) > 0
}

// run brings the replica up and keeps it up.
func (d *decision) run() {
	switch d.s.Sandbox.Phase {
	case Absent:
		d.do(Action{Verb: Setup})
		return
	case Failed:
		if d.due(d.s.Sandbox.Retry) {
			d.do(Action{Verb: Setup})
		}
		return
	case Busy:
		return
	}
	t := &d.s.Want.Template
	if d.runInit(t) {
		for _, c := range t.Containers {
			d.keep(d.s.container(c.Name), restarts(t, false))
		}
	}
	for _, c := range d.s.Containers {
		if c.Phase == Starting {
			return // a restart is worth more than the removal of the old one
		}
	}
	for _, a := range d.actions {
		if a.Verb == Start {
			return
		}
	}
	d.collect()
}

// runInit runs the init containers in order; it returns whether all have succeeded.
func (d *decision) runInit(t *api.PodTemplate) bool {
	for _, spec := range t.Init {
		if d.s.Sandbox.InitDone[spec.Name] {
			continue
		}
		c := d.s.container(spec.Name)
		if c.Phase == Ended && c.Problem == nil && c.Exit == 0 {
			if !c.Busy {
				d.do(Action{Verb: InitDone, Container: spec.Name, ID: c.ID})
			}
		} else {
			d.keep(c, restarts(t, true))
		}
		return false
	}
	return true
}

// restarts returns whether a container that has ended is started again.
func restarts(t *api.PodTemplate, init bool) func(c *Container) bool {
	return func(c *Container) bool {
		switch {
		case c.Problem != nil: // it never ran
			return true
		case t.Restart == "never":
			return false
		case t.Restart == "on_failure" || init:
			return c.Exit != 0
		}
		return true
	}
}

// keep starts a container that does not run, if it should.
func (d *decision) keep(c *Container, again func(*Container) bool) {
	if c.Busy {
		return
	}
	switch c.Phase {
	case None:
		d.do(Action{Verb: Start, Container: c.Name})
	case Ended:
		switch {
		case again(c):
			if d.due(c.Next) {
				d.do(Action{Verb: Start, Container: c.Name})
			}
		case d.due(d.s.Hold):
			d.do(Action{Verb: Settle, Container: c.Name, ID: c.ID})
		}
	}
}
