package agent

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/stowage-iac/stowage/api"
)

const (
	heartbeat     = time.Second
	reportTimeout = 5 * time.Second
	maxEvents     = 1000 // kept while no manager is in reach; the oldest go first
)

// report collects what changes and sends it: at once, in one message for all
// that changed while the last was under way, and every second the node itself.
type report struct {
	to   Reporter
	node func() api.NodeStatus
	log  *slog.Logger

	mu       sync.Mutex
	replicas map[string]api.ReplicaStatus // as they are now
	dirty    map[string]bool              // not yet delivered
	gone     map[string]bool
	events   []api.Event
	wake     chan struct{}
}

func newReport(to Reporter, node func() api.NodeStatus, log *slog.Logger) *report {
	return &report{to: to, node: node, log: log, replicas: map[string]api.ReplicaStatus{}, dirty: map[string]bool{},
		gone: map[string]bool{}, wake: make(chan struct{}, 1)}
}

func (r *report) replica(key string, st api.ReplicaStatus) {
	r.mu.Lock()
	r.replicas[key], r.dirty[key] = st, true
	delete(r.gone, key)
	r.mu.Unlock()
	r.poke()
}

func (r *report) forget(key string) {
	r.mu.Lock()
	delete(r.replicas, key)
	delete(r.dirty, key)
	r.gone[key] = true
	r.mu.Unlock()
	r.poke()
}

func (r *report) event(e api.Event) {
	r.mu.Lock()
	r.events = append(r.events, e)
	if over := len(r.events) - maxEvents; over > 0 {
		r.events = slices.Delete(r.events, 0, over)
	}
	r.mu.Unlock()
	r.poke()
}

func (r *report) poke() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// view returns every replica's status, sorted by key.
func (r *report) view() []api.ReplicaStatus {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([]api.ReplicaStatus, 0, len(r.replicas))
	for _, key := range slices.Sorted(maps.Keys(r.replicas)) {
		out = append(out, r.replicas[key])
	}
	return out
}

// run sends until ctx ends.
func (r *report) run(ctx context.Context) {
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	failing := false
	for {
		node := r.node()
		msg := r.take(&node)
		rctx, cancel := context.WithTimeout(ctx, reportTimeout)
		err := r.to.Report(rctx, msg)
		cancel()
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			r.putBack(msg)
			if !failing {
				r.log.Warn("no manager takes this node's status; it is sent again every second", "error", err)
			}
		} else if failing {
			r.log.Info("a manager takes this node's status again")
		}
		failing = err != nil
		wake := r.wake
		if failing {
			wake = nil // only with the next beat
		}
		select {
		case <-ctx.Done():
			return
		case <-beat.C:
		case <-wake:
		}
	}
}

// take returns what is to be delivered.
func (r *report) take(node *api.NodeStatus) api.StatusReport {
	r.mu.Lock()
	defer r.mu.Unlock()
	msg := api.StatusReport{Node: node, Events: r.events, Gone: slices.Sorted(maps.Keys(r.gone))}
	for _, key := range slices.Sorted(maps.Keys(r.dirty)) {
		msg.Replicas = append(msg.Replicas, r.replicas[key])
	}
	r.events, r.dirty, r.gone = nil, map[string]bool{}, map[string]bool{}
	return msg
}

// putBack marks everything as undelivered: whoever takes the next message may know nothing.
func (r *report) putBack(msg api.StatusReport) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key := range r.replicas {
		r.dirty[key] = true
	}
	for _, key := range msg.Gone {
		if _, back := r.replicas[key]; !back {
			r.gone[key] = true
		}
	}
	r.events = append(msg.Events, r.events...)
	if over := len(r.events) - maxEvents; over > 0 {
		r.events = slices.Delete(r.events, 0, over)
	}
}
