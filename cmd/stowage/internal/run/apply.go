package run

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/stowage-iac/stowage/cmd/stowage/internal/cli"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/view"
	"github.com/stowage-iac/stowage/planner"
	"github.com/stowage-iac/stowage/providers"
	"github.com/stowage-iac/stowage/state"
)

// Apply does what a plan says. soft keeps new steps from starting when it ends,
// hard ends running ones.
func (s *Session) Apply(soft, hard context.Context, p *planner.Plan) int {
	result, diags := s.execute(soft, hard, p)
	if p.Partial() {
		diags = append(diags[:len(diags):len(diags)], p.AppliedWarning())
	}
	if !whole(result, diags) {
		s.apart(result)
		s.report(diags)
		s.unfinished(result)
		if hard.Err() != nil {
			return cli.Interrupted
		}
		return cli.Failed
	}
	if len(diags) > 0 {
		s.apart(result)
		s.report(diags)
	}
	if err := s.complete(p, result); err != nil {
		return s.r.Fail("Cannot write the result", err)
	}
	return cli.OK
}

// whole reports whether everything was done. An interrupt that came when the last
// steps ran has kept nothing from being done.
func whole(result planner.Result, diags hcl.Diagnostics) bool {
	return !diags.HasErrors() && len(result.Failed)+len(result.NotDone) == 0
}

// apart leaves an empty line between the progress of an apply and what is said of it.
func (s *Session) apart(result planner.Result) {
	if s.stream == nil && len(result.Done)+len(result.Failed) > 0 {
		fmt.Fprintln(s.r.T.Err)
	}
}

// Settle ends an apply of a plan without changes: what changed by itself is
// recorded, so that it is not told again.
func (s *Session) Settle(soft, hard context.Context, p *planner.Plan) int {
	if !settles(p) && s.loaded.Interrupted == nil {
		return cli.OK
	}
	if _, diags := s.execute(soft, hard, p); diags.HasErrors() {
		return s.failed(diags)
	}
	return cli.OK
}

// execute runs the plan between the opening of the journal and its end.
func (s *Session) execute(soft, hard context.Context, p *planner.Plan) (planner.Result, hcl.Diagnostics) {
	name := "apply"
	if p.Destroy {
		name = "destroy"
	}
	if losesManager(p) {
		if err := s.locked.Evacuate(hard, s.loaded); err != nil {
			return planner.Result{}, Diagnose("Cannot bring the state out of the cluster", err)
		}
	}
	journal, err := s.locked.Begin(hard, s.loaded, state.Operation{Name: name, Plan: planID(p), Sensitive: p.Sensitive(), Partial: p.Partial() || p.RefreshOnly})
	if err != nil {
		return planner.Result{}, Diagnose("Cannot begin the apply", err)
	}
	s.applying.Store(true)
	progress := s.show()
	defer s.quiet()
	defer timed("apply", "plan", planID(p))()
	in := s.applyInput(hard)
	in.Journal, in.Progress = journal, progress
	return planner.Apply(soft, p, in)
}

// applyInput is what an apply needs, but for what there is only once it begins.
func (s *Session) applyInput(hard context.Context) planner.ApplyInput {
	return planner.ApplyInput{
		Config: s.config, Inputs: s.inputs, State: s.loaded.State, Kinds: s.r.Kinds,
		Fleet: s.fleet, Hard: hard, Parallelism: s.o.Parallelism, BaseDir: ".", Resolve: resolver(hard),
		Data: s.data.Read, Outside: outside{s.r, s.config},
	}
}

// complete writes the good end.
func (s *Session) complete(p *planner.Plan, result planner.Result) error {
	n := counts(result)
	outputs := map[string]view.Output{}
	for _, o := range p.Outputs {
		if v, ok := result.Outputs[o.Name]; ok {
			outputs[o.Name] = view.Output{Value: v, Sensitive: o.Sensitive}
		}
	}
	if s.stream == nil {
		return s.r.Out().Complete(s.r.T.Out, p, n, outputs)
	}
	operation := "apply"
	if p.Destroy {
		operation = "destroy"
	}
	s.stream.Checks(result.Checks)
	s.stream.Summary(operation, n, n.Done())
	if err := s.stream.Outputs(outputs); err != nil {
		return err
	}
	return s.stream.Err()
}

// counts are what an apply did.
func counts(r planner.Result) view.Summary {
	return view.Summary{Import: r.Imported, Add: r.Added, Change: r.Changed, Destroy: r.Destroyed, Forget: r.Forgotten, Move: r.Moved}
}

// unfinished tells how far an apply came.
func (s *Session) unfinished(result planner.Result) {
	if s.stream != nil {
		n := counts(result)
		s.stream.Unfinished(n, view.Left{Interrupted: result.Cancelled, Done: len(result.Done), Failed: result.Failed, NotBegun: result.NotDone})
		return
	}
	s.r.Err().Unfinished(s.r.T.Err, contextName(s.config), result.Cancelled, result.Done, result.Failed, result.NotDone)
}

// settles reports whether a plan without changes has something to record.
func settles(p *planner.Plan) bool {
	for _, c := range p.Changes {
		if c.Refreshed {
			return true
		}
	}
	return false
}

// planID names a plan in the journal.
func planID(p *planner.Plan) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d %s", p.Lineage, p.Serial, p.Created.UTC().Format(time.RFC3339Nano)))
	return hex.EncodeToString(sum[:])[:12]
}

// losesManager reports whether a plan destroys or replaces a manager, which may keep the state.
func losesManager(p *planner.Plan) bool {
	for _, c := range p.Changes {
		if c.Kind == "node" && (c.Action == planner.Delete || c.Action == planner.Replace) && providers.Str(c.Before, "role") == "manager" {
			return true
		}
	}
	return false
}
