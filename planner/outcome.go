package planner

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"golang.org/x/sync/errgroup"

	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/state"
)

// recordRefreshed records what changed by itself since the last apply, so that it
// is not told again. The records share their flushes.
func (x *executor) recordRefreshed() error {
	var g errgroup.Group
	g.SetLimit(256)
	for _, c := range x.plan.Changes {
		if c.Action != NoOp || !c.Refreshed {
			continue
		}
		v, ok := x.value(c.Address)
		if !ok {
			continue
		}
		if v.IsNull() {
			g.Go(func() error { return x.Journal.Done(c.Address, nil) })
			continue
		}
		inst, err := x.kinds[c.Kind].record(c, v)
		if err != nil {
			return err
		}
		g.Go(func() error { return x.Journal.Done(inst.Address, inst) })
	}
	return g.Wait()
}

// recordOutputs evaluates the outputs and records them. One that depends on
// something that failed keeps its recorded value.
func (x *executor) recordOutputs() (hcl.Diagnostics, error) {
	var diags hcl.Diagnostics
	x.outputs = map[string]cty.Value{}
	recorded := map[string]*state.Output{}
	changed := false
	for _, o := range x.plan.Outputs {
		v, d := x.outputValue(o)
		diags = append(diags, d...)
		if v == cty.NilVal {
			if old := x.State.Outputs[o.Name]; old != nil && o.Action != Delete {
				recorded[o.Name] = old
			}
			changed = changed || o.Action == Delete
			continue
		}
		if o.Sensitive {
			v = v.WithMarks(lang.Sensitive)
		}
		out, err := recordOutput(v, o.Sensitive)
		if err != nil {
			diags = append(diags, errorf(nil, "Output not recorded", fmt.Sprintf("The output %q cannot be recorded: %s.", o.Name, err)))
			continue
		}
		x.outputs[o.Name], recorded[o.Name] = v, out
		old := x.State.Outputs[o.Name]
		changed = changed || old == nil || string(compact(old.Value)) != string(out.Value) || old.Sensitive != out.Sensitive
	}
	if !changed {
		return diags, nil
	}
	return diags, x.Journal.SetOutputs(recorded)
}

// outputValue is an output's final value; NilVal when it is not to be had.
func (x *executor) outputValue(o OutputChange) (cty.Value, hcl.Diagnostics) {
	switch o.Action {
	case Delete:
		return cty.NilVal, nil
	case NoOp:
		return o.After, nil
	}
	undone := x.undone()
	if x.ev == nil {
		if len(undone) > 0 {
			return cty.NilVal, nil // it may depend on what was not done
		}
		return o.After, nil
	}
	v, deps, diags := x.ev.Output(o.Name)
	for _, d := range deps {
		if undone[d] {
			return cty.NilVal, nil
		}
	}
	if diags.HasErrors() || !v.IsWhollyKnown() {
		return cty.NilVal, diags
	}
	return v, nil
}

// undone are the addresses, and their blocks, with a step that failed or did not start.
func (x *executor) undone() map[string]bool {
	undone := map[string]bool{}
	for i, s := range x.plan.Steps {
		if x.states[i] != stepDone && (s.Kind == StepApply || s.Kind == StepDelete) {
			address := x.plan.Changes[s.Index].Address
			for _, name := range lang.Covers(address) {
				undone[name] = true
			}
		}
	}
	return undone
}
