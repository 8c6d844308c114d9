package client

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/stowage-iac/stowage/api"
)

// mirror is a copy of the cluster's view that follows the watch stream for as
// long as someone waits. Each waiter is woken only by what concerns it, so that
// a thousand of them cost no more than the changes do.
type mirror struct {
	stop context.CancelFunc
	uses int // guarded by Client.mu

	mu     sync.Mutex
	synced bool
	failed error
	// revision of the store that the mirror has come to.
	revision int64
	objects  map[string]*api.Object     // pods by name
	nodes    map[string]*api.NodeStatus // by name
	bound    map[string]map[int]api.Binding
	running  map[string]map[string]api.ReplicaStatus // pod → slot@node
	waiters  map[string]map[chan struct{}]bool       // topic → wake-ups
}

// wait calls cond, under the mirror's lock, whenever topic ("pod/NAME",
// "node/NAME") changed, and every second, until it is true or fails.
func (c *Client) wait(ctx context.Context, topic string, cond func(*mirror) (bool, error)) error {
	m := c.follow()
	defer c.unfollow(m)
	wake := make(chan struct{}, 1)
	m.join(topic, wake)
	defer m.leave(topic, wake)
	second := time.NewTicker(time.Second)
	defer second.Stop()
	for {
		if done, err := m.check(cond); done || err != nil {
			return err
		}
		select {
		case <-wake:
		case <-second.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (m *mirror) check(cond func(*mirror) (bool, error)) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.failed != nil {
		return false, m.failed
	}
	if !m.synced {
		return false, nil
	}
	return cond(m)
}

// follow starts the mirror at its first use.
func (c *Client) follow() *mirror {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mirror == nil || c.mirror.broken() {
		ctx, cancel := context.WithCancel(context.Background())
		c.mirror = &mirror{stop: cancel, waiters: map[string]map[chan struct{}]bool{}}
		go c.mirror.run(ctx, c)
	}
	c.mirror.uses++
	return c.mirror
}

func (c *Client) unfollow(m *mirror) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if m.uses--; m.uses == 0 {
		m.stop()
		if c.mirror == m {
			c.mirror = nil
		}
	}
}

func (m *mirror) broken() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.failed != nil
}

// run lists, then watches, and lists again where history was compacted.
func (m *mirror) run(ctx context.Context, c *Client) {
	for {
		view, err := c.View(ctx)
		if err != nil {
			m.fail(err)
			return
		}
		m.load(view)
		for change, err := range c.Watch(ctx, view.Revision) {
			if errors.Is(err, ErrCompacted) {
				break
			}
			if err != nil {
				m.fail(err)
				return
			}
			m.apply(change)
		}
	}
}

func (m *mirror) fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.failed = err
	m.wakeAll()
}

func (m *mirror) load(view *api.ClusterView) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.objects, m.nodes = map[string]*api.Object{}, map[string]*api.NodeStatus{}
	m.bound, m.running = map[string]map[int]api.Binding{}, map[string]map[string]api.ReplicaStatus{}
	for i := range view.Objects {
		m.put(api.Change{Object: &view.Objects[i]})
	}
	for i := range view.Bindings {
		m.put(api.Change{Binding: &view.Bindings[i]})
	}
	for i := range view.Nodes {
		m.put(api.Change{Node: &view.Nodes[i]})
	}
	for i := range view.Replicas {
		m.put(api.Change{Replica: &view.Replicas[i]})
	}
	m.synced, m.revision = true, max(m.revision, view.Revision)
	m.wakeAll()
}

func (m *mirror) apply(change api.Change) {
	m.mu.Lock()
	defer m.mu.Unlock()
	topic := m.put(change)
	m.revision = max(m.revision, change.Revision)
	if change.Node != nil {
		m.wakeAll() // a node that does not answer matters to its pods
		return
	}
	for wake := range m.waiters[topic] {
		ring(wake)
	}
}

// put takes a change in and returns its topic.
func (m *mirror) put(c api.Change) (topic string) {
	switch {
	case c.Object != nil && c.Object.Kind == api.KindPod:
		set(m.objects, c.Object.Name, c.Object, c.Deleted)
		return "pod/" + c.Object.Name
	case c.Binding != nil:
		b := *c.Binding
		if c.Deleted && m.bound[b.Pod][b.Slot].Node != b.Node {
			return "" // a move: the new binding came first
		}
		set(inner(m.bound, b.Pod), b.Slot, b, c.Deleted)
		return "pod/" + b.Pod
	case c.Replica != nil:
		r := *c.Replica
		set(inner(m.running, r.Pod), fmt.Sprintf("%d@%s", r.Slot, r.Node), r, c.Deleted)
		return "pod/" + r.Pod
	case c.Node != nil:
		set(m.nodes, c.Node.Name, c.Node, c.Deleted)
		return "node/" + c.Node.Name
	}
	return ""
}

// pod collects what the mirror holds of one pod.
func (m *mirror) pod(name string) podView {
	p := podView{object: m.objects[name], silent: map[string]bool{}}
	for _, n := range m.nodes {
		p.silent[n.Name] = !n.Ready
	}
	for _, b := range m.bound[name] {
		p.bindings = append(p.bindings, b)
	}
	for _, r := range m.running[name] {
		p.replicas = append(p.replicas, r)
	}
	return p
}

func (m *mirror) join(topic string, wake chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	inner(m.waiters, topic)[wake] = true
}

func (m *mirror) leave(topic string, wake chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.waiters[topic], wake)
	if len(m.waiters[topic]) == 0 {
		delete(m.waiters, topic)
	}
}

func (m *mirror) wakeAll() {
	for _, topic := range m.waiters {
		for wake := range topic {
			ring(wake)
		}
	}
}

func ring(wake chan struct{}) {
	select {
	case wake <- struct{}{}:
	default:
	}
}

func set[K comparable, V any](m map[K]V, k K, v V, deleted bool) {
	if deleted {
		delete(m, k)
	} else {
		m[k] = v
	}
}

func inner[A, K comparable, V any](m map[A]map[K]V, at A) map[K]V {
	if m[at] == nil {
		m[at] = map[K]V{}
	}
	return m[at]
}
