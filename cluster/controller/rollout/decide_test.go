package rollout

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/stowage-iac/stowage/api"
)

// world is a cluster in short: bindings and statuses as "SLOT NODE REVISION [ready]".
func world(pods map[string]api.PodSpec, nodes string, bindings, statuses []string) Input {
	in := Input{Pods: pods, Nodes: map[string]Node{}}
	for _, n := range strings.Fields(nodes) {
		name, down := strings.CutSuffix(n, "!")
		in.Nodes[name] = Node{Ready: !down}
	}
	for _, line := range bindings {
		var b api.Binding
		fmt.Sscan(line, &b.Pod, &b.Slot, &b.Node, &b.Revision)
		in.Bindings = append(in.Bindings, b)
	}
	for _, line := range statuses {
		s := api.ReplicaStatus{Phase: api.PhaseStarting}
		var phase string
		fmt.Sscan(line, &s.Pod, &s.Slot, &s.Node, &s.Revision, &phase)
		if phase == "ready" {
			s.Phase, s.Ready = api.PhaseRunning, true
		} else if phase != "" {
			s.Phase = phase
		}
		in.Replicas = append(in.Replicas, s)
	}
	return in
}

func spec(revision string, nodes ...string) api.PodSpec {
	return api.PodSpec{Replicas: len(nodes), Placement: nodes, Revision: revision}
}

func TestDecide(t *testing.T) {
	web := func(s api.PodSpec) map[string]api.PodSpec { return map[string]api.PodSpec{"web": s} }
	for _, c := range []struct {
		name     string
		in       Input
		port     bool // every replica has the same host port
		decision string
	}{
		{
			name:     "new slots are bound all at once",
			in:       world(web(spec("r1", "a", "b", "a")), "a b", nil, nil),
			decision: "bind web#0 at r1 to a: the slot is new; bind web#1 at r1 to b: the slot is new; bind web#2 at r1 to a: the slot is new",
		},
		{
			name:     "nothing to do",
			in:       world(web(spec("r1", "a")), "a", []string{"web 0 a r1"}, []string{"web 0 a r1 ready"}),
			decision: "",
		},
		{
			name:     "a node that is not there yet is waited for",
			in:       world(web(spec("r1", "a", "z")), "a", nil, nil),
			decision: "bind web#0 at r1 to a: the slot is new",
		},
		{
			name: "a changed template replaces one working replica",
			in: world(web(spec("r2", "a", "b")), "a b", []string{"web 0 a r1", "web 1 b r1"},
				[]string{"web 0 a r1 ready", "web 1 b r1 ready"}),
			decision: "move web#0 from a at r1 to a at r2: the template changed",
		},
		{
			name: "the next one waits until that is ready",
			in: world(web(spec("r2", "a", "b")), "a b", []string{"web 0 a r2", "web 1 b r1"},
				[]string{"web 0 a r1 ready", "web 1 b r1 ready"}),
			decision: "",
		},
		{
			name: "and follows when it is",
			in: world(web(spec("r2", "a", "b")), "a b", []string{"web 0 a r2", "web 1 b r1"},
				[]string{"web 0 a r2 ready", "web 1 b r1 ready"}),
			decision: "move web#1 from b at r1 to b at r2: the template changed",
		},
		{
			name: "what does not work is replaced at once, all of it",
			in: world(web(spec("r2", "a", "b", "a")), "a b", []string{"web 0 a r1", "web 1 b r1", "web 2 a r1"},
				[]string{"web 0 a r1 back_off", "web 1 b r1 failed", "web 2 a r1 ready"}),
			decision: "move web#0 from a at r1 to a at r2: the replica does not work; move web#1 from b at r1 to b at r2: the replica does not work",
		},
		{
			name: "an updated replica on a node that is down holds nothing up",
			in: world(web(spec("r2", "a", "b")), "a! b", []string{"web 0 a r2", "web 1 b r1"},
				[]string{"web 1 b r1 ready"}),
			decision: "move web#1 from b at r1 to b at r2: the template changed",
		},
		{
			name: "another node is a move",
			in: world(web(spec("r1", "b")), "a b", []string{"web 0 a r1"},
				[]string{"web 0 a r1 ready"}),
			decision: "move web#0 from a at r1 to b at r1: the plan moved it",
		},
		{
			name:     "slots beyond the replicas go",
			in:       world(web(spec("r1", "a")), "a", []string{"web 0 a r1", "web 1 a r1"}, []string{"web 0 a r1 ready"}),
			decision: "unbind web#1 from a: the pod has 1 replicas",
		},
		{
			name:     "a deleted pod goes",
			in:       world(nil, "a", []string{"web 0 a r1", "web 1 a r1"}, nil),
			decision: "unbind web#0 from a: the pod was deleted; unbind web#1 from a: the pod was deleted",
		},
		{
			name:     "a deleted node's bindings go; its slots are new where the plan says",
			in:       world(web(spec("r1", "b", "b")), "b", []string{"web 0 a r1", "web 1 b r1"}, []string{"web 1 b r1 ready"}),
			decision: "unbind web#0 from a: the node was deleted; bind web#0 at r1 to b: the slot is new",
		},
		{
			name: "an ended replica that need not run works",
			in: world(web(spec("r2", "a", "a")), "a", []string{"web 0 a r2", "web 1 a r1"},
				[]string{"web 0 a r2 succeeded", "web 1 a r1 ready"}),
			decision: "move web#1 from a at r1 to a at r2: the template changed",
		},
		{
			name: "a host port that is about to be free is waited for",
			port: true,
			in: world(map[string]api.PodSpec{"db": spec("r1", "a"), "web": spec("r1", "b")}, "a b",
				[]string{"web 0 a r1"}, []string{"web 0 a r1 ready"}),
			decision: "move web#0 from a at r1 to b at r1: the plan moved it",
		},
		{
			name: "a host port that stays taken is the agent's to report",
			port: true,
			in: world(map[string]api.PodSpec{"db": spec("r1", "a"), "web": spec("r1", "a")}, "a",
				[]string{"web 0 a r1"}, []string{"web 0 a r1 ready"}),
			decision: "bind db#0 at r1 to a: the slot is new",
		},
		{
			name: "two that wait for each other's host port: the first gives way",
			port: true,
			in: world(map[string]api.PodSpec{"db": spec("r1", "b"), "web": spec("r1", "a")}, "a b",
				[]string{"db 0 a r1", "web 0 b r1"}, []string{"db 0 a r1 ready", "web 0 b r1 ready"}),
			decision: "unbind db#0 from a: its host port and another slot's wait for each other",
		},
	} {
		if c.port {
			c.in.HostPorts = func(string, string) []string { return []string{"80/tcp"} }
		}
		if got := text(Decide(c.in)); got != c.decision {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.decision)
		}
	}
}

func text(actions []Action) string {
	parts := []string{}
	for _, a := range actions {
		parts = append(parts, a.String())
	}
	return strings.Join(parts, "; ")
}

// sim is a cluster whose agents do as bound, each at its own time.
type sim struct {
	in       Input
	bound    map[string]api.Binding       // by key
	statuses map[string]api.ReplicaStatus // by key@node
}

func newSim(pods map[string]api.PodSpec, nodes []string) *sim {
	s := &sim{bound: map[string]api.Binding{}, statuses: map[string]api.ReplicaStatus{}}
	s.in.Pods, s.in.Nodes = pods, map[string]Node{}
	for _, n := range nodes {
		s.in.Nodes[n] = Node{Ready: true}
	}
	return s
}

// decide lets the controller act once; it returns how much it did.
func (s *sim) decide(t *rapid.T) int {
	s.in.Bindings = slices.Collect(maps.Values(s.bound))
	s.in.Replicas = slices.Collect(maps.Values(s.statuses))
	actions := Decide(s.in)
	for _, a := range actions {
		if a.From != nil {
			if s.bound[a.From.Key()] != *a.From {
				t.Fatalf("%s: but bound is %v", a, s.bound[a.From.Key()])
			}
			delete(s.bound, a.From.Key())
		}
		if a.To != nil {
			if have, ok := s.bound[a.To.Key()]; ok {
				t.Fatalf("%s: but it is bound: %v", a, have)
			}
			s.bound[a.To.Key()] = *a.To
		}
	}
	return len(actions)
}

// progress lets some agents catch up: at least one that has something to do.
func (s *sim) progress(t *rapid.T) {
	lagging := []string{}
	for key, b := range s.bound {
		if st := s.statuses[statusKey(b)]; st.Revision != b.Revision || !st.Ready {
			lagging = append(lagging, key)
		}
	}
	slices.Sort(lagging)
	for i, key := range lagging {
		if i == 0 || rapid.Bool().Draw(t, "catches up") {
			b := s.bound[key]
			s.statuses[statusKey(b)] = api.ReplicaStatus{
				Pod: b.Pod, Slot: b.Slot, Node: b.Node, Revision: b.Revision, Phase: api.PhaseRunning, Ready: true,
			}
		}
	}
	for key, st := range s.statuses {
		if b, ok := s.bound[api.Binding{Pod: st.Pod, Slot: st.Slot}.Key()]; !ok || b.Node != st.Node {
			delete(s.statuses, key)
		}
	}
}

// down counts the slots, of those that a pod had before and still has, without a working replica.
func (s *sim) down(pod string, slots int) int {
	n := 0
	for slot := range slots {
		b, ok := s.bound[api.Binding{Pod: pod, Slot: slot}.Key()]
		st := s.statuses[statusKey(b)]
		if !ok || st.Revision != b.Revision || !st.Ready {
			n++
		}
	}
	return n
}

func (s *sim) settle(t *rapid.T, check func()) {
	for range 500 {
		did := s.decide(t)
		check()
		s.progress(t)
		if did == 0 && s.quiet() {
			return
		}
	}
	t.Fatalf("does not converge: bound %v, wanted %v", s.bound, s.in.Pods)
}

// quiet reports whether everything is as the specs say.
func (s *sim) quiet() bool {
	n := 0
	for name, spec := range s.in.Pods {
		for slot, node := range spec.Placement {
			want := api.Binding{Pod: name, Slot: slot, Node: node, Revision: spec.Revision}
			if s.bound[want.Key()] != want || !s.statuses[statusKey(want)].Ready {
				return false
			}
			n++
		}
	}
	return n == len(s.bound)
}

func drawPods(t *rapid.T, nodes []string, label string) map[string]api.PodSpec {
	pods := map[string]api.PodSpec{}
	for _, name := range []string{"db", "web"} {
		if rapid.IntRange(0, 4).Draw(t, label+" has "+name) == 0 {
			continue
		}
		placement := rapid.SliceOfN(rapid.SampledFrom(nodes), 0, 5).Draw(t, label+" "+name)
		pods[name] = spec(rapid.SampledFrom([]string{"r1", "r2"}).Draw(t, label+" revision"), placement...)
	}
	return pods
}

// TestRolloutProperties: from any settled cluster to any other specs, in
// whatever order agents catch up, it converges, and of the replicas that worked
// one per pod at most is down at any time.
func TestRolloutProperties(t *testing.T) {
	nodes := []string{"a", "b", "c"}
	rapid.Check(t, func(t *rapid.T) {
		s := newSim(drawPods(t, nodes, "before"), nodes)
		s.settle(t, func() {})
		before := s.in.Pods
		s.in.Pods = drawPods(t, nodes, "after")
		s.settle(t, func() {
			for name, was := range before {
				now, exists := s.in.Pods[name]
				if !exists {
					continue
				}
				if n := s.down(name, min(was.Replicas, now.Replicas)); n > 1 {
					t.Fatalf("%d replicas of %s are down at once: bound %v", n, name, s.bound)
				}
			}
		})
	})
}

// TestHostPortProperties: with one host port for all, at most one replica per
// node and whatever moves, it converges and never binds two to one port.
func TestHostPortProperties(t *testing.T) {
	nodes := []string{"a", "b", "c", "d"}
	draw := func(t *rapid.T, label string) map[string]api.PodSpec {
		order := rapid.Permutation(nodes).Draw(t, label)
		cut := rapid.IntRange(0, len(order)).Draw(t, label+" cut")
		end := rapid.IntRange(cut, len(order)).Draw(t, label+" end")
		revision := rapid.SampledFrom([]string{"r1", "r2"}).Draw(t, label+" revision")
		return map[string]api.PodSpec{"db": spec(revision, order[:cut]...), "web": spec("r1", order[cut:end]...)}
	}
	rapid.Check(t, func(t *rapid.T) {
		s := newSim(draw(t, "before"), nodes)
		s.in.HostPorts = func(string, string) []string { return []string{"80/tcp"} }
		check := func() {
			on := map[string]string{}
			for key, b := range s.bound {
				if other, taken := on[b.Node]; taken {
					t.Fatalf("%s and %s are both bound to %s", key, other, b.Node)
				}
				on[b.Node] = key
			}
		}
		s.settle(t, check)
		s.in.Pods = draw(t, "after")
		s.settle(t, check)
	})
}

// TestDecideIsDeterministic: the order of the input does not matter.
func TestDecideIsDeterministic(t *testing.T) {
	in := world(map[string]api.PodSpec{"web": spec("r2", "a", "b", "c"), "db": spec("r1", "c")}, "a b c",
		[]string{"web 0 a r1", "web 1 b r1", "web 2 a r1", "old 0 a r1"},
		[]string{"web 0 a r1 ready", "web 1 b r1 ready", "web 2 a r1 ready"})
	want := text(Decide(in))
	for range 20 {
		slices.Reverse(in.Bindings)
		slices.Reverse(in.Replicas)
		in.Bindings = append(in.Bindings[1:], in.Bindings[0])
		if got := text(Decide(in)); got != want {
			t.Fatalf("got %s, want %s", got, want)
		}
	}
}
