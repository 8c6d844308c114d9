package replica

import (
	"fmt"
	"time"

	"github.com/stowage-iac/stowage/api"
)

// Status says how the replica is, without Pod, Slot, Node and Since.
func Status(s *State, now time.Time) api.ReplicaStatus {
	st := api.ReplicaStatus{Revision: s.Sandbox.Revision, IP: s.Sandbox.IP, Containers: containerStatuses(s, now)}
	if st.Revision == "" && s.Want != nil {
		st.Revision = s.Want.Revision
	}
	for _, c := range s.Containers {
		st.Restarts += c.Restarts
	}
	phase, p := phaseOf(s, now)
	st.Phase, st.Ready = phase, phase == api.PhaseRunning
	if p != nil {
		st.Reason, st.Message = p.Reason, p.Message
	}
	return st
}

func phaseOf(s *State, now time.Time) (string, *Problem) {
	if stopping(s) {
		return api.PhaseStopping, s.Problem
	}
	if s.Sandbox.Phase != Up {
		return api.PhasePending, s.Sandbox.Problem
	}
	t := &s.Want.Template
	for _, spec := range t.Init {
		if s.Sandbox.InitDone[spec.Name] {
			continue
		}
		return initPhase(s.container(spec.Name), now)
	}
	return mainPhase(s, t, now)
}

func initPhase(c *Container, now time.Time) (string, *Problem) {
	switch {
	case c.Phase == Settled:
		return api.PhaseFailed, ending(c, true)
	case c.Phase == Ended && (c.Problem != nil || c.Exit != 0):
		return api.PhaseBackOff, ending(c, true)
	}
	return api.PhaseStarting, c.Problem
}

func mainPhase(s *State, t *api.PodTemplate, now time.Time) (string, *Problem) {
	var running, settled, failed int
	var why *Problem
	backOff := false
	for _, spec := range t.Containers {
		c := s.container(spec.Name)
		switch c.Phase {
		case Running:
			running++
		case Settled:
			settled++
			if c.Exit != 0 {
				failed++
				why = ending(c, false)
			}
		case Ended:
			backOff = true
			why = ending(c, false)
		case Starting:
			if why == nil {
				why = c.Problem
			}
		}
	}
	switch total := len(t.Containers); {
	case backOff:
		return api.PhaseBackOff, why
	case failed > 0 && running == 0 && settled == total:
		return api.PhaseFailed, why
	case settled == total:
		return api.PhaseSucceeded, nil
	case running+settled == total:
		return api.PhaseRunning, why
	}
	return api.PhaseStarting, why
}

// ending says why a container does not run.
func ending(c *Container, init bool) *Problem {
	if c.Problem != nil {
		return c.Problem
	}
	kind := "container"
	if init {
		kind = "init container"
	}
	p := &Problem{Reason: "ContainerExited", Message: fmt.Sprintf("%s %s ended with exit code %d", kind, c.Name, c.Exit)}
	switch {
	case c.OOM:
		p.Reason = "OOMKilled"
		p.Message = fmt.Sprintf("%s %s was killed by the kernel: it used more memory than its limit; raise limits.memory or make it use less", kind, c.Name)
	case c.Tries > 1:
		p.Reason = "CrashLoop"
		p.Message = fmt.Sprintf("%s; it has ended %d times in a row", p.Message, c.Tries)
	}
	return p
}

func containerStatuses(s *State, now time.Time) []api.ContainerStatus {
	var out []api.ContainerStatus
	add := func(name string) {
		c := s.Containers[name]
		if c == nil {
			return
		}
		cs := api.ContainerStatus{Name: name, ID: c.ID, State: "waiting", PID: c.PID, ExitCode: c.Exit, Restarts: c.Restarts,
			StartedAt: c.StartedAt, EndedAt: c.EndedAt, OOMKilled: c.OOM}
		switch c.Phase {
		case Running:
			cs.State = "running"
		case Settled:
			cs.State = "exited"
		case Ended:
			cs.NextStart = c.Next
		}
		out = append(out, cs)
	}
	if s.Want == nil {
		for _, name := range s.names() {
			add(name)
		}
		return out
	}
	for _, spec := range s.Want.Template.Init {
		add(spec.Name)
	}
	for _, spec := range s.Want.Template.Containers {
		add(spec.Name)
	}
	return out
}
