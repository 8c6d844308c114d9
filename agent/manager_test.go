package agent

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stowage-iac/stowage/api"
)

// manager plays the cluster for one agent: it streams what a test assigns and
// keeps what the agent reports.
type manager struct {
	mu       sync.Mutex
	node     api.NodeSpec
	replicas map[string]*api.Assignment
	configs  map[string]*api.ConfigData
	keep     []string
	streams  map[chan api.AssignmentUpdate]bool
	away     bool

	status  map[string]api.ReplicaStatus
	gone    map[string]bool
	last    api.NodeStatus
	events  []api.Event
	changed chan struct{} // closed and replaced at every report
}

func newManager() *manager {
	return &manager{
		node:     api.NodeSpec{Name: "n1", PodCIDR: "10.210.9.0/24"},
		replicas: map[string]*api.Assignment{}, configs: map[string]*api.ConfigData{}, streams: map[chan api.AssignmentUpdate]bool{},
		status: map[string]api.ReplicaStatus{}, gone: map[string]bool{}, changed: make(chan struct{}),
	}
}

var errAway = errors.New("no manager answers")

// Assignments implements Source.
func (m *manager) Assignments(ctx context.Context, put func(api.AssignmentUpdate) error) error {
	m.mu.Lock()
	if m.away {
		m.mu.Unlock()
		return errAway
	}
	all := []api.AssignmentUpdate{{Type: "put", Node: &m.node}}
	for _, key := range slices.Sorted(maps.Keys(m.configs)) {
		all = append(all, api.AssignmentUpdate{Type: "put", Config: m.configs[key]})
	}
	for _, key := range slices.Sorted(maps.Keys(m.replicas)) {
		all = append(all, api.AssignmentUpdate{Type: "put", Replica: m.replicas[key]})
	}
	all = append(all, api.AssignmentUpdate{Type: "synced", KeepImages: m.keep})
	live := make(chan api.AssignmentUpdate, 1000)
	m.streams[live] = true
	m.mu.Unlock()
	for _, u := range all {
		if err := put(u); err != nil {
			return err
		}
	}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case u, ok := <-live:
			if !ok {
				return errAway
			}
			if err := put(u); err != nil {
				return err
			}
		}
	}
}

// Report implements Reporter.
func (m *manager) Report(_ context.Context, r api.StatusReport) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.away {
		return errAway
	}
	if r.Node != nil {
		m.last = *r.Node
	}
	for _, s := range r.Replicas {
		key := api.Binding{Pod: s.Pod, Slot: s.Slot}.Key()
		m.status[key] = s
		delete(m.gone, key)
	}
	for _, key := range r.Gone {
		delete(m.status, key)
		m.gone[key] = true
	}
	m.events = append(m.events, r.Events...)
	close(m.changed)
	m.changed = make(chan struct{})
	return nil
}

func (m *manager) send(u api.AssignmentUpdate) {
	for s := range m.streams {
		s <- u
	}
}

// assign puts a replica of the template and returns its key.
func (m *manager) assign(pod string, slot int, t api.PodTemplate, sealed ...byte) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	a := &api.Assignment{Binding: api.Binding{Pod: pod, Slot: slot, Node: "n1", Revision: api.TemplateRevision(t)}, Template: t, Sealed: sealed}
	m.replicas[a.Key()] = a
	m.send(api.AssignmentUpdate{Type: "put", Replica: a})
	return a.Key()
}

func (m *manager) config(c *api.ConfigData) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.configs[configKey(c.Name, c.Version)] = c
	m.send(api.AssignmentUpdate{Type: "put", Config: c})
}

func (m *manager) withdraw(key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.replicas, key)
	m.send(api.AssignmentUpdate{Type: "delete", Key: "replica/" + key})
}

// leave makes the manager unreachable, comeBack reachable again.
func (m *manager) leave() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.away = true
	for s := range m.streams {
		close(s)
		delete(m.streams, s)
	}
}

func (m *manager) comeBack() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.away = false
}

// await waits until the reported world is as ok wants it.
func (m *manager) await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(60 * time.Second)
	for {
		m.mu.Lock()
		done, changed := ok(), m.changed
		m.mu.Unlock()
		if done {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			m.mu.Lock()
			defer m.mu.Unlock()
			t.Fatalf("%s: never came; node %+v\nreplicas %+v\nevents %+v", what, m.last, m.status, m.events)
		}
	}
}

// phase waits until the replica is in the phase and returns its status.
func (m *manager) phase(t testing.TB, key, phase string) api.ReplicaStatus {
	t.Helper()
	var st api.ReplicaStatus
	m.await(t, key+" "+phase, func() bool { st = m.status[key]; return st.Phase == phase })
	return st
}

// reason waits until the replica reports a reason.
func (m *manager) reason(t testing.TB, key, reason string) api.ReplicaStatus {
	t.Helper()
	var st api.ReplicaStatus
	m.await(t, key+" "+reason, func() bool { st = m.status[key]; return st.Reason == reason })
	return st
}

func (m *manager) goneFor(t testing.TB, key string) {
	t.Helper()
	m.await(t, key+" gone", func() bool { return m.gone[key] })
}
