package view

import (
	"io"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/planner"
	"github.com/stowage-iac/stowage/providers"
)

// PlanFormat is the version of the plan's JSON. A reader must refuse another
// number before the dot and ignore properties that it does not know.
const PlanFormat = "1.0"

// PlanDocument is a plan for a program.
type PlanDocument struct {
	FormatVersion   string            `json:"format_version"`
	StowageVersion  string            `json:"stowage_version"`
	Timestamp       time.Time         `json:"timestamp"`
	Context         string            `json:"context,omitempty"`
	Protected       bool              `json:"protected,omitempty"`
	Destroy         bool              `json:"destroy,omitempty"`
	planner.Options                   // targets, excludes, replace, refresh_only
	Lineage         string            `json:"lineage"`
	Serial          uint64            `json:"serial"`
	ResourceChanges []ResourceChange  `json:"resource_changes"`
	ResourceDrift   []ResourceDrift   `json:"resource_drift,omitempty"`
	ResourceHealed  []ResourceHealed  `json:"resource_healed,omitempty"`
	OutputChanges   map[string]Values `json:"output_changes"`
	Placement       []PodJSON         `json:"placement,omitempty"`
	Nodes           []NodeJSON        `json:"nodes,omitempty"`
	Transfers       []TransferJSON    `json:"transfers,omitempty"`
	Interrupted     *InterruptedJSON  `json:"interrupted,omitempty"`
	Checks          []CheckJSON       `json:"checks,omitempty"`
	Summary         Summary           `json:"summary"`
	Diagnostics     []Diagnostic      `json:"diagnostics,omitempty"`
}

// ResourceChange is one resource instance's change.
type ResourceChange struct {
	Address string `json:"address"`
	// PreviousAddress is where the state records it, when it moves.
	PreviousAddress string            `json:"previous_address,omitempty"`
	Kind            string            `json:"kind"`
	Change          Values            `json:"change"`
	ActionReason    string            `json:"action_reason,omitempty"`
	Causes          []providers.Cause `json:"causes,omitempty"`
	DependsOn       []string          `json:"depends_on,omitempty"`
}

// Values are both sides of a change. Sensitive and unknown parts are null in
// before and after; the other three mirror the structure with true where a part is so.
type Values struct {
	Actions      []string `json:"actions"` // no-op; create; update; delete; delete, create; create, delete; forget
	Before       any      `json:"before"`
	After        any      `json:"after"`
	AfterUnknown any      `json:"after_unknown,omitempty"`
	// Importing tells what is taken over, nil when nothing is.
	Importing       *Importing `json:"importing,omitempty"`
	BeforeSensitive any        `json:"before_sensitive,omitempty"`
	AfterSensitive  any        `json:"after_sensitive,omitempty"`
}

// Importing is what an instance takes over.
type Importing struct {
	ID string `json:"id"`
}

// ResourceDrift is what changed outside of Stowage.
type ResourceDrift struct {
	Address string            `json:"address"`
	Changes []providers.Cause `json:"changes"`
	// Change is the record before and after, of a plan that is made to write it.
	Change *Values `json:"change,omitempty"`
}

// ResourceHealed is what controllers did.
type ResourceHealed struct {
	Address string   `json:"address"`
	Events  []string `json:"events"`
}

// PodJSON says where a pod's replicas run.
type PodJSON struct {
	Address  string         `json:"address"`
	Replicas []ReplicaJSON  `json:"replicas"`
	Unplaced []UnplacedJSON `json:"unplaced,omitempty"`
	Leaving  []LeavingJSON  `json:"leaving,omitempty"`
}

// ReplicaJSON is one placed replica.
type ReplicaJSON struct {
	Slot          int     `json:"slot"`
	Node          string  `json:"node"`
	Score         float64 `json:"score"`
	RunnerUp      string  `json:"runner_up,omitempty"`
	RunnerUpScore float64 `json:"runner_up_score,omitempty"`
	FreeMilliCPU  int64   `json:"free_milli_cpu"`
	FreeMemory    int64   `json:"free_memory"`
	Kept          bool    `json:"kept,omitempty"`
	Moved         bool    `json:"moved,omitempty"`
	Previous      string  `json:"previous,omitempty"` // of one that moves: the node that it was on
}

// LeavingJSON is a replica that was on a node and will be on none.
type LeavingJSON struct {
	Slot int    `json:"slot"`
	Node string `json:"node"`
}

// UnplacedJSON is a replica that fits on no node; reasons are by node.
type UnplacedJSON struct {
	Slot    int               `json:"slot"`
	Reasons map[string]string `json:"reasons"`
}

// NodeJSON is a node's room before and after.
type NodeJSON struct {
	Name   string   `json:"name"`
	Milli  int64    `json:"milli_cpu"`
	Memory int64    `json:"memory"`
	Before RoomJSON `json:"before"`
	After  RoomJSON `json:"after"`
}

// RoomJSON is what is free on a node, and how many replicas it runs.
type RoomJSON struct {
	FreeMilliCPU int64 `json:"free_milli_cpu"`
	FreeMemory   int64 `json:"free_memory"`
	Replicas     int   `json:"replicas"`
}

// TransferJSON is image content that goes to a host.
type TransferJSON struct {
	Image   string `json:"image"`
	Ref     string `json:"ref,omitempty"`
	Node    string `json:"node"`
	Bytes   int64  `json:"bytes"`
	Total   int64  `json:"total_bytes"`
	Unknown bool   `json:"unknown,omitempty"`
}

// InterruptedJSON is an apply that was cut off, or that ran when the plan was made.
type InterruptedJSON struct {
	Operation string    `json:"operation,omitempty"`
	Running   bool      `json:"running"`
	Started   time.Time `json:"started"`
	By        string    `json:"by"`
	Done      []string  `json:"done"`
	Underway  []string  `json:"under_way"`
}

// Summary counts the changes.
type Summary struct {
	Import  int `json:"import,omitempty"`
	Add     int `json:"add"`
	Change  int `json:"change"`
	Destroy int `json:"destroy"`
	Forget  int `json:"forget,omitempty"`
	Move    int `json:"move,omitempty"`
}

// PlanJSON writes a plan as one JSON document.
func (v View) PlanJSON(w io.Writer, p *planner.Plan) error { return JSON(w, v.Document(p)) }

// Document is a plan for a program. It holds no sensitive value.
func (v View) Document(p *planner.Plan) PlanDocument {
	d := v.outline(p)
	d.ResourceChanges = make([]ResourceChange, len(p.Changes))
	for i, c := range p.Changes {
		d.ResourceChanges[i] = v.resourceChange(p, c)
	}
	return d
}

// outline is the document without its resource changes, which are most of it.
func (v View) outline(p *planner.Plan) PlanDocument {
	d := PlanDocument{
		FormatVersion: PlanFormat, StowageVersion: p.StowageVersion, Timestamp: p.Created.UTC(),
		Context: p.Context, Protected: p.Protected, Destroy: p.Destroy, Options: p.Options, Lineage: p.Lineage, Serial: p.Serial,
		OutputChanges: map[string]Values{},
	}
	d.Summary = Summary(p.Count())
	d.Checks = checksJSON(p.Checks)
	for _, c := range p.Changes {
		if len(c.Drift) > 0 {
			d.ResourceDrift = append(d.ResourceDrift, ResourceDrift{c.Address, c.Drift, v.recording(p, c)})
		}
		if len(c.Healed) > 0 {
			d.ResourceHealed = append(d.ResourceHealed, ResourceHealed{c.Address, c.Healed})
		}
	}
	for _, o := range p.Outputs {
		before, after := o.Before, o.After
		if o.Sensitive {
			before, after = conceal(before), conceal(after)
		}
		d.OutputChanges[o.Name] = values(actions(o.Action, false), before, after)
	}
	for _, pod := range p.Pods {
		d.Placement = append(d.Placement, podJSON(pod))
	}
	for _, c := range p.Changes { // pods that go have no decisions
		if c.Action == planner.Delete && len(c.Placement) > 0 {
			d.Placement = append(d.Placement, podJSON(planner.PodPlacement{Address: c.Address, Previous: c.Placement}))
		}
	}
	for _, n := range p.Nodes {
		d.Nodes = append(d.Nodes, NodeJSON{n.Name, n.MilliCPU, n.Memory,
			RoomJSON{n.FreeCPUBefore, n.FreeMemoryBefore, n.PodsBefore},
			RoomJSON{n.FreeCPUAfter, n.FreeMemoryAfter, n.PodsAfter}})
	}
	for _, t := range p.Transfers {
		d.Transfers = append(d.Transfers, TransferJSON{t.Image, t.Ref, t.Node, t.Bytes, t.Total, t.Unknown})
	}
	if i := p.Interrupted; i != nil {
		d.Interrupted = &InterruptedJSON{i.Operation, i.Running, i.Started.UTC(), i.By, append([]string{}, i.Done...), append([]string{}, i.Underway...)}
	}
	if len(p.Warnings) > 0 {
		d.Diagnostics = DiagnosticsJSON(p.Warnings, nil)
	}
	return d
}

func (v View) resourceChange(p *planner.Plan, c *planner.Change) ResourceChange {
	s, before := v.Schemas[c.Kind], c.Before
	if p.RefreshOnly {
		before = c.After // nothing is done to it
	}
	r := ResourceChange{
		Address: c.Address, PreviousAddress: c.MovedFrom, Kind: c.Kind, ActionReason: c.Reason, Causes: c.Because(), DependsOn: c.Deps,
		Change: values(actions(c.Action, c.CreateFirst), bySchema(before, s), bySchema(c.After, s)),
	}
	if c.Importing != "" {
		r.Change.Importing = &Importing{c.Importing}
	}
	return r
}

// recording is the change of the record, nil unless the plan is made for it.
func (v View) recording(p *planner.Plan, c *planner.Change) *Values {
	if !p.RefreshOnly {
		return nil
	}
	action, s := planner.Update, v.Schemas[c.Kind]
	if c.After.IsNull() {
		action = planner.Delete
	}
	change := values(actions(action, false), bySchema(c.Before, s), bySchema(c.After, s))
	return &change
}

func values(actions []string, before, after cty.Value) Values {
	return Values{
		Actions: actions, Before: redacted(before), After: redacted(after),
		AfterUnknown:    where(after, isUnknown),
		BeforeSensitive: where(before, isMarked), AfterSensitive: where(after, isMarked),
	}
}

func actions(a planner.Action, createFirst bool) []string {
	switch {
	case a == planner.Replace && createFirst:
		return []string{"create", "delete"}
	case a == planner.Replace:
		return []string{"delete", "create"}
	}
	return []string{string(a)}
}

func podJSON(p planner.PodPlacement) PodJSON {
	j := PodJSON{Address: p.Address, Replicas: []ReplicaJSON{}}
	moved := map[int]bool{}
	for _, s := range p.Moved {
		moved[s] = true
	}
	on := map[int]bool{}
	for _, d := range p.Replicas {
		r := ReplicaJSON{d.Slot, d.Node, d.Score, d.RunnerUp, d.RunnerUpScore, d.FreeMilliCPU, d.FreeMemory, d.Kept, moved[d.Slot], ""}
		if r.Moved && d.Slot < len(p.Previous) {
			r.Previous = p.Previous[d.Slot]
		}
		on[d.Slot] = true
		j.Replicas = append(j.Replicas, r)
	}
	for slot, node := range p.Previous {
		if node != "" && !on[slot] {
			j.Leaving = append(j.Leaving, LeavingJSON{slot, node})
		}
	}
	for _, u := range p.Unplaced {
		reasons := map[string]string{}
		for _, r := range u.Reasons {
			reasons[r.Node] = r.Why
		}
		j.Unplaced = append(j.Unplaced, UnplacedJSON{u.Slot, reasons})
	}
	return j
}
