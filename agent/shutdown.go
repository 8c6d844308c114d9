package agent

import (
	"context"
	"errors"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/stowage-iac/stowage/agent/replica"
	"github.com/stowage-iac/stowage/agent/runtime"
	"github.com/stowage-iac/stowage/api"
)

// shutdownGrace bounds how long the pods' containers may take to end when the
// host goes down: less than systemd gives stowaged to stop.
const shutdownGrace = 15 * time.Second

// hostStops is whether systemd is shutting this host down.
func hostStops() bool {
	out, _ := exec.Command("systemctl", "is-system-running").Output() // its exit code is of no interest
	return strings.TrimSpace(string(out)) == "stopping"
}

// quiesce ends every container as the host goes down: nobody else would ask
// them to, and systemd would wait for them for a minute and a half. They start
// again at the next boot.
func (a *Agent) quiesce() {
	ctx, cancel := context.WithTimeout(context.Background(), shutdownGrace+finish)
	defer cancel()
	list, err := a.runtime.List(ctx, api.LabelPod)
	if err != nil {
		a.log.Warn("the host goes down and the containers cannot be listed", "error", err)
		return
	}
	var all sync.WaitGroup
	for _, c := range list {
		if c.State == runtime.Running && c.Labels[api.LabelCluster] == a.o.Cluster {
			all.Go(func() { a.end(ctx, c.ID, a.graceOf(c)) })
		}
	}
	all.Wait()
}

// graceOf is the time that a running container's pod gives it.
func (a *Agent) graceOf(c runtime.Container) time.Duration {
	slot, _ := strconv.Atoi(c.Labels[api.LabelSlot])
	m, ok := a.readMarker(podID(c.Labels[api.LabelPod], slot))
	if !ok || m.Grace <= 0 {
		m.Grace = replica.DefaultGrace
	}
	return min(m.Grace, shutdownGrace)
}

// end asks a container to end and kills it when its time is over.
func (a *Agent) end(ctx context.Context, id string, grace time.Duration) {
	brief, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	if a.runtime.Signal(brief, id, syscall.SIGTERM) == nil {
		if _, err := a.runtime.Wait(brief, id); err == nil {
			return
		}
	}
	if err := a.runtime.Signal(ctx, id, syscall.SIGKILL); err != nil && !errors.Is(err, runtime.ErrNotFound) {
		a.log.Warn("the host goes down and a container does not end", "container", id, "error", err)
	}
}
