package client

import (
	"context"
	"errors"
	"fmt"
	"time"

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
	held := holdUps{}
	err := c.wait(ctx, "pod/"+pod, func(m *mirror) (bool, error) {
		if m.revision < since {
			return false, nil
		}
		r := m.pod(pod).rollout(pod)
		held.fail(&r, time.Now())
		changed := r.String() != last.String()
		last = r
		if changed && progress != nil {
			progress(r)
		}
		return done(r)
	})
	if ctx.Err() != nil && err != nil {
		err = fmt.Errorf("pod.%s: %s%s: %w", pod, last, last.problems(), err)
	}
	return last, err
}

// holdUps are the slots that cannot start for a reason that their agents know
// (a taken port, a missing image) and that may pass: since when they say so.
type holdUps map[int]holdUp

type holdUp struct {
	revision, reason string
	since            time.Time
}

// fail counts the slots that were held up for too long among the failed.
func (h holdUps) fail(r *Rollout, now time.Time) {
	for _, s := range r.Statuses {
		if s.Reason == "" || s.Phase != api.PhasePending && s.Phase != api.PhaseStarting {
			delete(h, s.Slot)
			continue
		}
		if at := h[s.Slot]; at.revision != s.Revision || at.reason != s.Reason {
			h[s.Slot] = holdUp{s.Revision, s.Reason, now}
		}
		if now.Sub(h[s.Slot].since) >= hopeless {
			r.Failed = append(r.Failed, s)
		}
	}
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
