package scheduler

import (
	"fmt"
	"math"
)

// room is what is left on a node.
type room struct {
	*Node
	freeCPU, freeMemory int64
	replicas            int
	pods                map[string]int    // replicas by pod
	ports               map[string]string // host port → replica
}

func newRoom(n *Node) *room {
	r := &room{Node: n, freeCPU: n.MilliCPU, freeMemory: n.Memory, pods: map[string]int{}, ports: map[string]string{}}
	for _, running := range n.Running {
		r.take(running)
	}
	return r
}

// take takes a replica in.
func (r *room) take(running Running) {
	r.occupy(running)
	r.pods[running.Pod]++
}

// occupy is take without counting the replica among those of its pod.
func (r *room) occupy(running Running) {
	r.freeCPU -= running.MilliCPU
	r.freeMemory -= running.Memory
	r.replicas++
	for _, port := range running.HostPorts {
		if _, taken := r.ports[port]; !taken {
			r.ports[port] = replicaName(running.Pod, running.Slot)
		}
	}
}

// slotOf is the slot of the pod that the node runs already.
func (r *room) slotOf(pod string) (int, bool) {
	for _, running := range r.Running {
		if running.Pod == pod {
			return running.Slot, true
		}
	}
	return 0, false
}

// fits reports whether there is room for a replica; lacks says why not.
func (r *room) fits(q *Request) bool {
	if q.MilliCPU > 0 && q.MilliCPU > r.freeCPU || q.Memory > 0 && q.Memory > r.freeMemory {
		return false
	}
	if (q.OnePerNode || q.OnAll) && r.pods[q.Pod] > 0 {
		return false
	}
	for _, port := range q.HostPorts {
		if _, taken := r.ports[port]; taken {
			return false
		}
	}
	return true
}

// lacks are the clauses for what does not fit; none where it fits.
func (r *room) lacks(q *Request) (clauses []string) {
	if q.MilliCPU > 0 && q.MilliCPU > r.freeCPU {
		clauses = append(clauses, fmt.Sprintf("has %s CPU free of the %s asked for", cpu(max(r.freeCPU, 0)), cpu(q.MilliCPU)))
	}
	if q.Memory > 0 && q.Memory > r.freeMemory {
		clauses = append(clauses, fmt.Sprintf("has %s memory free of the %s asked for", memory(max(r.freeMemory, 0)), memory(q.Memory)))
	}
	if (q.OnePerNode || q.OnAll) && r.pods[q.Pod] > 0 {
		clauses = append(clauses, fmt.Sprintf("runs a replica of %s already, and one per node is allowed", q.Pod))
	}
	for _, port := range q.HostPorts {
		if by, taken := r.ports[port]; taken {
			clauses = append(clauses, fmt.Sprintf("has host port %s taken by %s", port, by))
		}
	}
	return clauses
}

// score rates the room for one more replica that fits, 0–100.
//
// "spread": fewest replicas of the pod first (least is the fewest that any
// fitting node has), then the least allocated: 50–100 with the fewest replicas,
// half of that with one more, and so on. Free CPU and memory count 45 % each, and
// for pods that ask for nothing the number of replicas 10 %.
//
// "pack": the best fit, 20 − (10^free CPU + 10^free memory) with shares of 0–1,
// as in Nomad and the paper on Google's Borg before it, scaled from 0–18.
func (r *room) score(q *Request, least int) float64 {
	cpu := freeShare(r.freeCPU-q.MilliCPU, r.MilliCPU)
	memory := freeShare(r.freeMemory-q.Memory, r.Memory)
	var s float64
	if q.Strategy == "pack" {
		s = (20 - math.Pow(10, cpu) - math.Pow(10, memory)) / 18 * 100
	} else {
		free := 0.45*cpu + 0.45*memory + 0.1/float64(1+r.replicas)
		s = math.Ldexp(50+50*free, least-r.pods[q.Pod])
	}
	return math.Round(s*1000) / 1000 // the same on every architecture
}

func freeShare(free, of int64) float64 {
	if of <= 0 {
		return 0
	}
	return min(1, max(0, float64(free)/float64(of)))
}

// share is the largest part of the room's size that one replica asks for.
func (r *room) share(q *Request) float64 {
	var share float64
	if r.MilliCPU > 0 {
		share = float64(q.MilliCPU) / float64(r.MilliCPU)
	}
	if r.Memory > 0 {
		share = max(share, float64(q.Memory)/float64(r.Memory))
	}
	return share
}

func replicaName(pod string, slot int) string { return fmt.Sprintf("%s[%d]", pod, slot) }

// cpu is a quantity as in Kubernetes: 250m, 2.
func cpu(milli int64) string {
	if milli%1000 == 0 {
		return fmt.Sprint(milli / 1000)
	}
	return fmt.Sprintf("%dm", milli)
}

// memory is a quantity as in Kubernetes: exact where the unit allows, else rounded down.
func memory(bytes int64) string {
	for _, u := range []struct {
		size int64
		name string
	}{{1 << 30, "Gi"}, {1 << 20, "Mi"}, {1 << 10, "Ki"}} {
		if bytes >= u.size && (bytes%u.size == 0 || bytes >= 1000*u.size || u.name == "Mi" && bytes >= 10*u.size) {
			return fmt.Sprintf("%d%s", bytes/u.size, u.name)
		}
	}
	return fmt.Sprint(bytes)
}
