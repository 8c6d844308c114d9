package containerd

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/containerd/containerd/api/services/tasks/v1"
	"github.com/containerd/containerd/api/types/task"
	"github.com/containerd/containerd/v2/core/containers"
	"github.com/containerd/errdefs"
	"github.com/containerd/errdefs/pkg/errgrpc"

	"github.com/stowage-iac/stowage/agent/runtime"
)

// Wait implements runtime.Runtime.
func (r *Runtime) Wait(ctx context.Context, id string) (runtime.Exit, error) {
	ctx = r.ns(ctx)
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		resp, err := r.c.TaskService().Wait(ctx, &tasks.WaitRequest{ContainerID: id})
		if err == nil {
			return runtime.Exit{Code: int(resp.ExitStatus), At: resp.ExitedAt.AsTime(), OOM: r.oomKilled(ctx, id)}, nil
		}
		if err = classify(err); errors.Is(err, runtime.ErrNotFound) || ctx.Err() != nil {
			return runtime.Exit{}, err
		}
		// The daemon or the container's shim went away; the daemon, when it is
		// there again, knows what has become of the container.
		select {
		case <-ctx.Done():
			return runtime.Exit{}, ctx.Err()
		case <-time.After(pause):
		}
	}
}

// Signal implements runtime.Runtime.
func (r *Runtime) Signal(ctx context.Context, id string, sig syscall.Signal) error {
	if sig == syscall.SIGTERM {
		task, err := r.c.TaskService().Get(r.ns(ctx), &tasks.GetRequest{ContainerID: id})
		if err != nil {
			return classify(err)
		}
		if deaf(task.Process.Pid, sig) {
			sig = syscall.SIGKILL // the grace would pass and nothing happen
		}
	}
	_, err := r.c.TaskService().Kill(r.ns(ctx), &tasks.KillRequest{ContainerID: id, Signal: uint32(sig)})
	return classify(err)
}

// Settle implements runtime.Runtime.
func (r *Runtime) Settle(ctx context.Context, id string, labels map[string]string) error {
	ctx = r.ns(ctx)
	fields := make([]string, 0, len(labels))
	for k := range labels {
		fields = append(fields, "labels."+k)
	}
	if _, err := r.c.ContainerService().Update(ctx, containers.Container{ID: id, Labels: labels}, fields...); err != nil {
		return classify(err)
	}
	return r.deleteTask(ctx, id)
}

// Remove implements runtime.Runtime.
func (r *Runtime) Remove(ctx context.Context, id string) error {
	ctx = r.ns(ctx)
	for {
		err := r.remove(ctx, id)
		if !errors.Is(err, runtime.ErrUnavailable) || ctx.Err() != nil {
			return err
		}
	}
}

func (r *Runtime) remove(ctx context.Context, id string) error {
	if err := r.deleteTask(ctx, id); err != nil {
		return err
	}
	if err := r.c.ContainerService().Delete(ctx, id); err != nil && !errdefs.IsNotFound(err) {
		return classify(fmt.Errorf("delete container %s: %w", id, err))
	}
	if err := r.c.SnapshotService(snapshotter).Remove(ctx, id); err != nil && !errdefs.IsNotFound(err) {
		return classify(fmt.Errorf("delete the root file system of %s: %w", id, err))
	}
	r.paths.drop(id)
	return nil
}

// deleteTask ends the process, if there is one, and its shim.
func (r *Runtime) deleteTask(ctx context.Context, id string) error {
	t := r.c.TaskService()
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		_, err := t.Delete(ctx, &tasks.DeleteTaskRequest{ContainerID: id})
		native := errgrpc.ToNative(err)
		switch {
		case err == nil, errdefs.IsNotFound(native):
			return nil
		case errdefs.IsUnavailable(native):
			return classify(err)
		case ctx.Err() != nil:
			return ctx.Err()
		}
		// It runs, or its shim has just died and the daemon has yet to notice.
		_, _ = t.Kill(ctx, &tasks.KillRequest{ContainerID: id, Signal: uint32(syscall.SIGKILL), All: true})
		brief, cancel := context.WithTimeout(ctx, pause+time.Second)
		_, werr := t.Wait(brief, &tasks.WaitRequest{ContainerID: id})
		cancel()
		if werr != nil {
			select {
			case <-ctx.Done():
				return fmt.Errorf("container %s cannot be stopped: %w", id, native)
			case <-time.After(pause):
			}
		}
	}
}

// List implements runtime.Runtime.
func (r *Runtime) List(ctx context.Context, label string) ([]runtime.Container, error) {
	ctx = r.ns(ctx)
	records, err := r.c.ContainerService().List(ctx, fmt.Sprintf("labels.%q", label))
	if err != nil {
		return nil, classify(err)
	}
	list, err := r.c.TaskService().List(ctx, &tasks.ListTasksRequest{})
	if err != nil {
		return nil, classify(err)
	}
	byID := make(map[string]*task.Process, len(list.Tasks))
	for _, t := range list.Tasks {
		byID[t.ID] = t
	}
	out := make([]runtime.Container, len(records))
	for i, c := range records {
		out[i] = runtime.Container{ID: c.ID, Labels: c.Labels, State: runtime.Empty, CreatedAt: c.CreatedAt}
		t := byID[c.ID]
		if t == nil {
			continue
		}
		out[i].PID = int(t.Pid)
		switch t.Status {
		case task.Status_RUNNING, task.Status_PAUSED, task.Status_PAUSING:
			out[i].State = runtime.Running
		case task.Status_STOPPED:
			out[i].State = runtime.Exited
			out[i].Exit = runtime.Exit{Code: int(t.ExitStatus), At: t.ExitedAt.AsTime(), OOM: r.oomKilled(ctx, c.ID)}
		default:
			out[i].State = runtime.Created
		}
	}
	return out, nil
}
