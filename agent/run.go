package agent

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/stowage-iac/stowage/agent/ocispec"
	"github.com/stowage-iac/stowage/agent/replica"
	"github.com/stowage-iac/stowage/agent/runtime"
	"github.com/stowage-iac/stowage/api"
)

// finish is how long steps under way may take when the agent ends.
const finish = 5 * time.Second

// Run keeps the node's pods as assigned until ctx is done. It begins with the
// copy on disk, so it needs no manager. When ctx ends it returns nil and leaves
// every container running, unless the host itself goes down: then it ends them
// in order, within 20 s. An error means that this host cannot run pods at all.
func (a *Agent) Run(ctx context.Context) error {
	for _, dir := range []string{"pods", "configs", "ns"} {
		if err := os.MkdirAll(filepath.Join(a.o.RunDir, dir), 0o755); err != nil {
			return err
		}
	}
	if err := mountSecrets(filepath.Join(a.o.RunDir, "secrets")); err != nil {
		return err
	}
	profile, err := ocispec.LoadAppArmor()
	if err != nil {
		a.warn("AppArmorUnavailable", fmt.Sprintf("node %s enforces AppArmor, but the containers' profile cannot be loaded: %v", a.o.Node, err))
	}
	a.host.AppArmor = profile

	ioctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	a.ctx, a.io = ctx, ioctx
	loops := []func(context.Context){a.report.run, a.follow, a.keepNetwork, a.readFacts, a.rotateLogs, a.watchImages, a.collectImages, a.sweepIntake, a.reapStrays, a.begin}
	for _, loop := range loops {
		a.wg.Go(func() { loop(ctx) })
	}
	<-ctx.Done()
	timer := time.AfterFunc(finish, cancel)
	defer timer.Stop()
	a.wg.Wait()
	if a.hostStops() {
		a.quiesce()
	}
	return a.daemon.Close()
}

func (a *Agent) warn(reason, message string) {
	a.log.Warn(message)
	a.report.event(api.Event{Time: time.Now().UTC(), Node: a.o.Node, Object: "node." + a.o.Node, Type: "warning", Reason: reason, Message: message})
}

// keepNetwork starts the pod network as soon as the node's range is known.
func (a *Agent) keepNetwork(ctx context.Context) {
	var again <-chan time.Time
	for {
		a.copy.mu.Lock()
		node := a.copy.node
		a.copy.mu.Unlock()
		if node != nil && node.PodCIDR != "" {
			err := a.startNetwork(ctx, node.PodCIDR)
			a.mu.Lock()
			a.networkUp, a.notReady = err == nil, ""
			if err != nil {
				a.notReady = err.Error()
			}
			a.mu.Unlock()
			if err == nil {
				for _, w := range a.network.Warnings() {
					a.warn("ForwardPolicyDrop", fmt.Sprintf("node %s: %s", a.o.Node, w))
				}
				a.nudgeAll()
				a.sweep()
				a.healNetwork(ctx)
				return
			}
			a.log.Warn("the pod network cannot be started", "error", err)
			again = time.After(time.Second)
		}
		select {
		case <-ctx.Done():
			return
		case <-a.nodeKnown:
		case <-again:
		}
	}
}

// healInterval is how long the network may stay damaged by others.
const healInterval = 2 * time.Second

// healNetwork repairs the network whenever something on the host has damaged it.
func (a *Agent) healNetwork(ctx context.Context) {
	failing := false
	for pause(ctx, healInterval) {
		healed, err := a.network.Heal(ctx)
		if healed {
			a.warn("NetworkHealed", fmt.Sprintf("node %s: something on the host removed parts of the bridge or the nftables table; they are back. A firewall that flushes the ruleset does this: let it flush its own tables only", a.o.Node))
		}
		if err != nil && !failing {
			a.log.Warn("the pod network is damaged and cannot be repaired", "error", err)
		}
		failing = err != nil
	}
}

func (a *Agent) startNetwork(ctx context.Context, cidr string) error {
	p, err := netip.ParsePrefix(cidr)
	if err != nil {
		return fmt.Errorf("the pod address range %q of node %s: %w", cidr, a.o.Node, err)
	}
	return a.network.Start(ctx, p)
}

// pause waits; it returns false when ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// begin adopts what runs, then lets supervisors be made. It waits for containerd.
func (a *Agent) begin(ctx context.Context) {
	var found []runtime.Container
	for {
		var err error
		if found, err = a.runtime.List(ctx, api.LabelPod); err == nil {
			break
		}
		if ctx.Err() != nil {
			return
		}
		a.log.Warn("containers cannot be listed yet", "error", err)
		if !pause(ctx, time.Second/4) {
			return
		}
	}
	a.mu.Lock()
	a.adopt(found)
	a.mu.Unlock()
	a.reconcile()
	a.sweep()
}

// adopt notes what an earlier agent left; reconcile gives it to supervisors.
func (a *Agent) adopt(found []runtime.Container) {
	for _, c := range found {
		slot, err := strconv.Atoi(c.Labels[api.LabelSlot])
		if c.Labels[api.LabelCluster] != a.o.Cluster || err != nil {
			continue // not ours
		}
		b := api.Binding{Pod: c.Labels[api.LabelPod], Slot: slot}
		o := a.found[b.Key()]
		a.found[b.Key()] = leftBehind{b, append(o.containers, c)}
	}
	a.adopted = true
}

// leftBehind are the containers of one replica that an earlier agent started.
type leftBehind struct {
	binding    api.Binding
	containers []runtime.Container
}

// supervise makes and starts a supervisor; a.mu is held.
func (a *Agent) supervise(b api.Binding, want *api.Assignment) {
	found := a.found[b.Key()].containers
	delete(a.found, b.Key())
	s := &supervisor{a: a, pod: b.Pod, slot: b.Slot, id: podID(b.Pod, b.Slot), want: want, io: a.io,
		inbox: make(chan func()), poke: make(chan struct{}, 1)}
	s.state = replica.State{Key: b.Key(), Want: want}
	if m, ok := a.readMarker(s.id); ok && m.Key == b.Key() {
		s.state.Sandbox = replica.Sandbox{Phase: replica.Up, Revision: m.Revision, IP: m.IP, Grace: m.Grace, InitDone: map[string]bool{}}
		for _, name := range m.InitDone {
			s.state.Sandbox.InitDone[name] = true
		}
	}
	s.state.Adopt(found, time.Now())
	a.supervisors[b.Key()] = s
	a.wg.Go(func() {
		if !s.run(a.ctx) {
			return
		}
		a.mu.Lock()
		delete(a.supervisors, b.Key())
		a.mu.Unlock()
		a.report.forget(b.Key())
		a.reconcile()
	})
}

// assigned returns the assignments by key.
func (a *Agent) assigned() map[string]*api.Assignment {
	a.copy.mu.Lock()
	defer a.copy.mu.Unlock()
	out := make(map[string]*api.Assignment, len(a.copy.replicas))
	for k, v := range a.copy.replicas {
		out[k] = v
	}
	return out
}

// reconcile gives every supervisor what is wanted of its replica, and every
// assigned replica a supervisor.
func (a *Agent) reconcile() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.adopted || a.ctx.Err() != nil {
		return
	}
	assigned := a.assigned()
	for key, want := range assigned {
		if s := a.supervisors[key]; s != nil {
			s.assign(want)
		} else {
			a.supervise(want.Binding, want)
		}
	}
	if !a.complete { // nobody has said yet that anything shall go
		return
	}
	for _, o := range a.found {
		a.supervise(o.binding, nil)
	}
	for key, s := range a.supervisors {
		if assigned[key] == nil {
			s.assign(nil)
		}
	}
}

func (a *Agent) nudgeAll() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, s := range a.supervisors {
		s.nudge()
	}
}

// follow keeps the copy as the stream says.
func (a *Agent) follow(ctx context.Context) {
	const first, longest = 100 * time.Millisecond, 5 * time.Second
	for wait := first; ; wait = min(2*wait, longest) {
		seen, synced := map[string]bool{}, false
		err := a.o.Source.Assignments(ctx, func(u api.AssignmentUpdate) error {
			if err := a.take(u, seen, synced); err != nil {
				return err
			}
			if u.Type == "synced" {
				synced, wait = true, first
			}
			return nil
		})
		if ctx.Err() != nil {
			return
		}
		a.log.Info("the assignment stream ended; the node goes on with its copy", "error", err)
		if !pause(ctx, wait) {
			return
		}
	}
}

// take applies one message of a stream.
func (a *Agent) take(u api.AssignmentUpdate, seen map[string]bool, synced bool) error {
	news := u.Config != nil && a.copy.config(u.Config.Name, u.Config.Version) == nil
	if err := a.copy.apply(u); err != nil {
		return fmt.Errorf("node %s cannot keep its copy of the assignments: %w", a.o.Node, err)
	}
	if u.Replica != nil {
		seen["replica/"+u.Replica.Key()] = true
	}
	if u.Config != nil {
		seen["config/"+configKey(u.Config.Name, u.Config.Version)] = true
	}
	if u.Type == "synced" {
		if !synced {
			if err := a.copy.retain(seen); err != nil {
				return err
			}
		}
		a.mu.Lock()
		a.complete = true
		a.mu.Unlock()
	}
	if u.Node != nil {
		select {
		case a.nodeKnown <- struct{}{}:
		default:
		}
	}
	a.reconcile()
	if news {
		a.nudgeAll()
	}
	if u.Type == "synced" {
		a.sweep()
	}
	return nil
}

// sweep removes what is left of replicas that are neither assigned nor supervised:
// namespaces and addresses, files, logs. It is called when the last of three
// things is known: what runs, what is assigned, and that the network is up; and
// at every sync. Whatever has a supervisor, which reconcile saw to, is safe.
func (a *Agent) sweep() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.adopted || !a.complete || !a.networkUp {
		return
	}
	keep := map[string]bool{}
	for _, s := range a.supervisors {
		keep[s.id] = true
	}
	for _, want := range a.assigned() {
		keep[podID(want.Pod, want.Slot)] = true
	}
	errs := []error{a.network.Retain(keep)}
	entries, _ := os.ReadDir(filepath.Join(a.o.RunDir, "pods"))
	for _, e := range entries {
		if !keep[e.Name()] {
			errs = append(errs, a.teardown(e.Name(), false))
		}
	}
	errs = append(errs, a.sweepConfigs(), a.sweepLogs(keep))
	if err := errors.Join(errs...); err != nil {
		a.log.Warn("sweep", "error", err)
	}
}

// sweepConfigs removes the files of configs that no assignment mounts.
func (a *Agent) sweepConfigs() error {
	used := map[string]bool{}
	for _, want := range a.assigned() {
		for _, c := range allContainers(want.Template) {
			for _, m := range c.Mounts {
				if m.Config != "" {
					used[a.configDir(m)] = true
				}
			}
		}
	}
	dirs, err := filepath.Glob(filepath.Join(a.o.RunDir, "configs", "*"))
	for _, d := range dirs {
		if !used[d] {
			err = errors.Join(err, os.RemoveAll(d))
		}
	}
	return err
}

// sweepLogs removes the logs of replicas that are not kept.
func (a *Agent) sweepLogs(keep map[string]bool) error {
	dirs, err := filepath.Glob(filepath.Join(a.o.DataDir, "logs", "*", "*"))
	for _, d := range dirs {
		if id := filepath.Base(filepath.Dir(d)) + "-" + filepath.Base(d); !keep[id] {
			err = errors.Join(err, a.removeLogs(id))
		}
	}
	return err
}
