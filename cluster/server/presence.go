package server

import (
	"sync"
	"time"

	"github.com/stowage-iac/stowage/api"
)

// Presence knows when nodes were last heard of. It is in memory only, so that
// heartbeats do not grow the store.
type Presence struct {
	mu    sync.Mutex
	nodes map[string]present
}

type present struct {
	at       time.Time
	diskFree int64
}

// NewPresence has heard of nobody.
func NewPresence() *Presence { return &Presence{nodes: map[string]present{}} }

func (p *Presence) heard(node string, status *api.NodeStatus) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := present{at: time.Now(), diskFree: p.nodes[node].diskFree}
	if status != nil {
		now.diskFree = status.Facts.DiskFree
	}
	p.nodes[node] = now
}

// Seen is when each node was last heard of.
func (p *Presence) Seen() map[string]time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	seen := make(map[string]time.Time, len(p.nodes))
	for name, n := range p.nodes {
		seen[name] = n.at
	}
	return seen
}

// complete adds what is not in the store.
func (p *Presence) complete(status *api.NodeStatus) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n, ok := p.nodes[status.Name]; ok {
		status.SeenAt = n.at.UTC()
		if n.diskFree != 0 {
			status.Facts.DiskFree = n.diskFree
		}
	}
}
