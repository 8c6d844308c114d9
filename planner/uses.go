package planner

import (
	"encoding/json"
	"fmt"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/scheduler"
)

// runningOf is what one replica of a pod's object takes; nil when it cannot be read.
func runningOf(obj *api.Object) *scheduler.Running {
	var spec api.PodSpec
	if err := json.Unmarshal(obj.Spec, &spec); err != nil {
		return nil
	}
	r := &scheduler.Running{Pod: obj.Name}
	r.MilliCPU, r.Memory = spec.Template.Requests()
	for _, c := range spec.Template.Containers {
		for _, p := range c.Ports {
			if p.Host != 0 {
				protocol := p.Protocol
				if protocol == "" {
					protocol = "tcp"
				}
				r.HostPorts = append(r.HostPorts, fmt.Sprintf("%d/%s", p.Host, protocol))
			}
		}
	}
	return r
}

// usesBefore fills in the room on each node as it is now.
func (m *maker) usesBefore() {
	at := make(map[string]int, len(m.fleet.sched))
	for _, n := range m.fleet.sched {
		at[n.Name] = len(m.plan.Nodes)
		facts := m.fleet.facts[n.Name]
		m.plan.Nodes = append(m.plan.Nodes, NodeUse{
			Name: n.Name, MilliCPU: n.MilliCPU, Memory: n.Memory, FreeCPUBefore: n.MilliCPU, FreeMemoryBefore: n.Memory,
			Labels: n.Labels, Taints: n.Taints, Schedulable: n.Schedulable, Platform: "linux/" + facts.Arch,
		})
	}
	take := func(node string, cpu, memory int64) {
		if i, ok := at[node]; ok {
			u := &m.plan.Nodes[i]
			u.FreeCPUBefore -= cpu
			u.FreeMemoryBefore -= memory
			u.PodsBefore++
		}
	}
	for _, there := range []map[string][]scheduler.Running{m.foreign(), m.staying} {
		for node, running := range there {
			for _, r := range running {
				take(node, r.MilliCPU, r.Memory)
			}
		}
	}
	for _, p := range m.pods {
		if p.change.Action == NoOp { // what it asks for is what it asked for
			for _, node := range p.previous {
				take(node, p.cargo.Request.MilliCPU, p.cargo.Request.Memory)
			}
			continue
		}
		m.takeBefore(p.change, p.previous, take)
	}
	bindings := m.bindings()
	for _, c := range m.ending {
		m.takeBefore(c, m.placed(bindings, c.was()), take)
	}
}

func (m *maker) takeBefore(c *Change, previous map[int]string, take func(node string, cpu, memory int64)) {
	if len(previous) == 0 || c.Before.IsNull() {
		return
	}
	cargo, known, _ := m.kinds[c.Kind].carried.Cargo(c.was(), c.Before)
	if !known {
		return
	}
	for _, node := range previous {
		take(node, cargo.Request.MilliCPU, cargo.Request.Memory)
	}
}

// usesAfter fills in the room that is left when the plan is done.
func (m *maker) usesAfter(nodes []scheduler.Node) {
	at := make(map[string]*NodeUse, len(m.plan.Nodes))
	for i := range m.plan.Nodes {
		u := &m.plan.Nodes[i]
		u.FreeCPUAfter, u.FreeMemoryAfter = u.MilliCPU, u.Memory
		at[u.Name] = u
	}
	for _, n := range nodes {
		for _, r := range n.Running {
			at[n.Name].take(r.MilliCPU, r.Memory)
		}
	}
	for i := range m.plan.Pods {
		r, replicas := &m.pods[i].cargo.Request, m.plan.Pods[i].Replicas
		for n := range replicas {
			if u := at[replicas[n].Node]; u != nil {
				u.take(r.MilliCPU, r.Memory)
			}
		}
	}
}

func (u *NodeUse) take(cpu, memory int64) {
	u.FreeCPUAfter -= cpu
	u.FreeMemoryAfter -= memory
	u.PodsAfter++
}
