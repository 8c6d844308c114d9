package planner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"golang.org/x/sync/errgroup"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/image"
	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/providers"
	"github.com/stowage-iac/stowage/state"
)

// Journal records an apply's steps; *state.Journal implements it. What was recorded
// is on disk when a method returns.
type Journal interface {
	Begin(address, action string) error
	Done(address string, result *state.Instance) error
	Move(from string, result *state.Instance) error
	Fail(address string) error
	SetOutputs(outputs map[string]*state.Output) error
	SetClusterID(id string) error
	Stop()
	Close(ctx context.Context) (*state.State, error)
}

// ApplyInput is what Apply needs besides the plan.
type ApplyInput struct {
	Config *lang.Config // nil for a destroy plan
	Inputs lang.Inputs
	// State that the plan was made from.
	State   *state.State
	Kinds   map[string]providers.Kind
	Journal Journal
	Fleet   *Fleet
	// Hard, when it ends, ends running steps, too. The context of Apply only keeps
	// new ones from starting. nil: running steps always finish.
	Hard context.Context
	// Parallelism is how many steps run at once, default 10.
	Parallelism int
	// Attempts is how often a step is tried at most that fails for a reason that may
	// pass by itself, default 5; Backoff is the pause before the second attempt, default
	// 1 s, doubled with each up to 30 s. The timeout of a step bounds all its attempts.
	Attempts int
	Backoff  time.Duration
	Progress Progress // may be nil
	BaseDir  string   // default Config.Dir
	Resolve  func(ref string) (string, error)
	Outside  providers.Outside // keys of encrypted files; may be nil
	// Data reads the sources that the plan left to the apply.
	Data func(ctx context.Context, req DataRequest) (cty.Value, hcl.Diagnostics)
	// Stowaged finds the agent's binary for a GOARCH; default StowagedBeside.
	Stowaged func(arch string) (string, error)
	// Push sends an image; default Fleet.Push.
	Push func(ctx context.Context, node string, img *image.Image, o image.PushOptions) error
	// Own hands an object of the cluster over to another owner; default through Fleet.
	Own func(ctx context.Context, kind api.Kind, name, from, to string) error
}

// Result is what an apply did.
type Result struct {
	Imported, Added, Changed, Destroyed, Forgotten, Moved int
	// Done, Failed and NotDone are the titles of steps ("create pod.web"), in the
	// plan's order; NotDone are those that a failure or a cancellation kept from starting.
	Done, Failed, NotDone []string
	Outputs               map[string]cty.Value
	Checks                []Checked // of the check blocks, after the steps
	Cancelled             bool
	State                 *state.State // as written at the end; nil when that failed
}

const defaultParallelism = 10

// Apply executes the plan's graph, and nothing else. A step that fails stops only
// what needs it. Every finished step is in the journal, on disk, before a step
// that needs it starts; at the end the journal becomes the new state.
func Apply(ctx context.Context, p *Plan, in ApplyInput) (Result, hcl.Diagnostics) {
	x, diags := newExecutor(p, in)
	if diags.HasErrors() {
		return Result{}, append(diags, closeJournal(ctx, in.Journal, nil)...)
	}
	if err := x.begin(); err != nil {
		return Result{}, append(journalFailed(err), closeJournal(ctx, in.Journal, nil)...)
	}
	x.soft = ctx
	x.Progress.Begin(x.doing())
	x.run(ctx)
	diags = append(diags, x.finish()...)
	result := x.result()
	if result.Cancelled && len(result.NotDone) > 0 {
		in.Journal.Stop()
	}
	diags = append(diags, closeJournal(ctx, in.Journal, &result)...)
	return result, diags
}

func closeJournal(ctx context.Context, j Journal, result *Result) hcl.Diagnostics {
	s, err := j.Close(context.WithoutCancel(ctx))
	if err != nil {
		return hcl.Diagnostics{errorf(nil, "State not written", fmt.Sprintf(
			"%s. What was done is in the journal, and the next command goes on from it.", sentence(err)))}
	}
	if result != nil {
		result.State = s
	}
	return nil
}

func journalFailed(err error) hcl.Diagnostics {
	return hcl.Diagnostics{errorf(nil, "Journal not written", fmt.Sprintf(
		"%s. No further step was started, because what it did could not be recorded.", sentence(err)))}
}

func newExecutor(p *Plan, in ApplyInput) (*executor, hcl.Diagnostics) {
	if in.Parallelism <= 0 {
		in.Parallelism = defaultParallelism
	}
	if in.Attempts <= 0 {
		in.Attempts = defaultAttempts
	}
	if in.Backoff <= 0 {
		in.Backoff = defaultBackoff
	}
	if in.Progress == nil {
		in.Progress = silent{}
	}
	if in.Hard == nil {
		in.Hard = context.Background()
	}
	if in.BaseDir == "" && in.Config != nil {
		in.BaseDir = in.Config.Dir
	}
	if in.Stowaged == nil {
		in.Stowaged = StowagedBeside
	}
	if in.Push == nil && in.Fleet != nil {
		in.Push = in.Fleet.Push
	}
	in.State = p.relocated(in.State)
	if in.Own == nil && in.Fleet != nil {
		in.Own = in.Fleet.Own
	}
	x := &executor{
		ApplyInput: in, plan: p, kinds: newKinds(in.Kinds), changes: make(map[string]*Change, len(p.Changes)),
		values: map[string]cty.Value{}, clusterID: in.State.ClusterID, hashKey: in.State.HashKey,
	}
	if len(p.hashKey) > 0 {
		x.hashKey = p.hashKey
	}
	for _, c := range p.Changes {
		x.changes[c.Address] = c
		if x.kinds[c.Kind] == nil {
			return nil, hcl.Diagnostics{errorf(nil, "Unknown kind in the plan", fmt.Sprintf("%s has the kind %q, which this version of Stowage does not have.", c.Address, c.Kind))}
		}
	}
	for _, d := range p.Data {
		x.values[d.Address] = d.Value
	}
	x.topology()
	diags := x.evaluator()
	if !diags.HasErrors() {
		diags = append(diags, x.rewritten()...)
	}
	return x, diags
}

// evaluator prepares the evaluation of what was not known when the plan was made.
func (x *executor) evaluator() hcl.Diagnostics {
	x.ev = x.plan.ev
	if x.ev == nil && x.needsEvaluation() {
		if x.Config == nil {
			return hcl.Diagnostics{errorf(nil, "Configuration missing", "The plan has values that are known only after apply, and no configuration was given to evaluate them with.")}
		}
		inputs := x.Inputs
		inputs.Now = x.plan.Created
		ev, diags := lang.NewEvaluator(x.Config, inputs)
		if diags.HasErrors() {
			return diags
		}
		x.ev = ev
		for b := range ev.Blocks() {
			keys, diags := ev.Expand(b)
			if diags.HasErrors() && x.plan.Partial() {
				continue // the plan is not about it
			}
			if diags.HasErrors() {
				return diags
			}
			for _, key := range keys {
				address := lang.InstanceAddress(b.Address(), key)
				if v, ok := x.value(address); ok {
					ev.Set(address, v)
				}
			}
		}
	}
	if x.ev != nil {
		x.sources = map[string]*lang.Block{}
		for b := range x.ev.Blocks() {
			x.sources[b.Address()] = b
		}
	}
	return nil
}

func (x *executor) needsEvaluation() bool {
	if x.Config != nil && x.Config.Conditioned() || x.writes() {
		return true
	}
	for _, c := range x.plan.Changes {
		if !c.Settled && c.Action != NoOp && !c.Action.ends() {
			return true
		}
	}
	for _, o := range x.plan.Outputs {
		if o.Action != Delete && !o.After.IsWhollyKnown() {
			return true
		}
	}
	return false
}

// begin names the cluster before its first node is made, and records what moved.
func (x *executor) begin() error {
	if x.clusterID == "" && x.plan.Adopts == "" && x.hasStep(func(k *kindInfo, s Step) bool { return k.carrier != nil && s.Kind == StepApply }) {
		x.clusterID = newID()
		if err := x.Journal.SetClusterID(x.clusterID); err != nil {
			return err
		}
	}
	if err := x.recordMoves(); err != nil {
		return err
	}
	if err := x.recordImports(); err != nil {
		return err
	}
	return x.recordReplacements()
}

// recordReplacements keeps what nothing would ask for again if this apply does not come
// that far. The records share their flushes.
func (x *executor) recordReplacements() error {
	var g errgroup.Group
	g.SetLimit(256)
	for _, c := range x.plan.Changes {
		rec := x.State.Instances[c.Address]
		if c.Action != Replace || !c.Once || rec == nil {
			continue
		}
		again := *rec
		again.Replace = true
		g.Go(func() error { return x.Journal.Done(c.Address, &again) })
	}
	return g.Wait()
}

// recordMoves gives the recorded instances the addresses that the plan has for them,
// before anything is done to them. The records share their flushes.
func (x *executor) recordMoves() error {
	var g errgroup.Group
	g.SetLimit(256)
	for _, c := range x.plan.Changes {
		if rec := x.State.Instances[c.Address]; c.MovedFrom != "" && rec != nil {
			g.Go(func() error { return x.Journal.Move(c.MovedFrom, rec) })
		}
	}
	return g.Wait()
}

// doing is the number of steps that do something.
func (x *executor) doing() int {
	n := 0
	for _, s := range x.plan.Steps {
		if s.Kind != StepJoin {
			n++
		}
	}
	return n
}

func (x *executor) hasStep(f func(*kindInfo, Step) bool) bool {
	for _, s := range x.plan.Steps {
		if (s.Kind == StepApply || s.Kind == StepDelete) && f(x.kinds[x.plan.Changes[s.Index].Kind], s) {
			return true
		}
	}
	return false
}

// finish records what is true beyond the steps: refreshed values, outputs, the end
// of the cluster. It returns the diagnostics of the whole run.
func (x *executor) finish() hcl.Diagnostics {
	diags := x.diags
	if x.broken != nil {
		return append(diags, journalFailed(x.broken)...)
	}
	if err := x.recordRefreshed(); err != nil {
		return append(diags, journalFailed(err)...)
	}
	diags = append(diags, x.unjudged()...)
	d, err := x.recordOutputs()
	diags = append(append(diags, d...), x.check()...)
	if err == nil && x.clusterID != "" && x.lastNodeGone() {
		err = x.Journal.SetClusterID("")
	}
	if err != nil {
		diags = append(diags, journalFailed(err)...)
	}
	return diags
}

func (x *executor) lastNodeGone() bool {
	gone := false
	for i, s := range x.plan.Steps {
		if s.Kind != StepDelete || x.kinds[x.plan.Changes[s.Index].Kind].carrier == nil {
			continue
		}
		if x.states[i] != stepDone {
			return false
		}
		gone = true
	}
	return gone && len(x.specs) == 0
}

// result counts and lists.
func (x *executor) result() Result {
	r := Result{Cancelled: x.cancelled, Outputs: x.outputs, Checks: x.checks, Moved: x.plan.Count().Move, Imported: x.plan.Count().Import}
	for i, s := range x.plan.Steps {
		if s.Kind == StepJoin {
			continue
		}
		title := stepTitle(x.plan, s)
		switch x.states[i] {
		case stepDone:
			r.Done = append(r.Done, title)
		case stepFailed:
			r.Failed = append(r.Failed, title)
			continue
		default:
			r.NotDone = append(r.NotDone, title)
			continue
		}
		switch {
		case s.Kind == StepDelete && x.plan.Changes[s.Index].Action == Forget:
			r.Forgotten++
		case s.Kind == StepDelete:
			r.Destroyed++
		case s.Kind == StepApply && x.plan.Changes[s.Index].Action == Read:
		case s.Kind == StepApply && x.plan.Changes[s.Index].Action == Update:
			r.Changed++
		case s.Kind == StepApply:
			r.Added++
		}
	}
	return r
}

// StowagedEnv names the environment variable with the directory of the agent's builds.
const StowagedEnv = "STOWAGE_STOWAGED_DIR"

// StowagedBeside finds the agent's build for a GOARCH, stowaged-linux-ARCH, in the
// directory that STOWAGE_STOWAGED_DIR names, or beside the running executable.
func StowagedBeside(arch string) (string, error) {
	dir := os.Getenv(StowagedEnv)
	if dir == "" {
		exe, err := executable()
		if err != nil {
			return "", fmt.Errorf("the agent's build for linux/%s cannot be looked for: %w; set %s to its directory", arch, err, StowagedEnv)
		}
		dir = exe
	}
	path := dir + string(os.PathSeparator) + "stowaged-linux-" + arch
	if _, err := os.Stat(path); err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return "", fmt.Errorf("there is no build of the agent for linux/%s: %s does not exist; run `make build`, or set %s to the directory that holds it", arch, path, StowagedEnv)
		}
		return "", err
	}
	return path, nil
}
