package agent

import (
	"context"
	"time"
)

// strayInterval is how often strays are looked for. It costs a walk of /proc.
const strayInterval = 15 * time.Second

// markStarting keeps a container that is being started from being taken for a stray.
func (a *Agent) markStarting(id string) (done func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.starting[id] = true
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.starting, id)
	}
}

// reapStrays ends what was half started when an agent was killed.
func (a *Agent) reapStrays(ctx context.Context) {
	for pause(ctx, strayInterval) {
		err := a.daemon.ReapStrays(ctx, func(id string) bool {
			a.mu.Lock()
			defer a.mu.Unlock()
			return a.starting[id]
		})
		if err != nil && ctx.Err() == nil {
			a.log.Warn("remains of a container that was never started cannot be removed", "error", err)
		}
	}
}
