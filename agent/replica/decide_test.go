package replica

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/stowage-iac/stowage/agent/runtime"
	"github.com/stowage-iac/stowage/api"
)

func TestDelay(t *testing.T) {
	for ends, want := range map[int]time.Duration{0: 0, 1: time.Second, 2: 2 * time.Second, 9: 256 * time.Second, 10: 5 * time.Minute, 1000: 5 * time.Minute} {
		if got := Delay(ends); got != want {
			t.Errorf("after %d ends in a row: %v, want %v", ends, got, want)
		}
	}
}

// world performs actions as a host would, in any order, with failures, and
// checks what must never happen.
type world struct {
	t       *rapid.T
	s       *State
	now     time.Time
	pending []Action
	sandbox string // revision of the sandbox that is there
	running map[string]string
	records map[string]string // ID to container name: everything the runtime has
	labels  map[string]map[string]string
}

func template(rev string) api.PodTemplate {
	return api.PodTemplate{Restart: "always", StopGrace: time.Second,
		Init: []api.Container{{Name: "init"}}, Containers: []api.Container{{Name: "a"}, {Name: "b", Image: rev}}}
}

func want(rev string) *api.Assignment {
	return &api.Assignment{Binding: api.Binding{Pod: "p", Revision: rev}, Template: template(rev)}
}

// decide takes over what Decide says.
func (w *world) decide() time.Time {
	actions, wake := Decide(w.s, w.now)
	for _, a := range actions {
		if a.Verb == Forget {
			if len(w.records) > 0 || w.sandbox != "" {
				w.t.Fatalf("forgotten with %v and sandbox %q left", w.records, w.sandbox)
			}
			continue
		}
		if slices.ContainsFunc(w.pending, func(p Action) bool { return p == a && a.Verb != Term && a.Verb != Kill }) {
			w.t.Fatalf("%+v while it is under way", a)
		}
		w.s.Begin(a, w.now)
		w.pending = append(w.pending, a)
	}
	return wake
}

// perform finishes one pending action, well or not.
func (w *world) perform(i int, ok bool) {
	a := w.pending[i]
	w.pending = slices.Delete(w.pending, i, i+1)
	var p *Problem
	if !ok {
		p = &Problem{Reason: "Failed", Message: "failed"}
	}
	switch a.Verb {
	case Setup:
		if ok {
			w.sandbox = w.s.Sandbox.Revision
		}
		w.s.SetUp("10.0.0.2", p, w.now)
	case Start:
		c := w.s.Containers[a.Container]
		id := fmt.Sprintf("%s.%s.%d", a.Container, w.s.Sandbox.Revision, c.Attempt)
		if ok {
			w.start(a.Container, id, c)
		}
		w.s.Started(a.Container, id, 1, p, w.now)
	case Term, Kill:
		if ok && w.running[a.ID] != "" {
			w.exit(a.ID, 143)
		}
	case Settle:
		if ok {
			maps.Copy(w.labels[a.ID], w.s.Containers[a.Container].EndLabels())
		}
		w.s.Settled(a.Container, p, w.now)
	case InitDone:
		w.s.InitFinished(a.Container)
	case Remove:
		if ok {
			delete(w.running, a.ID)
			delete(w.records, a.ID)
		}
		w.s.Removed(a, p, w.now)
	case Teardown:
		if len(w.running) > 0 {
			w.t.Fatalf("the sandbox goes while %v run", w.running)
		}
		if ok {
			w.sandbox = ""
		}
		w.s.TornDown(p, w.now)
	}
}

func (w *world) start(name, id string, c *Container) {
	if w.sandbox == "" {
		w.t.Fatalf("%s starts without a sandbox", id)
	}
	for other, its := range w.running {
		if its == name {
			w.t.Fatalf("%s starts while %s runs", id, other)
		}
	}
	if name != "init" && !w.s.Sandbox.InitDone["init"] {
		w.t.Fatalf("%s starts before the init container has succeeded", id)
	}
	if w.records[id] != "" {
		w.t.Fatalf("ID %s is used twice", id)
	}
	w.running[id], w.records[id], w.labels[id] = name, name, c.StartLabels()
}

func (w *world) exit(id string, code int) {
	delete(w.running, id)
	w.s.Exited(id, code, false, w.now)
}

// found is what the runtime tells an agent that starts.
func (w *world) found() (out []runtime.Container) {
	for _, id := range slices.Sorted(maps.Keys(w.records)) {
		labels := maps.Clone(w.labels[id])
		labels[api.LabelContainer] = w.records[id]
		c := runtime.Container{ID: id, Labels: labels, State: runtime.Exited, CreatedAt: w.now, Exit: runtime.Exit{Code: 1, At: w.now}}
		if w.running[id] != "" {
			c.State, c.Exit = runtime.Running, runtime.Exit{}
		}
		out = append(out, c)
	}
	return out
}

// Whatever ends, fails, changes or crashes, in whatever order: nothing runs
// twice, without its sandbox or before its turn; and once all is quiet, exactly
// what is wanted runs and nothing else is left.
func TestAnyHistoryEndsInTheWantedWorld(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &world{t: t, now: time.Unix(1_800_000_000, 0), running: map[string]string{}, records: map[string]string{}, labels: map[string]map[string]string{},
			s: &State{Key: "p#0", Want: want("r1")}}
		for range rapid.IntRange(0, 120).Draw(t, "steps") {
			w.step()
		}
		// Quiet: nothing fails or changes any more.
		for range 500 {
			wake := w.decide()
			for len(w.pending) > 0 {
				w.perform(0, true)
			}
			for id, name := range w.running {
				if name == "init" {
					w.exit(id, 0)
				}
			}
			if !wake.IsZero() && wake.After(w.now) {
				w.now = wake
			}
		}
		w.settled()
	})
}

func (w *world) step() {
	w.decide()
	switch rapid.SampledFrom([]string{"perform", "perform", "perform", "fail", "exit", "want", "crash", "wait"}).Draw(w.t, "step") {
	case "perform":
		if len(w.pending) > 0 {
			w.perform(rapid.IntRange(0, len(w.pending)-1).Draw(w.t, "which"), true)
		}
	case "fail":
		if len(w.pending) > 0 {
			w.perform(rapid.IntRange(0, len(w.pending)-1).Draw(w.t, "which"), false)
		}
	case "exit":
		if ids := slices.Sorted(maps.Keys(w.running)); len(ids) > 0 {
			w.exit(rapid.SampledFrom(ids).Draw(w.t, "id"), rapid.IntRange(0, 1).Draw(w.t, "code"))
		}
	case "want":
		w.s.Want = nil
		if rev := rapid.SampledFrom([]string{"", "r1", "r2"}).Draw(w.t, "rev"); rev != "" {
			w.s.Want = want(rev)
		}
	case "crash": // the agent dies; steps under way are as if they had not begun
		w.crash()
	case "wait":
		w.now = w.now.Add(time.Duration(rapid.IntRange(1, 400).Draw(w.t, "seconds")) * time.Second)
	}
}

func (w *world) crash() {
	old := w.s
	w.pending = nil
	w.s = &State{Key: old.Key, Want: old.Want}
	if w.sandbox != "" {
		w.s.Sandbox = Sandbox{Phase: Up, Revision: w.sandbox, IP: "10.0.0.2", InitDone: map[string]bool{}}
		maps.Copy(w.s.Sandbox.InitDone, old.Sandbox.InitDone)
	}
	w.s.Adopt(w.found(), w.now)
}

func (w *world) settled() {
	names := slices.Sorted(maps.Values(w.running))
	if w.s.Want == nil {
		if len(w.records) > 0 || w.sandbox != "" {
			w.t.Fatalf("not wanted, and %v, sandbox %q are left; state %+v", w.records, w.sandbox, w.s)
		}
		return
	}
	if w.sandbox != w.s.Want.Revision || !slices.Equal(names, []string{"a", "b"}) || len(w.records) != 2 {
		w.t.Fatalf("revision %s wanted; sandbox %q, running %v, records %v\nstate %+v init %+v", w.s.Want.Revision, w.sandbox, w.running, w.records, w.s, w.s.Containers["init"])
	}
	if st := Status(w.s, w.now); st.Phase != api.PhaseRunning || !st.Ready {
		w.t.Fatalf("status %+v", st)
	}
}
