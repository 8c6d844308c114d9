package replica

import (
	"strconv"
	"time"

	"github.com/stowage-iac/stowage/agent/runtime"
	"github.com/stowage-iac/stowage/api"
)

// Labels that carry what a restarted agent must know of a container, beside api.Label*.
const (
	LabelAttempt  = "stowage.attempt"
	LabelRestarts = "stowage.restarts"
	LabelTries    = "stowage.tries"
	LabelExit     = "stowage.exit"  // on settled containers
	LabelEnded    = "stowage.ended" // RFC 3339, on settled containers
	LabelOOM      = "stowage.oom"
)

// StartLabels are the counters to put on the container that is being started.
func (c *Container) StartLabels() map[string]string {
	return map[string]string{
		LabelAttempt: strconv.Itoa(c.Attempt), LabelRestarts: strconv.Itoa(c.Restarts), LabelTries: strconv.Itoa(c.Tries),
	}
}

// EndLabels are the labels of a container that is being settled.
func (c *Container) EndLabels() map[string]string {
	l := map[string]string{LabelExit: strconv.Itoa(c.Exit), LabelEnded: c.EndedAt.UTC().Format(time.RFC3339Nano)}
	if c.OOM {
		l[LabelOOM] = "true"
	}
	return l
}

// Adopt takes over what an earlier agent left: the sandbox that s says is there
// and the containers that the runtime has. Of several attempts of one container
// the last is kept.
func (s *State) Adopt(found []runtime.Container, now time.Time) {
	for _, f := range found {
		name := f.Labels[api.LabelContainer]
		c := s.container(name)
		attempt := number(f.Labels[LabelAttempt])
		if attempt < c.Attempt || s.Sandbox.InitDone[name] {
			s.discard(f.ID)
			continue
		}
		if s.Sandbox.Phase == Absent && s.Want == nil {
			s.Sandbox.Phase = Up // it may have one: Teardown finds out
		}
		s.discard(c.ID)
		*c = Container{Name: name, ID: f.ID, Attempt: attempt, Restarts: number(f.Labels[LabelRestarts]),
			Tries: number(f.Labels[LabelTries]), PID: f.PID, StartedAt: f.CreatedAt}
		s.resume(c, f, now)
	}
}

// resume gives a found container its phase.
func (s *State) resume(c *Container, f runtime.Container, now time.Time) {
	exit, settled := f.Labels[LabelExit]
	switch {
	case f.State == runtime.Running:
		c.Phase = Running
	case f.State == runtime.Exited:
		c.Phase = Running
		s.Exited(c.ID, f.Exit.Code, f.Exit.OOM, f.Exit.At)
	case settled:
		c.Phase, c.Exit, c.OOM = Settled, number(exit), f.Labels[LabelOOM] == "true"
		c.EndedAt, _ = time.Parse(time.RFC3339Nano, f.Labels[LabelEnded])
	default: // half made, or the host went down under it
		s.discard(c.ID)
		c.ID, c.Phase, c.Tries = "", None, 0
		if s.Want != nil && s.Want.Template.Restart == "never" && f.State == runtime.Empty {
			// It may have done its work; to run it again is not ours to decide.
			delete(s.Garbage, f.ID)
			c.ID, c.Phase, c.Exit, c.EndedAt = f.ID, Settled, lostExit, now
		}
	}
}

// lostExit is the exit code of a container whose end nobody saw.
const lostExit = 255

func number(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}
