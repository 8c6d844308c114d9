package agent

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"reflect"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/stowage-iac/stowage/agent/ocispec"
	"github.com/stowage-iac/stowage/agent/replica"
	"github.com/stowage-iac/stowage/agent/runtime"
	"github.com/stowage-iac/stowage/api"
)

// supervisor keeps one replica as replica.Decide says. Only its own goroutine
// touches state; what others have to say comes through inbox.
type supervisor struct {
	a    *Agent
	pod  string
	slot int
	id   string

	state replica.State
	inbox chan func()
	last  api.ReplicaStatus

	mu     sync.Mutex
	want   *api.Assignment // to be taken over by the loop
	nudged bool
	poke   chan struct{}

	io       context.Context // ends some time after ctx, so that steps under way finish
	inflight sync.WaitGroup
}

func (s *supervisor) key() string { return s.state.Key }

// assign changes what is wanted; nil: the replica shall be gone.
func (s *supervisor) assign(want *api.Assignment) {
	s.mu.Lock()
	s.want = want
	s.mu.Unlock()
	s.wake()
}

// nudge makes it try again at once what has failed for want of something.
func (s *supervisor) nudge() {
	s.mu.Lock()
	s.nudged = true
	s.mu.Unlock()
	s.wake()
}

func (s *supervisor) wake() {
	select {
	case s.poke <- struct{}{}:
	default:
	}
}

// takeOver puts into the state what others have asked for.
func (s *supervisor) takeOver(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.Want = s.want
	if s.nudged {
		s.state.Nudge(now)
		s.nudged = false
	}
}

// tell runs f in the supervisor's goroutine, unless it has ended.
func (s *supervisor) tell(ctx context.Context, f func()) {
	select {
	case s.inbox <- f:
	case <-ctx.Done():
	}
}

// run supervises until the replica is gone (true) or ctx ends (false).
func (s *supervisor) run(ctx context.Context) bool {
	ctx, cancel := context.WithCancel(ctx)
	defer s.inflight.Wait()
	defer cancel()
	for _, c := range s.state.Containers {
		if c.Phase == replica.Running {
			s.watch(ctx, c.ID)
		}
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		now := time.Now()
		s.takeOver(now)
		actions, wake := replica.Decide(&s.state, now)
		for _, a := range actions {
			if a.Verb == replica.Forget {
				return true
			}
			s.state.Begin(a, now)
			s.perform(ctx, a)
		}
		s.publish(now)
		if wake.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(time.Until(wake))
		}
		select {
		case <-ctx.Done():
			return false
		case f := <-s.inbox:
			f()
		case <-s.poke:
		case <-timer.C:
		}
	}
}

// perform does an action in the background and tells the state what came of it.
func (s *supervisor) perform(ctx context.Context, a replica.Action) {
	want := s.state.Want
	switch a.Verb {
	case replica.Setup:
		s.background(ctx, func() func() {
			ip, p := s.a.setup(s.io, s.id, want)
			return func() { s.setUp(ip, p) }
		})
	case replica.Start:
		c := *s.state.Containers[a.Container]
		s.background(ctx, func() func() {
			id, pid, p := s.start(want, c)
			return func() { s.started(ctx, c.Name, id, pid, p) }
		})
	case replica.Term:
		s.signal(ctx, a, syscall.SIGTERM)
	case replica.Kill:
		s.signal(ctx, a, syscall.SIGKILL)
	case replica.Settle:
		labels := s.state.Containers[a.Container].EndLabels()
		s.background(ctx, func() func() {
			err := ignoreGone(s.a.runtime.Settle(s.io, a.ID, labels))
			return func() { s.state.Settled(a.Container, stopProblem(err), time.Now()) }
		})
	case replica.InitDone:
		s.background(ctx, func() func() {
			if err := s.a.noteInitDone(s.id, a.Container); err != nil {
				s.a.log.Warn("an init container may run again after a restart of the agent", "replica", s.key(), "container", a.Container, "error", err)
			}
			return func() { s.state.InitFinished(a.Container) }
		})
	case replica.Remove:
		s.background(ctx, func() func() {
			err := s.a.runtime.Remove(s.io, a.ID)
			return func() { s.state.Removed(a, stopProblem(err), time.Now()) }
		})
	case replica.Teardown:
		s.background(ctx, func() func() {
			err := s.a.teardown(s.id, a.Keep)
			return func() { s.state.TornDown(stopProblem(err), time.Now()) }
		})
	}
}

// background runs work elsewhere and its result in the supervisor's goroutine.
func (s *supervisor) background(ctx context.Context, work func() func()) {
	s.inflight.Go(func() {
		s.tell(ctx, work())
	})
}

func stopProblem(err error) *replica.Problem {
	if err == nil {
		return nil
	}
	return problem("StopFailed", err)
}

func ignoreGone(err error) error {
	if errors.Is(err, runtime.ErrNotFound) {
		return nil
	}
	return err
}

func (s *supervisor) signal(ctx context.Context, a replica.Action, sig syscall.Signal) {
	s.background(ctx, func() func() {
		err := ignoreGone(s.a.runtime.Signal(s.io, a.ID, sig)) // its end comes through watch
		return func() {
			if err != nil {
				s.a.log.Warn("signal", "replica", s.key(), "container", a.ID, "signal", sig, "error", err)
			}
		}
	})
}

func (s *supervisor) setUp(ip string, p *replica.Problem) {
	before := s.state.Sandbox.Problem
	s.state.SetUp(ip, p, time.Now())
	if p != nil && !p.Transient && (before == nil || *before != *p) {
		s.event("warning", p.Reason, p.Message)
	}
}

// startTimeout bounds one start; runc needs about 0.1 s.
const startTimeout = 2 * time.Minute

// start makes and starts the attempt of c.
func (s *supervisor) start(want *api.Assignment, c replica.Container) (id string, pid int, p *replica.Problem) {
	id = containerID(s.id, c.Name, want.Revision, c.Attempt)
	ctx, cancel := context.WithTimeout(s.io, startTimeout)
	defer cancel()
	release := s.a.takeSlot(ctx)
	defer release()
	spec, p := s.spec(ctx, want, c, id)
	if p != nil {
		return id, 0, p
	}
	defer s.a.markStarting(id)()
	pid, err := s.a.runtime.Start(ctx, spec)
	switch {
	case errors.Is(err, runtime.ErrImageMissing):
		return id, 0, imageProblem(s.a.o.Node, spec.Image, err)
	case err != nil:
		return id, 0, problem("StartFailed", fmt.Errorf("container %s on node %s cannot be started: %w", c.Name, s.a.o.Node, err))
	}
	return id, pid, nil
}

func (s *supervisor) spec(ctx context.Context, want *api.Assignment, c replica.Container, id string) (runtime.Spec, *replica.Problem) {
	var def api.Container
	init := false
	for i, d := range allContainers(want.Template) {
		if d.Name == c.Name {
			def, init = d, i < len(want.Template.Init)
		}
	}
	img, err := s.a.runtime.Image(ctx, def.Image)
	if err != nil {
		return runtime.Spec{}, imageProblem(s.a.o.Node, def.Image, err)
	}
	in := ocispec.Input{
		Container: def, Image: img, Hostname: s.id, Host: s.a.host,
		NetNS: filepath.Join(s.a.o.RunDir, "ns", s.id, "net"), IPCNS: filepath.Join(s.a.o.RunDir, "ns", s.id, "ipc"),
		Shm:    filepath.Join(s.a.podDir(s.id), "shm"),
		Cgroup: fmt.Sprintf("%s/%s/%s.%d", s.a.o.CgroupRoot, s.id, safeName(c.Name, 40), c.Attempt),
		Mounts: s.a.mounts(s.id, def),
	}
	if hasSealedEnv(def) {
		in.Entry = entryPath
	}
	oci, err := ocispec.Build(in)
	if err != nil {
		return runtime.Spec{}, problem("StartFailed", fmt.Errorf("container %s: %w", c.Name, err))
	}
	labels := c.StartLabels()
	maps.Copy(labels, map[string]string{
		api.LabelCluster: s.a.o.Cluster, api.LabelPod: s.pod, api.LabelSlot: strconv.Itoa(s.slot),
		api.LabelRevision: want.Revision, api.LabelContainer: c.Name,
	})
	if init {
		labels[api.LabelInit] = "true"
	}
	return runtime.Spec{ID: id, Image: def.Image, Labels: labels, OCI: oci, Log: filepath.Join(s.a.logDir(s.id), safeName(c.Name, 60)+".log")}, nil
}

func (s *supervisor) started(ctx context.Context, name, id string, pid int, p *replica.Problem) {
	before := s.state.Containers[name].Problem
	s.state.Started(name, id, pid, p, time.Now())
	if p == nil {
		s.watch(ctx, id)
		s.event("normal", "ContainerStarted", fmt.Sprintf("container %s started on node %s", name, s.a.o.Node))
	} else if !p.Transient && (before == nil || *before != *p) {
		s.event("warning", p.Reason, p.Message)
	}
}

// watch tells the state when the container's process ends.
func (s *supervisor) watch(ctx context.Context, id string) {
	s.inflight.Go(func() {
		e, err := s.a.runtime.Wait(ctx, id)
		if err != nil && !errors.Is(err, runtime.ErrNotFound) {
			return // ctx has ended
		}
		if err != nil { // its shim was killed and took the exit code with it
			e = runtime.Exit{Code: 137, At: time.Now()}
		}
		s.tell(ctx, func() {
			s.state.Exited(id, e.Code, e.OOM, e.At)
			if e.OOM {
				s.event("warning", "OOMKilled", fmt.Sprintf("container %s was killed for lack of memory", id))
			} else if s.state.Want != nil {
				s.event("normal", "ContainerExited", fmt.Sprintf("container %s ended with exit code %d", id, e.Code))
			}
		})
	})
}

// publish reports the status if it has changed.
func (s *supervisor) publish(now time.Time) {
	st := replica.Status(&s.state, now)
	st.Pod, st.Slot, st.Node = s.pod, s.slot, s.a.o.Node
	st.Since = s.last.Since
	if st.Phase != s.last.Phase {
		st.Since = now.UTC()
	}
	if reflect.DeepEqual(st, s.last) {
		return
	}
	s.last = st
	s.a.report.replica(s.key(), st)
}

func (s *supervisor) event(kind, reason, message string) {
	s.a.report.event(api.Event{Time: time.Now().UTC(), Node: s.a.o.Node, Object: fmt.Sprintf("pod.%s[%d]", s.pod, s.slot), Type: kind, Reason: reason, Message: message})
}
