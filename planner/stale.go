package planner

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/providers"
	"github.com/stowage-iac/stowage/scheduler"
	"github.com/stowage-iac/stowage/state"
)

// CheckStale tells what has changed since a saved plan was made so that it must
// not be applied: the state, an object that it touches, or a node that it places
// on. Healing and status changes alone are none of that. world is what Refresh
// read now.
func CheckStale(p *Plan, l *state.Loaded, world *providers.World, kinds map[string]providers.Kind) hcl.Diagnostics {
	s := staleness{plan: p, state: p.relocated(l.State), world: world, kinds: newKinds(kinds), dec: newDecoder()}
	if why := s.ofState(l); why != "" {
		return hcl.Diagnostics{stale([]string{why})}
	}
	s.objects()
	s.nodes()
	if len(s.found) == 0 {
		return nil
	}
	return hcl.Diagnostics{stale(s.found)}
}

func stale(found []string) *hcl.Diagnostic {
	return errorf(nil, "Saved plan is stale", "What the plan was made from has changed since:\n  "+
		strings.Join(found, "\n  ")+"\nMake a new plan.")
}

type staleness struct {
	plan  *Plan
	state *state.State
	world *providers.World
	kinds map[string]*kindInfo
	dec   *decoder
	stays map[string][]scheduler.Running // by node; see staying
	found []string
}

func (s *staleness) add(format string, args ...any) {
	s.found = append(s.found, fmt.Sprintf(format, args...))
}

func (s *staleness) ofState(l *state.Loaded) string {
	switch {
	case !l.Exists && s.plan.Serial == s.state.Serial:
		return ""
	case !l.Exists:
		return fmt.Sprintf("the plan was made from serial %d of the state, and there is no state now", s.plan.Serial)
	case s.state.Lineage != s.plan.Lineage && s.plan.Serial == 0:
		return "there was no state when the plan was made, and an apply has made one since"
	case s.state.Lineage != s.plan.Lineage:
		return fmt.Sprintf("the plan was made from the state with the lineage %s, and this one has %s", s.plan.Lineage, s.state.Lineage)
	case s.state.Serial != s.plan.Serial:
		return fmt.Sprintf("the state has been written since: it has serial %d, and the plan was made from %d", s.state.Serial, s.plan.Serial)
	}
	return ""
}

// objects compares the revisions of all objects that the plan touches.
func (s *staleness) objects() {
	if s.world == nil {
		return
	}
	for _, c := range s.plan.Changes {
		if c.Action == NoOp && c.Importing == "" && !(s.plan.RefreshOnly && c.Refreshed) {
			continue
		}
		var now int64
		if o := s.world.Object(api.Kind(c.Kind), c.was().Object); o != nil {
			if now = o.ModRevision; o.Owner != s.plan.Lineage && o.Owner != c.owner {
				s.add("%s belongs to another state now (lineage %s)", c.Address, o.Owner)
				continue
			}
		}
		switch {
		case now == c.ModRevision:
		case now == 0:
			s.add("%s is gone from the cluster", c.Address)
		case c.ModRevision == 0:
			s.add("%s has been made by something else", c.Address)
		default:
			s.add("%s has been changed: it has revision %d, and the plan was made from %d", c.Address, now, c.ModRevision)
		}
	}
}

// nodes checks that the nodes on which changes are placed are as they were, and
// still have the room.
func (s *staleness) nodes() {
	if s.world == nil {
		return
	}
	placed := s.demands()
	uses := map[string]*NodeUse{}
	for i := range s.plan.Nodes {
		uses[s.plan.Nodes[i].Name] = &s.plan.Nodes[i]
	}
	for _, node := range sortedKeys(placed) {
		u := uses[node]
		c := s.node(node)
		if u == nil || c == nil {
			s.add("node.%s is not in the plan", node)
			continue
		}
		if c.Action != Create && c.Action != Replace && !s.unchanged(node, u, c) {
			continue
		}
		s.room(node, u, c, placed[node])
	}
}

func (s *staleness) node(name string) *Change {
	for _, c := range s.plan.Changes {
		if k := s.kinds[c.Kind]; k.carrier != nil && c.Object == name {
			return c
		}
	}
	return nil
}

// demand is what the plan's changes put on a node.
type demand struct {
	cpu, memory int64
	ports       map[string]string // host port → pod
}

func (s *staleness) demands() map[string]*demand {
	placed := map[string]*demand{}
	for _, c := range s.plan.Changes {
		k := s.kinds[c.Kind]
		if k.carried == nil || c.Action == NoOp || c.Action.ends() {
			continue
		}
		cargo, known, _ := k.carried.Cargo(c.id(), c.After)
		if !known {
			continue
		}
		for _, node := range c.Placement {
			if node == "" {
				continue
			}
			d := placed[node]
			if d == nil {
				d = &demand{ports: map[string]string{}}
				placed[node] = d
			}
			d.cpu += cargo.Request.MilliCPU
			d.memory += cargo.Request.Memory
			for _, port := range cargo.Request.HostPorts {
				d.ports[port] = c.Address
			}
		}
	}
	return placed
}

// unchanged compares what placement stood on with the node's object. A change of
// the node that the plan itself makes is none.
func (s *staleness) unchanged(node string, u *NodeUse, c *Change) bool {
	o := s.world.Object(api.KindNode, node)
	if o == nil {
		if s.world.Cluster == nil && c.ModRevision == 0 {
			return true
		}
		s.add("node.%s is gone from the cluster", node)
		return false
	}
	var spec api.NodeSpec
	if o.ModRevision == c.ModRevision || c.Action == Update || json.Unmarshal(o.Spec, &spec) != nil {
		return true
	}
	now := candidate(spec)
	ok := true
	if u.Schedulable && !now.Schedulable {
		s.add("node.%s is cordoned", node)
		ok = false
	}
	if !maps.Equal(u.Labels, now.Labels) {
		s.add("the labels of node.%s are %v, and the plan was made with %v", node, now.Labels, u.Labels)
		ok = false
	}
	if !maps.Equal(u.Taints, now.Taints) {
		s.add("the taints of node.%s are %v, and the plan was made with %v", node, now.Taints, u.Taints)
		ok = false
	}
	return ok
}

// room adds up what is on the node now and what comes.
func (s *staleness) room(node string, u *NodeUse, c *Change, d *demand) {
	cpu, memory := u.MilliCPU, u.Memory
	if h := s.world.Hosts[node]; h != nil && h.Err == nil && h.Facts.CPUs > 0 {
		if m, known, _ := s.kinds[c.Kind].carrier.Machine(c.id(), s.value(c)); known {
			cpu = int64(h.Facts.CPUs)*1000 - m.Spec.ReserveMilliCPU
			memory = h.Facts.Memory - m.Spec.ReserveMemory
		}
	}
	for _, r := range s.staying()[node] {
		cpu -= r.MilliCPU
		memory -= r.Memory
		for _, port := range r.HostPorts {
			if pod, taken := d.ports[port]; taken {
				s.add("port %s of node.%s, which %s is to have, is taken by pod.%s", port, node, pod, r.Pod)
			}
		}
	}
	if d.cpu > cpu && d.cpu > 0 {
		s.add("node.%s has %dm CPU for the %dm that the plan places there", node, max(cpu, 0), d.cpu)
	}
	if d.memory > memory && d.memory > 0 {
		s.add("node.%s has %d MiB memory for the %d MiB that the plan places there", node, max(memory, 0)>>20, d.memory>>20)
	}
}

// staying are the replicas, by node, that the plan leaves where they are now: our
// pods that do not change, and those of other states.
func (s *staleness) staying() map[string][]scheduler.Running {
	if s.stays != nil {
		return s.stays
	}
	out := foreignReplicas(s.world, s.plan.Lineage, imported(s.plan.Changes))
	s.stays = out
	bound := bindingsOf(s.world)
	for _, c := range s.plan.Changes {
		k := s.kinds[c.Kind]
		if k.carried == nil || c.Action != NoOp {
			continue
		}
		cargo, known, _ := k.carried.Cargo(c.id(), s.value(c))
		if !known {
			continue
		}
		slots := bound[cargo.Request.Pod]
		if slots == nil {
			slots = placementOf(c.Placement)
		}
		for slot, node := range slots {
			out[node] = append(out[node], scheduler.Running{Pod: cargo.Request.Pod, Slot: slot,
				MilliCPU: cargo.Request.MilliCPU, Memory: cargo.Request.Memory, HostPorts: cargo.Request.HostPorts})
		}
	}
	return out
}

// value is a change's value after the plan; what does not change is in the state.
func (s *staleness) value(c *Change) cty.Value {
	if c.After != cty.NilVal {
		return c.After
	}
	k := s.kinds[c.Kind]
	if rec := s.state.Instances[c.Address]; rec != nil {
		if v, err := s.dec.instance(k, rec); err == nil {
			return v
		}
	}
	return k.codec.null
}
