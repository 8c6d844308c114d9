package tests

import (
	"context"
	"fmt"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/run"
	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/lang/testfile"
	"github.com/stowage-iac/stowage/planner"
	"github.com/stowage-iac/stowage/providers"
	"github.com/stowage-iac/stowage/state"
)

// run makes a plan, applies it if that is the command, and checks what is asserted.
func (f *file) run(soft, hard context.Context, r *testfile.Run) Result {
	res := Result{Run: r}
	p, diags := f.place(r.Module)
	if diags.HasErrors() {
		return f.judge(res, p, diags)
	}
	if c := p.config.Selected; r.Apply && c != nil && c.Protected {
		return f.judge(res, p, append(diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Protected context", Subject: r.Range.Ptr(),
			Detail: fmt.Sprintf("The context %s is protected, and this run would apply to its hosts. Choose another one with -context, or write command = plan.", c.Name)}))
	}
	inputs, more := f.inputs(p, r)
	if diags = append(diags, more...); diags.HasErrors() {
		return f.judge(res, p, diags)
	}
	p.data = planner.NewDataReader(planner.DataOptions{Outside: f.Suite.Run.Outside(p.config), Parallelism: f.Parallelism})
	locked, err := p.store.Lock(soft, "test", 0)
	if err != nil {
		return f.judge(res, p, append(diags, run.Diagnose("Cannot lock the state", err)...))
	}
	defer locked.Unlock()
	loaded, err := locked.Load(soft)
	if err != nil {
		return f.judge(res, p, append(diags, run.Diagnose("Cannot read the state", err)...))
	}
	plan, more := f.plan(soft, p, r, inputs, loaded)
	if diags = append(diags, more...); diags.HasErrors() {
		return f.judge(res, p, diags)
	}
	res.Plan = plan
	outputs := planned(plan)
	if r.Apply {
		if !contains(f.applied, p) {
			f.applied = append(f.applied, p)
		}
		after, more := p.apply(soft, hard, locked, loaded, plan, inputs)
		if diags = append(f.unchecked(p, diags), more...); diags.HasErrors() {
			return f.judge(res, p, diags)
		}
		res.Applied = after
		if outputs, err = recorded(after); err != nil {
			return f.judge(res, p, append(diags, run.Diagnose("Cannot read the state", err)...))
		}
	}
	f.outputs[r.Name] = cty.ObjectVal(outputs)
	diags = append(diags, f.asserts(r, plan.Evaluator(), outputs)...)
	return f.judge(res, p, diags)
}

// plan plans from hosts that are looked at once an apply has made nodes of them, and
// before that from what the test says of them.
func (f *file) plan(ctx context.Context, p *place, r *testfile.Run, inputs lang.Inputs, loaded *state.Loaded) (*planner.Plan, hcl.Diagnostics) {
	in := planner.Input{
		Config: p.config, Inputs: inputs, State: loaded.State, Cut: loaded.Interrupted, Kinds: f.Suite.Run.Kinds,
		Data: p.data.Read, Outside: f.Suite.Run.Outside(p.config), BaseDir: p.source, Context: p.config.Context, Version: api.StowageVersion, Now: time.Now(),
		Options: planner.Options{Targets: r.Options.Target, Excludes: r.Options.Exclude, Replace: r.Options.Replace, RefreshOnly: r.Options.RefreshOnly},
	}
	var world *providers.World
	var diags hcl.Diagnostics
	switch looks := r.Apply || p.real(loaded.State); {
	case looks && !r.Options.NoRefresh:
		in.Images, in.Resolve = p.fleet, run.Resolver(ctx)
		world, diags = p.refresh(ctx, loaded, inputs, false)
	case !looks:
		world, diags = p.pretended(inputs, r)
	}
	if diags.HasErrors() {
		return nil, diags
	}
	in.World = world
	plan, more := planner.Make(ctx, in)
	return plan, append(diags, more...)
}

// planned are the outputs as a plan has them.
func planned(p *planner.Plan) map[string]cty.Value {
	outputs := map[string]cty.Value{}
	for _, o := range p.Outputs {
		if o.Action != planner.Delete {
			outputs[o.Name] = o.After
		}
	}
	return outputs
}

// recorded are the outputs of a state.
func recorded(s *state.State) (map[string]cty.Value, error) {
	all, err := run.Outputs(s)
	outputs := map[string]cty.Value{}
	for name, o := range all {
		outputs[name] = o.Value
	}
	return outputs, err
}

func contains(places []*place, p *place) bool {
	for _, other := range places {
		if other == p {
			return true
		}
	}
	return false
}
