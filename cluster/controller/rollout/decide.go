// Package rollout binds the slots of pods to the nodes that their specs say, at
// the revisions that their specs say: new slots at once, changed ones one at a
// time. Decide is pure; Controller does what it says.
package rollout

import (
	"fmt"
	"sort"

	"github.com/stowage-iac/stowage/api"
)

// Input is what Decide looks at.
type Input struct {
	Pods  map[string]api.PodSpec
	Nodes map[string]Node
	// Bindings are all that exist; a slot has at most one.
	Bindings []api.Binding
	Replicas []api.ReplicaStatus
	// HostPorts gives the host ports ("8080/tcp") of a pod's revision.
	HostPorts func(pod, revision string) []string
}

// Node is a node of the cluster.
type Node struct {
	Ready bool // its agent answers
}

// Action replaces the binding From of a slot by To; one of them may be nil.
type Action struct {
	From, To *api.Binding
	Why      string // a clause, for the log
}

// String is for tests and logs.
func (a Action) String() string {
	switch {
	case a.From == nil:
		return fmt.Sprintf("bind %s at %s to %s: %s", a.To.Key(), a.To.Revision, a.To.Node, a.Why)
	case a.To == nil:
		return fmt.Sprintf("unbind %s from %s: %s", a.From.Key(), a.From.Node, a.Why)
	}
	return fmt.Sprintf("move %s from %s at %s to %s at %s: %s", a.To.Key(), a.From.Node, a.From.Revision, a.To.Node, a.To.Revision, a.Why)
}

// Decide says what to do now, by pod and slot. What it leaves for later follows
// from the statuses that its actions bring about.
//
// A slot of a pod whose replica works is replaced only while every other slot
// that was replaced before is ready again, so that one replica at most is down
// because of a rollout. A replica that does not work anyway is replaced at once.
// A slot whose host port is still held by a binding that is about to go waits
// for it; two that wait for each other are resolved by unbinding one.
func Decide(in Input) []Action {
	d := newDecision(in)
	for _, pod := range d.podNames() {
		d.pod(pod)
	}
	return d.actions
}

type decision struct {
	in      Input
	bound   map[string]map[int]api.Binding
	status  map[string]api.ReplicaStatus // by Binding.Key and node
	held    map[string][]api.Binding     // node and host port → who holds it
	actions []Action
}

func newDecision(in Input) *decision {
	d := &decision{in: in, bound: map[string]map[int]api.Binding{}, status: map[string]api.ReplicaStatus{}, held: map[string][]api.Binding{}}
	for _, b := range in.Bindings {
		if d.bound[b.Pod] == nil {
			d.bound[b.Pod] = map[int]api.Binding{}
		}
		d.bound[b.Pod][b.Slot] = b
		for _, port := range d.ports(b.Pod, b.Revision) {
			d.held[b.Node+" "+port] = append(d.held[b.Node+" "+port], b)
		}
	}
	for _, s := range in.Replicas {
		d.status[statusKey(api.Binding{Pod: s.Pod, Slot: s.Slot, Node: s.Node})] = s
	}
	return d
}

func statusKey(b api.Binding) string { return b.Key() + "@" + b.Node }

func (d *decision) ports(pod, revision string) []string {
	if d.in.HostPorts == nil {
		return nil
	}
	return d.in.HostPorts(pod, revision)
}

func (d *decision) podNames() []string {
	names := make([]string, 0, len(d.in.Pods))
	for name := range d.in.Pods {
		names = append(names, name)
	}
	for name := range d.bound {
		if _, desired := d.in.Pods[name]; !desired {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	return names
}

func (d *decision) do(from, to *api.Binding, why string) {
	d.actions = append(d.actions, Action{From: from, To: to, Why: why})
}

// pod decides for one pod.
func (d *decision) pod(name string) {
	spec, desired := d.in.Pods[name]
	d.removeSurplus(name, spec, desired)
	var changed []api.Binding // bound otherwise than the spec says, and working
	waiting := 0              // replaced or new, and not ready yet
	for slot := range spec.Placement {
		want := api.Binding{Pod: name, Slot: slot, Node: spec.Placement[slot], Revision: spec.Revision}
		if _, exists := d.in.Nodes[want.Node]; !exists {
			continue // the node comes later, or another plan moves the slot
		}
		have, bound := d.bound[name][slot]
		if bound && !d.exists(have.Node) {
			bound = false // removeSurplus unbinds it
		}
		switch {
		case bound && have == want:
			if !d.works(have) && d.in.Nodes[have.Node].Ready {
				waiting++
			}
		case !bound && d.inTheWay(want) != nil:
			// What is in the way may in turn wait for another slot of this pod,
			// so this one holds nothing up.
		case !bound:
			d.do(nil, &want, "the slot is new")
			waiting++
		case !d.works(have) && d.inTheWay(want) == nil:
			d.do(&have, &want, "the replica does not work")
			waiting++
		default:
			changed = append(changed, have)
		}
	}
	if waiting == 0 {
		d.next(spec, changed)
	}
}

// removeSurplus unbinds what the spec has no slot for and what is on nodes that are no more.
func (d *decision) removeSurplus(name string, spec api.PodSpec, desired bool) {
	slots := make([]int, 0, len(d.bound[name]))
	for slot := range d.bound[name] {
		slots = append(slots, slot)
	}
	sort.Ints(slots)
	for _, slot := range slots {
		b := d.bound[name][slot]
		switch {
		case !desired:
			d.do(&b, nil, "the pod was deleted")
		case slot >= len(spec.Placement):
			d.do(&b, nil, fmt.Sprintf("the pod has %d replicas", len(spec.Placement)))
		case !d.exists(b.Node):
			d.do(&b, nil, "the node was deleted")
		}
	}
}

// next replaces the first changed slot whose place is free.
func (d *decision) next(spec api.PodSpec, changed []api.Binding) {
	for _, have := range changed {
		want := wanted(spec, have)
		if d.inTheWay(want) == nil {
			d.do(&have, &want, why(have, want))
			return
		}
	}
	for _, have := range changed {
		if d.breaksCycle(have) {
			d.do(&have, nil, "its host port and another slot's wait for each other")
			return
		}
	}
}

// breaksCycle reports whether have waits, through what is in its way, for
// itself, and is the one of that cycle to give way: the first by key.
func (d *decision) breaksCycle(have api.Binding) bool {
	at := have
	for range d.in.Bindings {
		if spec, desired := d.in.Pods[at.Pod]; !desired || at.Slot >= len(spec.Placement) {
			return false // goes by itself
		} else if next := d.inTheWay(wanted(spec, at)); next == nil {
			return false // can go now, or when its pod's turn comes
		} else if at = *next; at.Key() == have.Key() {
			return true
		}
		if at.Key() < have.Key() {
			return false
		}
	}
	return false
}

func wanted(spec api.PodSpec, have api.Binding) api.Binding {
	return api.Binding{Pod: have.Pod, Slot: have.Slot, Node: spec.Placement[have.Slot], Revision: spec.Revision}
}

func why(have, want api.Binding) string {
	if have.Revision != want.Revision {
		return "the template changed"
	}
	return "the plan moved it"
}

func (d *decision) exists(node string) bool {
	_, ok := d.in.Nodes[node]
	return ok
}

// works reports whether the bound replica does its job now.
func (d *decision) works(b api.Binding) bool {
	s, ok := d.status[statusKey(b)]
	if !ok || s.Revision != b.Revision || !d.in.Nodes[b.Node].Ready {
		return false
	}
	return s.Phase == api.PhaseRunning && s.Ready || s.Phase == api.PhaseSucceeded
}

// inTheWay finds a binding that holds a host port of want on its node and is
// itself about to go; one that stays is the agent's to report.
func (d *decision) inTheWay(want api.Binding) *api.Binding {
	for _, port := range d.ports(want.Pod, want.Revision) {
		for _, holder := range d.held[want.Node+" "+port] {
			if holder.Key() != want.Key() && d.goes(holder) {
				return &holder
			}
		}
	}
	return nil
}

// goes reports whether a binding is not what its pod's spec says.
func (d *decision) goes(b api.Binding) bool {
	spec, desired := d.in.Pods[b.Pod]
	return !desired || b.Slot >= len(spec.Placement) || wanted(spec, b).Node != b.Node
}
