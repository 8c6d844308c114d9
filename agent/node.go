package agent

import (
	"context"
	"slices"
	"time"

	"github.com/stowage-iac/stowage/api"
)

// nodeStatus is the node as it is now.
func (a *Agent) nodeStatus() api.NodeStatus {
	a.mu.Lock()
	defer a.mu.Unlock()
	st := api.NodeStatus{Name: a.o.Node, Ready: true, Version: a.o.Version, Facts: a.facts, StartedAt: a.started, SeenAt: time.Now().UTC(), Images: slices.Clone(a.refs)}
	st.Facts.DiskFree = diskFree(a.o.DataDir)
	if err := a.daemon.Ready(); err != nil {
		st.Ready, st.Message = false, err.Error()
	} else if !a.networkUp {
		st.Ready, st.Message = false, a.notReady
	}
	return st
}

// readFacts reads the host's facts once, and containerd's version when it answers.
func (a *Agent) readFacts(ctx context.Context) {
	f := hostFacts(a.o.DataDir)
	a.mu.Lock()
	a.facts = f
	a.mu.Unlock()
	a.report.poke()
	for ctx.Err() == nil {
		v, err := a.daemon.Version(ctx)
		if err == nil {
			a.mu.Lock()
			a.facts.Containerd = v
			a.mu.Unlock()
			a.report.poke()
			return
		}
		pause(ctx, time.Second)
	}
}
