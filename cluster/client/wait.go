package client

import (
	"context"
	"errors"
	"fmt"

	"github.com/stowage-iac/stowage/api"
)

// WaitPod waits until the pod's rollout is done: every slot ready at the spec's
// revision on its node, and what was there before stopped. progress (may be
// nil) is called with every change. ErrFailed when a slot will not become ready
// by itself, ErrNotFound when the pod is not in the store; when the context
// ends its error says how far the rollout was. The Rollout is what was seen
// last, also with an error. All waiters of a client share one watch.
func (c *Client) WaitPod(ctx context.Context, pod string, progress func(Rollout)) (Rollout, error) {
	// The watch may lag behind the write that the caller waits for: what it shows
	// counts from that write on.
	written, err := c.Get(ctx, api.KindPod, pod)
	if err != nil {
		return Rollout{Pod: pod}, err
	}
	return c.waitPod(ctx, pod, written.ModRevision, progress, func(r Rollout) (bool, error) {
		switch {
		case !r.Exists:
			return false, fmt.Errorf("%w: pod.%s is not in the cluster's store", ErrNotFound, pod)
		case len(r.Failed) > 0:
			return false, r.failure()
		}
		return r.Done(), nil
	})
}

// WaitPodGone waits until nothing of the pod is left, on any node that still
// answers. Call it after Delete; ErrConflict when the pod is there (again).
func (c *Client) WaitPodGone(ctx context.Context, pod string, progress func(Rollout)) error {
	switch _, err := c.Get(ctx, api.KindPod, pod); {
	case err == nil:
		return fmt.Errorf("%w: pod.%s is in the cluster's store", ErrConflict, pod)
	case !errors.Is(err, ErrNotFound):
		return err
	}
	_, err := c.waitPod(ctx, pod, 0, progress, func(r Rollout) (bool, error) { return r.Gone(), nil })
	return err
}

// waitPod waits for a state of the rollout at revision since of the store, or later.
func (c *Client) waitPod(ctx context.Context, pod string, since int64, progress func(Rollout), done func(Rollout) (bool, error)) (Rollout, error) {
	var last Rollout
	err := c.wait(ctx, "pod/"+pod, func(m *mirror) (bool, error) {
		if m.revision < since {
			return false, nil
		}
		r := m.pod(pod).rollout(pod)
		changed := r.String() != last.String()
		last = r
		if changed && progress != nil {
			progress(r)
		}
		return done(r)
	})
	if ctx.Err() != nil && err != nil {
		err = fmt.Errorf("pod.%s: %s: %w", pod, last, err)
	}
	return last, err
}

// WaitNode waits until the node's agent reports itself ready. When the context
// ends its error says what the node said last.
func (c *Client) WaitNode(ctx context.Context, node string) (*api.NodeStatus, error) {
	var last *api.NodeStatus
	err := c.wait(ctx, "node/"+node, func(m *mirror) (bool, error) {
		last = m.nodes[node]
		return last != nil && last.Ready, nil
	})
	if ctx.Err() != nil && err != nil {
		said := "it has not reported yet"
		if last != nil {
			said = last.Message
		}
		err = fmt.Errorf("node.%s is not ready: %s: %w", node, said, err)
	}
	return last, err
}
