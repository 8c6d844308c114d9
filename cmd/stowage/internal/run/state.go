package run

import (
	"context"
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/view"
	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/planner"
	"github.com/stowage-iac/stowage/state"
)

// Recorded reads the state for a command that only looks at it. An apply that
// was cut off, or that runs right now, is told on standard error.
func (r *Run) Recorded(ctx context.Context) (*state.State, hcl.Diagnostics) {
	store, diags := r.Stored()
	if diags.HasErrors() {
		return nil, diags
	}
	loaded, err := store.Load(ctx)
	if err != nil {
		return nil, Diagnose("Cannot read the state", err)
	}
	if i := loaded.Interrupted; i != nil {
		r.Note(fmt.Sprintf("the %s that %s began at %s has not ended: it runs right now, or it was cut off. In the latter case the next apply continues it.",
			i.Operation, i.By, i.Started.UTC().Format("2006-01-02 15:04:05 UTC")))
	}
	return loaded.State, nil
}

// Addresses are those of the recorded instances, sorted.
func Addresses(s *state.State) []string {
	out := make([]string, 0, len(s.Instances))
	for a := range s.Instances {
		out = append(out, a)
	}
	slices.SortFunc(out, lang.CompareAddresses)
	return out
}

// Instance decodes a recorded instance.
func (r *Run) Instance(in *state.Instance) (view.Instance, hcl.Diagnostics) {
	kind := r.Kinds[in.Kind]
	if kind == nil {
		return view.Instance{}, Diagnose("Cannot read the state",
			fmt.Errorf("%s is of the kind %q, which this version of stowage (%s) does not know; use a newer one", in.Address, in.Kind, api.StowageVersion))
	}
	v, err := planner.DecodeInstance(kind, in)
	if err != nil {
		return view.Instance{}, Diagnose("Cannot read the state", fmt.Errorf("%s: %w", in.Address, err))
	}
	return view.Instance{Address: in.Address, Kind: in.Kind, Value: v, Deps: in.Deps, Placement: in.Placement}, nil
}

// Instances decodes the recorded instances of a state, sorted by address.
func (r *Run) Instances(s *state.State) ([]view.Instance, hcl.Diagnostics) {
	var out []view.Instance
	var diags hcl.Diagnostics
	for _, address := range Addresses(s) {
		in, ds := r.Instance(s.Instances[address])
		diags = append(diags, ds...)
		out = append(out, in)
	}
	return out, diags
}

// Outputs decodes the recorded outputs of a state. Sensitive ones are marked.
func Outputs(s *state.State) (map[string]view.Output, error) {
	out := map[string]view.Output{}
	for name, o := range s.Outputs {
		v, err := planner.DecodeOutput(o)
		if err != nil {
			return nil, fmt.Errorf("output %s: %w", name, err)
		}
		out[name] = view.Output{Value: v, Sensitive: o.Sensitive}
	}
	return out, nil
}

// Plain is an output's value without marks, for those who ask for it by name.
func Plain(o view.Output) cty.Value {
	v, _ := o.Value.UnmarkDeep()
	return v
}
