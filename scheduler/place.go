package scheduler

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// Place decides for every request. Nodes and requests are not changed. First
// every replica stays where it was, if it still fits there; then the others are
// placed, those with the largest share of a node first. A Where that does not
// parse rules out every node, with the parser's message.
func Place(nodes []Node, requests []Request) Result {
	list := make([]*Request, len(requests))
	for i := range requests {
		list[i] = &requests[i]
	}
	return PlaceAll(nodes, list)
}

// PlaceAll is Place.
func PlaceAll(nodes []Node, requests []*Request) Result {
	w := newWorld(nodes)
	plans := w.plans(requests)
	for _, p := range plans {
		w.keep(p)
	}
	for _, p := range plans {
		w.place(p)
	}
	slices.SortFunc(w.result.Decisions, func(a, b Decision) int {
		if c := strings.Compare(a.Pod, b.Pod); c != 0 {
			return c
		}
		return cmp.Or(cmp.Compare(a.Slot, b.Slot), strings.Compare(a.Node, b.Node))
	})
	slices.SortFunc(w.result.Unplaced, func(a, b Unplaced) int {
		return cmp.Or(strings.Compare(a.Pod, b.Pod), cmp.Compare(a.Slot, b.Slot))
	})
	return w.result
}

// world is what Place works on: the nodes by name, and what has been decided.
type world struct {
	rooms  []*room
	byName map[string]int
	result Result
	ruled  map[string][]string // see rules
}

func newWorld(nodes []Node) *world {
	w := &world{byName: make(map[string]int, len(nodes)), ruled: map[string][]string{}}
	for n := range nodes {
		w.rooms = append(w.rooms, newRoom(&nodes[n]))
	}
	slices.SortFunc(w.rooms, func(a, b *room) int { return strings.Compare(a.Name, b.Name) })
	for n, r := range w.rooms {
		w.byName[r.Name] = n
	}
	return w
}

// plan is a request on its way.
type plan struct {
	*Request
	rules []string // by room: why the node's rules exclude the pod, "" when they allow it
	slots []int    // still to be placed, ascending
	// last: nobody asks how many replicas of the pod a room has once its only slot is placed.
	last bool
	// home is the room of each slot of a pod that runs on all nodes.
	home map[int]int
	// share of the largest node that one replica takes.
	share float64
	// failed are the reasons of the last slot that did not fit; nothing was placed since.
	failed []Reason
}

// plans orders the requests so that the result does not depend on how they came.
func (w *world) plans(requests []*Request) []*plan {
	largest := room{Node: &Node{}} // no node is larger in either
	for _, r := range w.rooms {
		largest.MilliCPU, largest.Memory = max(largest.MilliCPU, r.MilliCPU), max(largest.Memory, r.Memory)
	}
	plans, all, total := make([]*plan, len(requests)), make([]plan, len(requests)), 0
	unique := distinct(requests)
	for n, r := range requests {
		p := &all[n]
		p.Request, p.rules = r, w.rules(r)
		switch {
		case p.OnAll:
			w.number(p)
		case ascending(p.Slots):
			p.slots = p.Slots
		default:
			p.slots = slices.Compact(slices.Sorted(slices.Values(p.Slots)))
		}
		p.share, p.last = largest.share(r), unique && len(p.slots) == 1
		total += len(p.slots)
		plans[n] = p
	}
	slices.SortStableFunc(plans, func(a, b *plan) int {
		if c := cmp.Compare(b.share, a.share); c != 0 {
			return c
		}
		return cmp.Or(strings.Compare(a.Pod, b.Pod), slices.Compare(a.slots, b.slots))
	})
	if total > 0 {
		w.result.Decisions = make([]Decision, 0, total)
	}
	return plans
}

// distinct reports whether no two requests are for the same pod.
func distinct(requests []*Request) bool {
	sorted := true
	for i := 1; i < len(requests) && sorted; i++ {
		sorted = requests[i-1].Pod < requests[i].Pod
	}
	if sorted {
		return true
	}
	seen := make(map[string]bool, len(requests))
	for _, r := range requests {
		seen[r.Pod] = true
	}
	return len(seen) == len(requests)
}

// ascending reports whether each number is greater than the one before.
func ascending(list []int) bool {
	for i := 1; i < len(list); i++ {
		if list[i-1] >= list[i] {
			return false
		}
	}
	return true
}

// rules asks every node's rules once for a request, and for those that demand the same.
func (w *world) rules(r *Request) []string {
	demand := r.Where
	for _, key := range r.Tolerate {
		demand += "\x00" + key
	}
	if out, ok := w.ruled[demand]; ok {
		return out
	}
	check := newRules(r)
	out := make([]string, len(w.rooms))
	for n, room := range w.rooms {
		out[n] = strings.Join(check.against(room.Node), "; ")
	}
	w.ruled[demand] = out
	return out
}

// number gives every node whose rules allow the pod a slot: the one it had, if
// that is still in range, else the lowest free one in the order of names. Nodes
// that run the pod already keep theirs.
func (w *world) number(p *plan) {
	var homes []int // rooms that need a slot
	total := 0
	taken := map[int]bool{}
	for n, room := range w.rooms {
		if p.rules[n] != "" {
			continue
		}
		total++
		if slot, runs := room.slotOf(p.Pod); runs {
			taken[slot] = true
		} else {
			homes = append(homes, n)
		}
	}
	p.home = map[int]int{}
	for _, slot := range slices.Sorted(maps.Keys(p.Previous)) {
		at := slices.Index(homes, w.find(p.Previous[slot]))
		if at >= 0 && slot >= 0 && slot < total && !taken[slot] {
			p.home[slot], taken[slot] = homes[at], true
			homes = slices.Delete(homes, at, at+1)
		}
	}
	next := 0
	for _, n := range homes {
		for taken[next] {
			next++
		}
		p.home[next], taken[next] = n, true
	}
	p.slots = slices.Sorted(maps.Keys(p.home))
}

// find is the index of a room, -1 when there is none of the name.
func (w *world) find(name string) int {
	if n, ok := w.byName[name]; ok {
		return n
	}
	return -1
}

// keep leaves replicas where they ran.
func (w *world) keep(p *plan) {
	rest := p.slots[:0:0]
	for _, slot := range p.slots {
		previous, had := p.Previous[slot]
		n := w.find(previous)
		if !had || n < 0 || p.home != nil && p.home[slot] != n || !w.fits(p, n) {
			rest = append(rest, slot)
			continue
		}
		w.put(p, slot, n, true)
	}
	p.slots = rest
}

// place puts the other replicas on the best node each.
func (w *world) place(p *plan) {
	for _, slot := range p.slots {
		n, ok := p.home[slot]
		if p.home == nil {
			n, ok = w.best(p, -1)
		} else {
			ok = ok && w.fits(p, n)
		}
		if ok {
			w.put(p, slot, n, false)
			continue
		}
		w.result.Unplaced = append(w.result.Unplaced, Unplaced{Pod: p.Pod, Slot: slot, Reasons: w.reasons(p, slot)})
	}
}

func (w *world) fits(p *plan, n int) bool {
	return p.rules[n] == "" && w.rooms[n].fits(p.Request)
}

// best is the room with the highest score but for except; of equals the first by name.
func (w *world) best(p *plan, except int) (int, bool) {
	least := w.fewest(p)
	found, best := -1, 0.0
	for n, room := range w.rooms {
		if n == except || !w.fits(p, n) {
			continue
		}
		if s := room.score(p.Request, least); found < 0 || s > best {
			found, best = n, s
		}
	}
	return found, found >= 0
}

// fewest is the smallest number of the pod's replicas on a node that has room for one more.
func (w *world) fewest(p *plan) int {
	least := -1
	for n, room := range w.rooms {
		if same := room.pods[p.Pod]; (least < 0 || same < least) && w.fits(p, n) {
			least = same
		}
	}
	return max(least, 0)
}

// put decides for a room and takes the place there.
func (w *world) put(p *plan, slot, n int, kept bool) {
	d := Decision{Pod: p.Pod, Slot: slot, Node: w.rooms[n].Name, Kept: kept}
	least := w.fewest(p)
	d.Score = w.rooms[n].score(p.Request, least)
	if p.home == nil {
		if other, ok := w.best(p, n); ok {
			d.RunnerUp, d.RunnerUpScore = w.rooms[other].Name, w.rooms[other].score(p.Request, least)
		}
	}
	running := Running{Pod: p.Pod, Slot: slot, MilliCPU: p.MilliCPU, Memory: p.Memory, HostPorts: p.HostPorts}
	w.rooms[n].occupy(running)
	if !p.last {
		w.rooms[n].pods[p.Pod]++
	}
	d.FreeMilliCPU, d.FreeMemory = w.rooms[n].freeCPU, w.rooms[n].freeMemory
	w.result.Decisions = append(w.result.Decisions, d)
	p.failed = nil
}

// reasons are why no node takes the replica; of a pod on all nodes only its own node's matters.
func (w *world) reasons(p *plan, slot int) []Reason {
	if p.home != nil {
		return []Reason{w.reason(p, p.home[slot])}
	}
	if p.failed == nil {
		p.failed = make([]Reason, len(w.rooms))
		for n := range w.rooms {
			p.failed[n] = w.reason(p, n)
		}
	}
	return p.failed
}

func (w *world) reason(p *plan, n int) Reason {
	room := w.rooms[n]
	var clauses []string
	if p.rules[n] != "" {
		clauses = append(clauses, p.rules[n])
	}
	return Reason{Node: room.Name, Why: strings.Join(append(clauses, room.lacks(p.Request)...), "; ")}
}
