package replica

import "time"

// Back-off of a container that ends again and again: at once the first time,
// then 1 s doubling to 5 min; forgotten after 10 min up.
const (
	firstDelay = time.Second
	maxDelay   = 5 * time.Minute
	resetAfter = 10 * time.Minute
)

// Delay is the wait before the next start after the given number of ends in a
// row before this one.
func Delay(ends int) time.Duration {
	if ends <= 0 {
		return 0
	}
	d := firstDelay
	for range ends - 1 {
		if d *= 2; d >= maxDelay {
			return maxDelay
		}
	}
	return d
}

// Begin notes that an action is under way.
func (s *State) Begin(a Action, now time.Time) {
	c := s.Containers[a.Container]
	switch a.Verb {
	case Setup:
		for _, c := range s.Containers { // in a new sandbox init containers run again
			if c.ID == "" {
				*c = Container{Name: c.Name, Attempt: c.Attempt, Restarts: c.Restarts}
			}
		}
		s.Sandbox = Sandbox{Phase: Busy, Revision: s.Want.Revision, Grace: GraceOf(s.Want.Template), Tries: s.Sandbox.Tries, Problem: s.Sandbox.Problem}
	case Teardown:
		s.Sandbox.Phase = Busy
	case Start:
		c = s.container(a.Container)
		s.discard(c.ID)
		if c.Attempt > 0 && c.Problem == nil {
			c.Restarts++
		}
		*c = Container{Name: c.Name, Phase: Starting, Busy: true, Attempt: c.Attempt + 1, Restarts: c.Restarts, Tries: c.Tries,
			Exit: c.Exit, OOM: c.OOM, EndedAt: c.EndedAt, Problem: c.Problem}
	case Term:
		c.TermAt = now
	case Kill:
		c.KilledAt = now
	case Settle, InitDone:
		c.Busy = true
	case Remove:
		if c != nil {
			c.Busy = true
		} else {
			s.Garbage[a.ID] = true
		}
	}
}

// SetUp notes what came of Setup.
func (s *State) SetUp(ip string, p *Problem, now time.Time) {
	sb := &s.Sandbox
	if p == nil {
		*sb = Sandbox{Phase: Up, Revision: sb.Revision, Grace: sb.Grace, IP: ip, InitDone: map[string]bool{}}
		return
	}
	sb.Phase, sb.Problem = Failed, p
	if p.Transient {
		sb.Retry = now.Add(firstDelay / 10)
		return
	}
	sb.Tries++
	sb.Retry = now.Add(min(Delay(sb.Tries), maxSetupDelay))
}

// maxSetupDelay bounds the wait for something outside: a port, an image, a config.
const maxSetupDelay = 30 * time.Second

// Nudge makes a failed setup or start be tried again now: what it lacked may have come.
func (s *State) Nudge(now time.Time) {
	s.Sandbox.Retry = now
	for _, c := range s.Containers {
		if c.Phase == Ended && c.Problem != nil && c.Next.After(now) {
			c.Next = now
		}
	}
}

// TornDown notes what came of Teardown.
func (s *State) TornDown(p *Problem, now time.Time) {
	if p != nil {
		s.Sandbox.Phase = Failed
		s.hold(p, now)
		return
	}
	s.Sandbox, s.Problem = Sandbox{}, nil
	s.Containers = nil
}

// Started notes what came of Start.
func (s *State) Started(name, id string, pid int, p *Problem, now time.Time) {
	c := s.container(name)
	c.Busy, c.PID = false, pid
	if p == nil {
		c.ID, c.Phase, c.StartedAt, c.Problem = id, Running, now, nil
		return
	}
	s.discard(id) // whatever may be left of it
	c.Phase, c.EndedAt = Ended, now
	if p.Transient {
		c.Problem = &Problem{Reason: p.Reason, Message: p.Message, Transient: true}
		c.Next = now.Add(firstDelay / 10)
		return
	}
	c.Problem = p
	c.Next = now.Add(Delay(c.Tries))
	c.Tries++
}

// Exited notes that a container's process has ended.
func (s *State) Exited(id string, code int, oom bool, at time.Time) {
	for _, c := range s.Containers {
		if c.ID != id || c.Phase != Running {
			continue
		}
		c.Phase, c.Exit, c.OOM, c.EndedAt, c.PID = Ended, code, oom, at, 0
		if at.Sub(c.StartedAt) >= resetAfter {
			c.Tries = 0
		}
		c.Next = at.Add(Delay(c.Tries))
		c.Tries++
	}
}

// Settled notes what came of Settle.
func (s *State) Settled(name string, p *Problem, now time.Time) {
	c := s.container(name)
	c.Busy = false
	if p != nil {
		s.hold(p, now)
		return
	}
	c.Phase = Settled
}

// InitFinished notes that the success of an init container is on record.
func (s *State) InitFinished(name string) {
	c := s.container(name)
	s.discard(c.ID)
	if s.Sandbox.InitDone == nil {
		s.Sandbox.InitDone = map[string]bool{}
	}
	s.Sandbox.InitDone[name] = true
	*c = Container{Name: name, Phase: Settled, Attempt: c.Attempt, Restarts: c.Restarts, StartedAt: c.StartedAt, EndedAt: c.EndedAt}
}

// Removed notes what came of Remove.
func (s *State) Removed(a Action, p *Problem, now time.Time) {
	c := s.Containers[a.Container]
	if p != nil {
		if c != nil {
			c.Busy = false
		} else {
			s.Garbage[a.ID] = false
		}
		s.hold(p, now)
		return
	}
	s.Problem = nil
	if c != nil {
		// The number stays: an older attempt may still be waiting for its removal.
		*c = Container{Name: c.Name, Attempt: c.Attempt}
	} else {
		delete(s.Garbage, a.ID)
	}
}

func (s *State) hold(p *Problem, now time.Time) {
	s.Problem, s.Hold = p, now.Add(firstDelay)
}
