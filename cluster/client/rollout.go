package client

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stowage-iac/stowage/api"
)

// Rollout is how far a pod is on the way to its spec. Pure data, see RolloutOf.
type Rollout struct {
	Pod      string
	Exists   bool // the object is in the store
	Revision string
	Replicas int
	// Statuses has one entry per slot: what the bound node's agent last said of
	// it at Revision; Phase is "" where it said nothing yet.
	Statuses []api.ReplicaStatus
	// Ready counts slots that run on their planned node at Revision and are ready,
	// or ended with success.
	Ready int
	// Old lists what is bound or reported of the pod besides: slots beyond
	// Replicas, earlier revisions, earlier nodes; "SLOT on NODE", sorted.
	// Replicas on nodes that do not answer are left out.
	Old []string
	// Failed are the slots that will not become ready by themselves.
	Failed []api.ReplicaStatus
}

// Done reports whether every slot is ready and nothing old is left.
func (r Rollout) Done() bool { return r.Exists && r.Ready == r.Replicas && len(r.Old) == 0 }

// Gone reports whether nothing of the pod is left: no object, binding or replica.
func (r Rollout) Gone() bool { return !r.Exists && len(r.Old) == 0 }

// hopeless is the back-off from which on a waiting container counts as failed for
// a rollout: the fifth try in a row, after about 7 s. It is tried further.
const hopeless = 8 * time.Second

// RolloutOf tells how far a pod is in a view.
func RolloutOf(view *api.ClusterView, pod string) Rollout {
	p := podView{silent: map[string]bool{}}
	for _, n := range view.Nodes {
		p.silent[n.Name] = !n.Ready
	}
	for i, o := range view.Objects {
		if o.Kind == api.KindPod && o.Name == pod {
			p.object = &view.Objects[i]
		}
	}
	for _, b := range view.Bindings {
		if b.Pod == pod {
			p.bindings = append(p.bindings, b)
		}
	}
	for _, s := range view.Replicas {
		if s.Pod == pod {
			p.replicas = append(p.replicas, s)
		}
	}
	return p.rollout(pod)
}

// podView is what a view holds of one pod.
type podView struct {
	object   *api.Object
	bindings []api.Binding
	replicas []api.ReplicaStatus
	silent   map[string]bool // nodes that do not answer
}

func (p podView) rollout(pod string) Rollout {
	r := Rollout{Pod: pod}
	var spec api.PodSpec
	if p.object != nil && json.Unmarshal(p.object.Spec, &spec) == nil {
		r.Exists, r.Revision, r.Replicas = true, spec.Revision, max(spec.Replicas, 0)
	}
	r.Statuses = make([]api.ReplicaStatus, r.Replicas)
	for slot := range r.Statuses {
		r.Statuses[slot] = api.ReplicaStatus{Pod: pod, Slot: slot, Revision: r.Revision}
		if slot < len(spec.Placement) {
			r.Statuses[slot].Node = spec.Placement[slot]
		}
	}
	old := map[string]bool{}
	bound := make([]bool, r.Replicas)
	for _, b := range p.bindings {
		switch current := r.wants(b.Slot, b.Node); {
		case current && b.Revision == r.Revision:
			bound[b.Slot] = true
		default:
			old[fmt.Sprintf("%d on %s", b.Slot, b.Node)] = true
		}
	}
	for _, s := range p.replicas {
		switch {
		case !r.wants(s.Slot, s.Node) && p.silent[s.Node]:
			// its agent stops it when it is back; nobody can wait for that
		case !r.wants(s.Slot, s.Node):
			old[fmt.Sprintf("%d on %s", s.Slot, s.Node)] = true
		case s.Revision == r.Revision && bound[s.Slot]:
			r.Statuses[s.Slot] = s
		}
	}
	r.count()
	for o := range old {
		r.Old = append(r.Old, o)
	}
	slices.SortFunc(r.Old, strings.Compare)
	return r
}

// wants reports whether the spec places the slot on the node.
func (r *Rollout) wants(slot int, node string) bool {
	return slot >= 0 && slot < len(r.Statuses) && r.Statuses[slot].Node == node
}

func (r *Rollout) count() {
	for _, s := range r.Statuses {
		switch {
		case s.Phase == api.PhaseRunning && s.Ready, s.Phase == api.PhaseSucceeded:
			r.Ready++
		case s.Phase == api.PhaseFailed, s.Phase == api.PhaseBackOff && waits(s) >= hopeless:
			r.Failed = append(r.Failed, s)
		}
	}
}

// waits is the longest back-off of the replica's containers.
func waits(s api.ReplicaStatus) (longest time.Duration) {
	for _, c := range s.Containers {
		if !c.NextStart.IsZero() {
			longest = max(longest, c.NextStart.Sub(c.EndedAt))
		}
	}
	return longest
}

// failure puts the failed slots into one error.
func (r Rollout) failure() error {
	return fmt.Errorf("%w: %s", ErrFailed, whys(r.Failed))
}

// problems says what the slots that are not ready say, in brackets.
func (r Rollout) problems() string {
	var troubled []api.ReplicaStatus
	for _, s := range r.Statuses {
		if !s.Ready && (s.Message != "" || s.Reason != "") {
			troubled = append(troubled, s)
		}
	}
	if len(troubled) == 0 {
		return ""
	}
	return " (" + whys(troubled) + ")"
}

func whys(statuses []api.ReplicaStatus) string {
	var parts []string
	for _, s := range statuses {
		why := s.Message
		if why == "" {
			why = s.Reason
		}
		if why == "" {
			why = "its phase is " + s.Phase
		}
		parts = append(parts, fmt.Sprintf("pod.%s slot %d on %s: %s", s.Pod, s.Slot, s.Node, why))
	}
	return strings.Join(parts, "; ")
}

// String is a short clause, e.g. "2 of 3 replicas ready".
func (r Rollout) String() string {
	s := fmt.Sprintf("%d of %d replicas ready", r.Ready, r.Replicas)
	if len(r.Old) > 0 {
		s += fmt.Sprintf(", %d old to stop", len(r.Old))
	}
	return s
}
