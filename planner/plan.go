// Package planner compares configuration, prior state and what is really there,
// and makes a plan: a deterministic, dependency-ordered graph of actions in
// which every replica has its node. The plan is the artefact: it is printed,
// saved, reviewed, and executed as it stands; apply never re-plans.
package planner

import (
	"slices"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/image"
	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/providers"
	"github.com/stowage-iac/stowage/scheduler"
)

// Action is what happens to a resource instance.
type Action string

// The actions.
const (
	NoOp    Action = "no-op"
	Create  Action = "create"
	Update  Action = "update"  // in place
	Replace Action = "replace" // delete, then create
	Delete  Action = "delete"
	Read    Action = "read"   // of a data block that cannot be read before the apply
	Forget  Action = "forget" // it stays as it is, and the state knows it no more
)

// ends reports whether the state knows the instance no more when it is done.
func (a Action) ends() bool { return a == Delete || a == Forget }

// Plan is what apply will do. Changes are sorted by address.
type Plan struct {
	FormatVersion  int
	StowageVersion string
	Context        string // "" where none is declared
	Protected      bool   // the context is
	Created        time.Time
	Destroy        bool // plan -destroy
	Options
	Lineage string
	Serial  uint64 // of the state that it was made from
	Changes []*Change
	// Data is what was read while the plan was made, each after what it depends on;
	// apply uses it as it is.
	Data      []Data
	Transfers []Transfer
	Pods      []PodPlacement
	Nodes     []NodeUse
	Outputs   []OutputChange
	// Checks are the outcomes of all conditions, by address; those of outputs, and then of
	// check blocks, are last.
	Checks []Checked
	// Adopts is the ID of the cluster that an imported node belongs to; "" where the state has one.
	Adopts string
	// Interrupted tells of an apply that did not end, nil when the last one did.
	Interrupted *Interrupted
	Warnings    hcl.Diagnostics
	// Steps are the graph that apply executes, in an order in which every step comes
	// after what it needs. Empty when there is nothing to do.
	Steps []Step

	hashKey []byte          // of the state, see providers.PlanRequest
	ev      *lang.Evaluator // that the plan was made with; nil for an opened plan
}

// Change is one resource instance's change. Before and After are objects of the
// kind's schema (null where absent); After holds unknowns; sensitive values are marked.
type Change struct {
	Address string
	// Object is the name of the instance's object in the cluster; of a replacement that
	// is created first it is the new object's, and Old is the name of the one that goes.
	Object, Old string
	// Importing is the ID of what the instance takes over; "" when it takes over nothing.
	Importing string
	// MovedFrom is the address under which the instance is recorded, "" when it is this one.
	MovedFrom string
	Kind      string
	Action    Action
	Before    cty.Value
	After     cty.Value
	Reason    string            // "" or e.g. "not in the configuration", "the object was adopted"
	Causes    []providers.Cause // fields that changed; for Replace, those that force it
	Deps      []string          // addresses of changes that must be done first
	Drift     []providers.Cause // what changed outside of Stowage since the last apply
	Healed    []string          // what controllers did since the last apply

	// Placement is the node of each slot, for kinds with replicas.
	Placement []string
	// Settled: the configuration was wholly known, so that apply does not evaluate it again.
	Settled bool
	// Pending: it has conditions that only an apply can judge.
	Pending bool
	// Refreshed: nothing is to be done, but what is there differs from what is recorded
	// (healing, new addresses); an apply records it.
	Refreshed bool
	// Once: what asks for the replacement (a trigger, -replace) does not ask the next plan again.
	Once bool
	// CreateFirst: a replacement whose new object comes before the old one goes.
	CreateFirst bool
	// PreventDestroy is recorded with the instance.
	PreventDestroy bool
	// ModRevision is the store's revision of the object when the plan was made; 0: there was none.
	ModRevision int64
	// Timeout of the change, but for what it deletes; 0: none.
	Timeout time.Duration
	// DeleteTimeout bounds the deletion of what is there before, and is recorded with
	// the instance for a later one; 0: none.
	DeleteTimeout time.Duration

	owner  string   // of what is taken over
	ignore []string // lifecycle.ignore_changes
	left   bool     // the plan is not about it
	listed bool     // among Plan.Changes
	at     int      // there; set by the graph
	pod    *podPlan // of a change that was planned of the configuration and has replicas
}

// StepKind says what a step does.
type StepKind uint8

// The kinds of steps.
const (
	StepApply  StepKind = iota // creates or updates Changes[Index]
	StepDelete                 // deletes the prior object of Changes[Index]
	StepPush                   // brings Transfers[Index] to its node
	StepJoin                   // does nothing: stands for a whole block, or for a change that needs nothing done
)

// Step is one node of the graph.
type Step struct {
	Kind  StepKind
	Index int    // in Changes or Transfers; -1 for a StepJoin of a block
	Name  string // of a StepJoin: what it stands for
	Needs []int  // steps that must be done before; each is less than the step's own number
}

// Transfer is image content that has to go to a host.
type Transfer struct {
	Image   string // address of the image, or the registry reference as written
	Ref     string // in containerd
	Node    string
	Bytes   int64 // missing there, compressed
	Total   int64 // of the whole image, compressed
	Unknown bool  // the image is not known before apply: Image is then the pod's address
	// Pods are the addresses of the changes that need it.
	Pods []string

	source string       // address of the instance that holds the content
	img    *image.Image // opened while planning; nil in an opened plan
}

// PodPlacement says where each replica of a pod runs.
type PodPlacement struct {
	Address  string
	Replicas []scheduler.Decision
	Unplaced []scheduler.Unplaced
	Moved    []int    // slots that change their node
	Previous []string // node of each slot before; "" where there was none
}

// NodeUse is a node's room before and after the plan.
type NodeUse struct {
	Name                              string
	MilliCPU, Memory                  int64 // what pods may use
	FreeCPUBefore, FreeCPUAfter       int64
	FreeMemoryBefore, FreeMemoryAfter int64
	PodsBefore, PodsAfter             int // replicas
	// What placement stood on, for CheckStale.
	Labels      map[string]string
	Taints      map[string]string
	Schedulable bool
	Platform    string // linux/amd64
}

// OutputChange is the change of an output value.
type OutputChange struct {
	Name      string
	Action    Action
	Before    cty.Value
	After     cty.Value
	Sensitive bool
}

// Interrupted describes an apply that was cut off, or that ran while the plan was made.
type Interrupted struct {
	Operation string // apply, destroy
	// Running: its process lived when the plan was made. A saved plan will be stale
	// as soon as it goes on.
	Running  bool
	Started  time.Time
	By       string   // user@host
	Done     []string // addresses finished
	Underway []string // addresses begun and not known to be finished
}

// Empty reports whether there is nothing to do: no change, no move, no transfer, no output change.
func (p *Plan) Empty() bool {
	for _, c := range p.Changes {
		if c.Action != NoOp || c.MovedFrom != "" || c.Importing != "" || p.RefreshOnly && len(c.Drift) > 0 {
			return false
		}
	}
	for _, o := range p.Outputs {
		if o.Action != NoOp {
			return false
		}
	}
	return len(p.Transfers) == 0
}

// Sensitive reports whether an apply records anything sensitive that the state does not
// have yet.
func (p *Plan) Sensitive() bool {
	for _, c := range p.Changes {
		if (c.Action != NoOp || c.Refreshed || c.Importing != "") && !c.Action.ends() && c.After != cty.NilVal && c.After.ContainsMarked() {
			return true
		}
	}
	return slices.ContainsFunc(p.Outputs, func(o OutputChange) bool { return o.Sensitive && o.Action != Delete && o.Action != NoOp })
}

// Counts are numbers of instances. A replacement counts as an add and as a destroy.
type Counts struct {
	Import, Add, Change, Destroy, Forget int
	Move                                 int // which may change besides
}

// Count counts the changes.
func (p *Plan) Count() (n Counts) {
	for _, c := range p.Changes {
		if c.MovedFrom != "" {
			n.Move++
		}
		if c.Importing != "" {
			n.Import++
		}
		switch c.Action {
		case Create:
			n.Add++
		case Update:
			n.Change++
		case Delete:
			n.Destroy++
		case Forget:
			n.Forget++
		case Replace:
			n.Add++
			n.Destroy++
		}
	}
	return n
}

// Progress is told of every operation's life while a plan is made or applied. Calls come from many goroutines.
type Progress interface {
	// Begin tells how many operations an apply has, before the first.
	Begin(operations int)
	Start(op Operation)
	Update(op Operation, clause string)
	// Retry tells that an operation has failed and waits before it tries again.
	Retry(op Operation, r Retry)
	Done(op Operation, err bool)
}

// Operation is one running thing: a resource's change, a transfer, a host's refresh.
type Operation struct {
	Address string // pod.web, image.web → node b, node.a (refresh)
	Verb    Verb
	Started time.Time
}

// Verb says what an operation does, for "Creating…" and the like.
type Verb string

// The verbs.
const (
	Refreshing Verb = "refresh"
	Creating   Verb = "create"
	Updating   Verb = "update"
	Replacing  Verb = "replace"
	Destroying Verb = "delete"
	Forgetting Verb = "forget"
	Pushing    Verb = "push"
	Reading    Verb = "read"
)
