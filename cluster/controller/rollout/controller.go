package rollout

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/cluster/store"
)

// Store is what the controller writes to.
type Store interface {
	Bind(ctx context.Context, pod string, podRevision int64, moves []store.Move) (int64, error)
	DropRevision(ctx context.Context, pod, revision string, modRevision int64) error
	DropConfig(ctx context.Context, name, version string, modRevision int64) error
}

// States gives the store's content as it changes.
type States interface {
	// Read calls use with the state as it is now; use must not keep it.
	Read(use func(*store.State))
	// Changed is closed at the next change of what a rollout depends on.
	Changed() <-chan struct{}
}

// Controller carries decisions out.
type Controller struct {
	Store  Store
	States States
	Log    *slog.Logger
}

// retry is the pause after a write that failed.
const retry = 500 * time.Millisecond

// Run decides at every change until ctx ends. Two may run at once for a moment,
// while the lead changes: every write says what it expects to replace.
func (c *Controller) Run(ctx context.Context) {
	var written int64 // decide nothing before the state shows our own writes
	for ctx.Err() == nil {
		changed := c.States.Changed()
		todo, seen := c.look()
		var failed error
		if seen >= written {
			written, failed = c.carryOut(ctx, todo, written)
		}
		pause := (<-chan time.Time)(nil)
		if failed != nil {
			if !errors.Is(failed, store.ErrConflict) && ctx.Err() == nil {
				c.Log.Warn("rollout: a write failed and is tried again", "error", failed)
			}
			pause = time.After(retry)
		}
		select {
		case <-changed:
		case <-pause:
		case <-ctx.Done():
		}
	}
}

// work is what one look at the state found to do.
type work struct {
	pods      []podWork
	revisions []entry
	configs   []entry
}

type podWork struct {
	pod      string
	revision int64
	moves    []store.Move
	actions  []Action
}

func (c *Controller) look() (w work, seen int64) {
	c.States.Read(func(s *store.State) {
		seen = s.Revision
		w.pods = byPod(s, Decide(input(s)))
		w.revisions, w.configs = stale(s)
	})
	return w, seen
}

// byPod groups actions; a pod's go into one transaction.
func byPod(s *store.State, actions []Action) []podWork {
	var all []podWork
	for _, a := range actions {
		b := a.To
		if b == nil {
			b = a.From
		}
		if len(all) == 0 || all[len(all)-1].pod != b.Pod {
			all = append(all, podWork{pod: b.Pod, revision: s.Objects[api.KindPod][b.Pod].ModRevision})
		}
		move := store.Move{To: a.To}
		if a.From != nil {
			from, _ := s.Binding(b.Pod, b.Slot)
			move.From = &from
		}
		w := &all[len(all)-1]
		w.moves, w.actions = append(w.moves, move), append(w.actions, a)
	}
	return all
}

func (c *Controller) carryOut(ctx context.Context, w work, written int64) (int64, error) {
	var failed error
	for _, p := range w.pods {
		revision, err := c.Store.Bind(ctx, p.pod, p.revision, p.moves)
		written = max(written, revision)
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		for _, a := range p.actions {
			c.Log.Info("rollout: " + a.String())
		}
	}
	for _, e := range w.revisions {
		failed = errors.Join(failed, c.Store.DropRevision(ctx, e.name, e.version, e.modRevision))
	}
	for _, e := range w.configs {
		failed = errors.Join(failed, c.Store.DropConfig(ctx, e.name, e.version, e.modRevision))
	}
	return written, failed
}

// input is what Decide needs of a state.
func input(s *store.State) Input {
	in := Input{Pods: s.Pods(), Nodes: map[string]Node{}}
	for name := range s.NodeSpecs() {
		status, reported := s.NodeStatus(name)
		in.Nodes[name] = Node{Ready: reported && status.Ready}
	}
	for _, bindings := range s.Bindings {
		for _, b := range bindings {
			in.Bindings = append(in.Bindings, b.Value)
		}
	}
	for _, replicas := range s.Replicas {
		for _, r := range replicas {
			in.Replicas = append(in.Replicas, r)
		}
	}
	in.HostPorts = func(pod, revision string) []string {
		return hostPorts(s.Revisions[pod][revision].Value.Template)
	}
	return in
}

func hostPorts(t api.PodTemplate) (ports []string) {
	for _, c := range t.Containers {
		for _, p := range c.Ports {
			if p.Host != 0 {
				protocol := p.Protocol
				if protocol == "" {
					protocol = "tcp"
				}
				ports = append(ports, fmt.Sprintf("%d/%s", p.Host, protocol))
			}
		}
	}
	return ports
}
