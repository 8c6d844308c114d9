package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stowage-iac/stowage/api"
)

// view is a cluster in short. Pods are "NAME REVISION NODE…", bindings
// "POD SLOT NODE REVISION", replicas the same with a phase (ready: running and
// ready), nodes a name, with ! when silent.
func view(pods, nodes string, bindings, replicas []string) *api.ClusterView {
	v := &api.ClusterView{}
	for _, line := range strings.Split(pods, ";") {
		if f := strings.Fields(line); len(f) > 1 {
			spec, err := json.Marshal(api.PodSpec{Replicas: len(f) - 2, Revision: f[1], Placement: f[2:]})
			if err != nil {
				panic(err)
			}
			v.Objects = append(v.Objects, api.Object{Kind: api.KindPod, Name: f[0], Spec: spec})
		}
	}
	for _, n := range strings.Fields(nodes) {
		name, silent := strings.CutSuffix(n, "!")
		v.Nodes = append(v.Nodes, api.NodeStatus{Name: name, Ready: !silent})
	}
	for _, line := range bindings {
		var b api.Binding
		fmt.Sscan(line, &b.Pod, &b.Slot, &b.Node, &b.Revision)
		v.Bindings = append(v.Bindings, b)
	}
	for _, line := range replicas {
		var s api.ReplicaStatus
		var wait int // seconds of back-off
		fmt.Sscan(line, &s.Pod, &s.Slot, &s.Node, &s.Revision, &s.Phase, &wait)
		if wait > 0 {
			now := time.Unix(1e9, 0)
			s.Containers = []api.ContainerStatus{{EndedAt: now, NextStart: now.Add(time.Duration(wait) * time.Second)}}
		}
		if s.Phase == "ready" {
			s.Phase, s.Ready = api.PhaseRunning, true
		}
		v.Replicas = append(v.Replicas, s)
	}
	return v
}

func TestRolloutOf(t *testing.T) {
	for _, c := range []struct {
		name string
		view *api.ClusterView
		want string
	}{
		{"nothing is bound yet", view("web r1 a b", "a b", nil, nil), "0 of 2 replicas ready"},
		{"one is ready", view("web r1 a b", "a b", []string{"web 0 a r1", "web 1 b r1"}, []string{"web 0 a r1 ready", "web 1 b r1 starting"}), "1 of 2 replicas ready"},
		{"all are", view("web r1 a b", "a b", []string{"web 0 a r1", "web 1 b r1"}, []string{"web 0 a r1 ready", "web 1 b r1 ready"}), "2 of 2 replicas ready; done"},
		{"ended with success counts", view("web r1 a", "a", []string{"web 0 a r1"}, []string{"web 0 a r1 succeeded"}), "1 of 1 replicas ready; done"},
		{"the earlier revision does not", view("web r2 a", "a", []string{"web 0 a r2"}, []string{"web 0 a r1 ready"}), "0 of 1 replicas ready"},
		{"a status without the binding does not", view("web r1 a", "a", nil, []string{"web 0 a r1 ready"}), "0 of 1 replicas ready"},
		{"what moved is done when the old one is gone", view("web r1 b", "a b", []string{"web 0 b r1"}, []string{"web 0 a r1 ready", "web 0 b r1 ready"}), "1 of 1 replicas ready, 1 old to stop"},
		{"unless its node is silent", view("web r1 b", "a! b", []string{"web 0 b r1"}, []string{"web 0 a r1 ready", "web 0 b r1 ready"}), "1 of 1 replicas ready; done"},
		{"slots beyond the replicas", view("web r1 a", "a", []string{"web 0 a r1", "web 1 a r1"}, []string{"web 0 a r1 ready"}), "1 of 1 replicas ready, 1 old to stop"},
		{"no replicas asked for", view("web r1", "a", nil, nil), "0 of 0 replicas ready; done"},
		{"deleted, still running", view("", "a", nil, []string{"web 0 a r1 stopping"}), "0 of 0 replicas ready, 1 old to stop"},
		{"deleted and gone", view("db r1 a", "a", []string{"db 0 a r1"}, []string{"db 0 a r1 ready"}), "0 of 0 replicas ready; gone"},
		{"failed", view("web r1 a", "a", []string{"web 0 a r1"}, []string{"web 0 a r1 failed"}), "0 of 1 replicas ready; failed"},
		{"crashing a little", view("web r1 a", "a", []string{"web 0 a r1"}, []string{"web 0 a r1 back_off 4"}), "0 of 1 replicas ready"},
		{"crashing for long", view("web r1 a", "a", []string{"web 0 a r1"}, []string{"web 0 a r1 back_off 8"}), "0 of 1 replicas ready; failed"},
		{"the earlier revision crashed", view("web r2 a", "a", []string{"web 0 a r2"}, []string{"web 0 a r1 failed"}), "0 of 1 replicas ready"},
	} {
		r := RolloutOf(c.view, "web")
		got := r.String()
		for word, is := range map[string]bool{"done": r.Done(), "gone": r.Gone(), "failed": len(r.Failed) > 0} {
			if is {
				got += "; " + word
			}
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// TestMirrorIsTheView: a mirror that took changes in says what the view says,
// in whichever order the two halves of a move come.
func TestMirrorIsTheView(t *testing.T) {
	before := view("web r1 a", "a b", []string{"web 0 a r1"}, []string{"web 0 a r1 ready"})
	after := view("web r1 b", "a b", []string{"web 0 b r1"}, []string{"web 0 b r1 ready"})
	changes := []api.Change{
		{Object: &after.Objects[0]},
		{Binding: &before.Bindings[0], Deleted: true},
		{Binding: &after.Bindings[0]},
		{Replica: &before.Replicas[0], Deleted: true},
		{Replica: &after.Replicas[0]},
		{Node: &after.Nodes[0]},
	}
	for _, swap := range []bool{false, true} {
		m := &mirror{waiters: map[string]map[chan struct{}]bool{}}
		m.load(before)
		if swap {
			changes[1], changes[2] = changes[2], changes[1]
		}
		for _, c := range changes {
			m.apply(c)
		}
		if got, want := m.pod("web").rollout("web").String(), RolloutOf(after, "web").String(); got != want {
			t.Errorf("swapped %v: %s, want %s", swap, got, want)
		}
	}
}

// TestFailureNamesTheCause: which slot, where and why.
func TestFailureNamesTheCause(t *testing.T) {
	v := view("web r1 a", "a", []string{"web 0 a r1"}, []string{"web 0 a r1 failed"})
	v.Replicas[0].Message = "port 80 of the host is taken by nginx (pid 7)"
	err := RolloutOf(v, "web").failure()
	if !errors.Is(err, ErrFailed) || err.Error() != "the rollout failed: pod.web slot 0 on a: port 80 of the host is taken by nginx (pid 7)" {
		t.Errorf("error %v", err)
	}
}

// TestHeldUp: what an agent cannot start fails its rollout once it has said so
// for the same reason for eight seconds; a reason that passes does not count.
func TestHeldUp(t *testing.T) {
	start := time.Now()
	held := holdUps{}
	for _, step := range []struct {
		at            int // seconds
		phase, reason string
		failed        bool
	}{
		{0, api.PhasePending, "PortTaken", false},
		{7, api.PhaseStarting, "PortTaken", false},
		{8, api.PhaseStarting, "ImageMissing", false},
		{15, api.PhaseStarting, "ImageMissing", false},
		{16, api.PhaseStarting, "ImageMissing", true},
		{17, api.PhaseRunning, "", false},
		{18, api.PhaseStarting, "ImageMissing", false},
	} {
		v := view("web r1 a", "a", []string{"web 0 a r1"}, []string{"web 0 a r1 " + step.phase})
		v.Replicas[0].Reason, v.Replicas[0].Message = step.reason, "no luck"
		r := RolloutOf(v, "web")
		held.fail(&r, start.Add(time.Duration(step.at)*time.Second))
		if (len(r.Failed) > 0) != step.failed {
			t.Errorf("after %ds, %s: failed %v, want %v", step.at, step.reason, r.Failed, step.failed)
		}
		if got := r.problems(); !r.Statuses[0].Ready && got != " (pod.web slot 0 on a: no luck)" {
			t.Errorf("after %ds the problems are %q", step.at, got)
		}
	}
}
