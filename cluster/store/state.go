package store

import (
	"encoding/json"
	"fmt"
	"sort"
	"strconv"
	"time"

	"github.com/stowage-iac/stowage/api"
)

// State is the store's content, typed, at one revision. It is followed by
// Change after Change; not safe for concurrent use.
type State struct {
	Revision int64
	// ObjectsRevision is the revision of the last change of an object.
	ObjectsRevision int64
	Objects         map[api.Kind]map[string]api.Object
	Revisions       map[string]map[string]Kept[Revision]       // pod → revision
	Configs         map[string]map[string]Kept[api.ConfigSpec] // name → version
	Bindings        map[string]map[string]Kept[api.Binding]    // node → Binding.Key
	Nodes           map[string]api.NodeStatus                  // as the agents reported them
	Replicas        map[string]map[string]api.ReplicaStatus    // node → Binding.Key
	Health          map[string]Health                          // as the nodes controller judged them
	bound           map[string]map[string]string               // pod → Binding.Key → node; a key has one node
	pods            map[string]api.PodSpec                     // decoded Objects[pod]
	specs           map[string]api.NodeSpec                    // decoded Objects[node]
	images          map[string]api.ImageSpec                   // decoded Objects[image]
}

// Kept is a value and the revision that wrote it, the precondition of its replacement.
type Kept[T any] struct {
	Value       T
	ModRevision int64
}

// Health is the nodes controller's verdict on a node; none means that nothing
// is known against it.
type Health struct {
	Ready   bool      `json:"ready"`
	Message string    `json:"message,omitempty"`
	Since   time.Time `json:"since"`
}

// Change is one key's change. At the end of a revision comes one with only
// Revision set: everything up to it was delivered.
type Change struct {
	Revision int64
	Deleted  bool
	parts    []string
	value    []byte
}

// Complete reports whether the change marks the end of its revision.
func (c Change) Complete() bool { return c.parts == nil }

// Class is the first part of the key: objects, bindings, status …; "" when Complete.
func (c Change) Class() string {
	if c.Complete() {
		return ""
	}
	return c.parts[0]
}

// NewState is an empty state.
func NewState() *State {
	return &State{
		Objects:   map[api.Kind]map[string]api.Object{},
		Revisions: map[string]map[string]Kept[Revision]{},
		Configs:   map[string]map[string]Kept[api.ConfigSpec]{},
		Bindings:  map[string]map[string]Kept[api.Binding]{},
		Nodes:     map[string]api.NodeStatus{},
		Replicas:  map[string]map[string]api.ReplicaStatus{},
		Health:    map[string]Health{},
		bound:     map[string]map[string]string{},
		pods:      map[string]api.PodSpec{},
		specs:     map[string]api.NodeSpec{},
		images:    map[string]api.ImageSpec{},
	}
}

// Apply takes a change in. A value that cannot be read is an error and leaves
// the state as it was, but for the revision.
func (s *State) Apply(c Change) error {
	s.Revision = max(s.Revision, c.Revision)
	if c.Complete() {
		return nil
	}
	p := c.parts
	switch shape := fmt.Sprintf("%s/%d", p[0], len(p)); {
	case shape == "objects/3":
		return s.applyObject(c, api.Kind(p[1]), p[2])
	case shape == "revisions/3":
		return decode(c, func(v Revision) { put2(s.Revisions, p[1], p[2], Kept[Revision]{v, c.Revision}, c.Deleted) })
	case shape == "configs/3":
		return decode(c, func(v api.ConfigSpec) {
			put2(s.Configs, p[1], p[2], Kept[api.ConfigSpec]{v, c.Revision}, c.Deleted)
		})
	case shape == "bindings/4":
		return s.applyBinding(c, p[1], p[2], p[3])
	case shape == "status/3" && p[2] == "node":
		return decode(c, func(v api.NodeStatus) { put(s.Nodes, p[1], v, c.Deleted) })
	case shape == "status/5" && p[2] == "replica":
		return decode(c, func(v api.ReplicaStatus) { put2(s.Replicas, p[1], p[3]+"#"+p[4], v, c.Deleted) })
	case shape == "health/2":
		return decode(c, func(v Health) { put(s.Health, p[1], v, c.Deleted) })
	}
	return nil
}

func (s *State) applyObject(c Change, kind api.Kind, name string) error {
	s.ObjectsRevision = max(s.ObjectsRevision, c.Revision)
	return decode(c, func(o api.Object) {
		o.ModRevision = c.Revision
		put2(s.Objects, kind, name, o, c.Deleted)
		switch kind {
		case api.KindPod:
			into(s.pods, name, o.Spec, c.Deleted)
		case api.KindNode:
			into(s.specs, name, o.Spec, c.Deleted)
		case api.KindImage:
			into(s.images, name, o.Spec, c.Deleted)
		}
	})
}

func (s *State) applyBinding(c Change, node, pod, slot string) error {
	key := pod + "#" + slot
	return decode(c, func(b api.Binding) {
		put2(s.Bindings, node, key, Kept[api.Binding]{b, c.Revision}, c.Deleted)
		if c.Deleted && s.bound[pod][key] != node {
			return // a move: the new binding came first
		}
		put2(s.bound, pod, key, node, c.Deleted)
	})
}

// Pods are the desired pods by name.
func (s *State) Pods() map[string]api.PodSpec { return s.pods }

// NodeSpecs are the desired nodes by name.
func (s *State) NodeSpecs() map[string]api.NodeSpec { return s.specs }

// Images are the recorded images by name.
func (s *State) Images() map[string]api.ImageSpec { return s.images }

// Binding finds where a slot is bound.
func (s *State) Binding(pod string, slot int) (Kept[api.Binding], bool) {
	key := api.Binding{Pod: pod, Slot: slot}.Key()
	b, ok := s.Bindings[s.bound[pod][key]][key]
	return b, ok
}

// NodeStatus is what the agent reported of a node, with the controller's verdict.
func (s *State) NodeStatus(name string) (api.NodeStatus, bool) {
	status, ok := s.Nodes[name]
	return judged(status, s.Health[name], name, s.hasHealth(name)), ok
}

func (s *State) hasHealth(name string) bool {
	_, ok := s.Health[name]
	return ok
}

func judged(status api.NodeStatus, h Health, name string, known bool) api.NodeStatus {
	status.Name = name
	if known && !h.Ready {
		status.Ready, status.Message = false, h.Message
	}
	return status
}

// View is the state as a plan reads it, everything sorted.
func (s *State) View(cluster string) *api.ClusterView {
	v := &api.ClusterView{
		Cluster: cluster, Revision: s.Revision,
		Objects: []api.Object{}, Bindings: []api.Binding{}, Nodes: []api.NodeStatus{}, Replicas: []api.ReplicaStatus{},
	}
	for _, kind := range sorted(s.Objects) {
		for _, name := range sorted(s.Objects[kind]) {
			v.Objects = append(v.Objects, s.Objects[kind][name])
		}
	}
	for _, node := range sorted(s.Bindings) {
		for _, b := range s.Bindings[node] {
			v.Bindings = append(v.Bindings, b.Value)
		}
	}
	for _, node := range sorted(s.Nodes) {
		status, _ := s.NodeStatus(node)
		v.Nodes = append(v.Nodes, status)
	}
	for _, node := range sorted(s.Replicas) {
		for _, r := range s.Replicas[node] {
			v.Replicas = append(v.Replicas, r)
		}
	}
	sort.Slice(v.Bindings, func(i, j int) bool {
		return slotLess(v.Bindings[i].Pod, v.Bindings[j].Pod, v.Bindings[i].Slot, v.Bindings[j].Slot)
	})
	sort.SliceStable(v.Replicas, func(i, j int) bool {
		return slotLess(v.Replicas[i].Pod, v.Replicas[j].Pod, v.Replicas[i].Slot, v.Replicas[j].Slot)
	})
	return v
}

func slotLess(p, q string, i, j int) bool { return p < q || p == q && i < j }

// decode reads a change's value; a deletion has none, and its names do.
func decode[T any](c Change, use func(T)) error {
	var v T
	if !c.Deleted {
		if err := json.Unmarshal(c.value, &v); err != nil {
			return fmt.Errorf("store: %s is damaged: %w", join(c.parts...), err)
		}
	}
	use(v)
	return nil
}

func into[T any](m map[string]T, name string, spec []byte, deleted bool) {
	var v T
	if deleted || json.Unmarshal(spec, &v) != nil {
		delete(m, name)
		return
	}
	m[name] = v
}

func put[K comparable, V any](m map[K]V, k K, v V, deleted bool) {
	if deleted {
		delete(m, k)
	} else {
		m[k] = v
	}
}

func put2[A, K comparable, V any](m map[A]map[K]V, a A, k K, v V, deleted bool) {
	if m[a] == nil {
		if deleted {
			return
		}
		m[a] = map[K]V{}
	}
	put(m[a], k, v, deleted)
	if len(m[a]) == 0 {
		delete(m, a)
	}
}

func sorted[K ~string, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Slice(keys, func(i, j int) bool { return keys[i] < keys[j] })
	return keys
}

// slotOf reads a slot number of a key.
func slotOf(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return -1
	}
	return n
}
