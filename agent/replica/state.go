// Package replica decides what to do about one replica of a pod: a pure function
// from what is wanted, what is known of its parts and the time, to actions. It
// does no I/O and reads no clock; the agent's supervisors perform the actions
// and tell the state what came of them.
package replica

import (
	"maps"
	"slices"
	"time"

	"github.com/stowage-iac/stowage/api"
)

// State is everything known of one replica.
type State struct {
	Key  string
	Want *api.Assignment // nil: it shall be gone
	// Sandbox is the ground that its containers stand on.
	Sandbox Sandbox
	// Containers by name, init containers included.
	Containers map[string]*Container
	// Garbage are containers that have been replaced, by ID; true while being removed.
	Garbage map[string]bool
	// Hold keeps failed clean-ups from being repeated at once; Problem is why.
	Hold    time.Time
	Problem *Problem
}

// SandboxPhase is how far a sandbox is.
type SandboxPhase int

// The phases of a sandbox. Busy: being made or removed.
const (
	Absent SandboxPhase = iota
	Busy
	Up
	Failed
)

// Sandbox is a replica's namespaces, address, host ports and files.
type Sandbox struct {
	Phase    SandboxPhase
	Revision string // what it was made for
	IP       string
	InitDone map[string]bool
	Grace    time.Duration // between TERM and KILL
	// After failures:
	Tries   int
	Retry   time.Time
	Problem *Problem
}

// ContainerPhase is how far a container is.
type ContainerPhase int

// The phases of a container. Ended: its process has, or it could not be started;
// Settled: ended for good, only its record is left.
const (
	None ContainerPhase = iota
	Starting
	Running
	Ended
	Settled
)

// Container is one container of the replica.
type Container struct {
	Name    string
	Phase   ContainerPhase
	ID      string // of the current or last attempt
	Attempt int
	PID     int
	Busy    bool // an action on it is under way
	Exit    int
	OOM     bool
	Problem *Problem // why it could not be started

	StartedAt, EndedAt time.Time
	Restarts           int       // starts but the first
	Tries              int       // ends in a row without a long run between
	Next               time.Time // not started again before
	TermAt             time.Time
	KilledAt           time.Time
}

// Problem is a reason (CamelCase) with a full sentence.
type Problem struct {
	Reason, Message string
	// Transient is no fault of the replica: tried again without back-off.
	Transient bool
}

// Verb is what an action does.
type Verb string

// The verbs.
const (
	Setup    Verb = "setup"    // make the sandbox for Want
	Start    Verb = "start"    // start the next attempt of Container
	Term     Verb = "term"     // ask Container to end
	Kill     Verb = "kill"     // end Container
	Settle   Verb = "settle"   // free what the ended Container holds but its record
	InitDone Verb = "initdone" // note that init container Container has succeeded
	Remove   Verb = "remove"   // remove the container ID
	Teardown Verb = "teardown" // remove the sandbox; Keep the address
	Forget   Verb = "forget"   // nothing is left: the supervisor ends
)

// Action is one thing to do.
type Action struct {
	Verb      Verb
	Container string
	ID        string
	Keep      bool
}

// DefaultGrace is the time between TERM and KILL where a template sets none.
const DefaultGrace = 30 * time.Second

// GraceOf returns a template's time between TERM and KILL.
func GraceOf(t api.PodTemplate) time.Duration {
	if t.StopGrace > 0 {
		return t.StopGrace
	}
	return DefaultGrace
}

// container returns the named container, making it known if it is not.
func (s *State) container(name string) *Container {
	if s.Containers == nil {
		s.Containers = map[string]*Container{}
	}
	if s.Containers[name] == nil {
		s.Containers[name] = &Container{Name: name}
	}
	return s.Containers[name]
}

func (s *State) names() []string { return slices.Sorted(maps.Keys(s.Containers)) }

func (s *State) discard(id string) {
	if id == "" {
		return
	}
	if s.Garbage == nil {
		s.Garbage = map[string]bool{}
	}
	s.Garbage[id] = false
}
