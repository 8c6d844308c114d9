// Package scheduler decides on which node each replica runs, and says why. It
// is pure and deterministic: the same nodes and requests give the same
// decisions, in whatever order they come. The planner calls it for a plan, the
// cluster's controllers for failover.
package scheduler

// Node is a candidate, with what is already taken on it.
type Node struct {
	Name        string
	Labels      map[string]string
	Taints      map[string]string // key → effect (no_schedule)
	Schedulable bool
	// Capacity is what pods may use: the host's less what is reserved.
	MilliCPU, Memory int64 // mCPU, bytes
	// Running are the replicas that stay where they are.
	Running []Running
}

// Running is a replica that already occupies room on a node.
type Running struct {
	Pod              string
	Slot             int
	MilliCPU, Memory int64
	HostPorts        []string // "8080/tcp"
}

// Request asks for places for some slots of a pod.
type Request struct {
	Pod              string
	Slots            []int          // slots without a place
	Previous         map[int]string // slot → node where it ran last; kept when it still fits
	MilliCPU, Memory int64          // of one replica
	HostPorts        []string
	Where            string // label expression: "zone in (a, b) and !spot"
	Strategy         string // "spread" (default) or "pack"
	OnAll            bool   // one on each node that fits; Slots is ignored, slots number the nodes in name order
	OnePerNode       bool
	Tolerate         []string
}

// Decision is one placed replica.
type Decision struct {
	Pod  string
	Slot int
	Node string
	// Score of the node, 0–100, higher is better, and the best of the others ("" when alone).
	Score         float64
	RunnerUp      string
	RunnerUpScore float64
	// FreeMilliCPU and FreeMemory are what is left on Node after this replica and all placed before it.
	FreeMilliCPU, FreeMemory int64
	Kept                     bool // stays where it was
}

// Unplaced is a replica that fits nowhere, with what each node lacks.
type Unplaced struct {
	Pod     string
	Slot    int
	Reasons []Reason // by node name
}

// Reason is why a node was ruled out, a clause such as "has 120m CPU free of the 250m it asks for".
type Reason struct {
	Node string
	Why  string
}

// Result is the outcome of Place, sorted by pod and slot.
type Result struct {
	Decisions []Decision
	Unplaced  []Unplaced
}
