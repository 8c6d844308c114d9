package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"filippo.io/age"
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/lang/numbers"
	"github.com/stowage-iac/stowage/planner"
	"github.com/stowage-iac/stowage/providers"
	"github.com/stowage-iac/stowage/providers/data"
	"github.com/stowage-iac/stowage/providers/data/outputs"
	"github.com/stowage-iac/stowage/state"
	"github.com/stowage-iac/stowage/state/local"
)

// outside is what sources of data may ask of the configuration's surroundings.
type outside struct {
	r      *Run
	config *lang.Config
}

var _ providers.Outside = outside{}

// Identities implements providers.Outside.
func (o outside) Identities() ([]age.Identity, []string, error) {
	return o.r.Keys(o.config).Identities()
}

// Outputs implements providers.Outside.
func (o outside) Outputs(ctx context.Context, of providers.StateRef) (map[string]cty.Value, error) {
	if of.Path != "" {
		return o.file(ctx, of.Path)
	}
	dir, err := filepath.Abs(of.Directory)
	if err != nil {
		return nil, err
	}
	options := o.r.options(nil, func(declared []string) (string, string) {
		if name := contextName(o.config); of.Context == "" && slices.Contains(declared, name) {
			return name, "the same context as here"
		}
		return of.Context, "the argument context"
	})
	options.Module = o.r.modules(dir).Find
	config, diags := lang.Load(dir, options)
	if diags.HasErrors() && !config.StateKnown {
		return nil, firstError(diags)
	}
	if len(config.Contexts) > 0 && config.Selected == nil {
		return nil, errors.New("it has contexts, and none of them is this one: set context")
	}
	store, diags := o.r.open(dir, config)
	if diags.HasErrors() {
		return nil, firstError(diags)
	}
	return recorded(ctx, store)
}

func firstError(diags hcl.Diagnostics) error {
	for _, d := range diags {
		if d.Severity == hcl.DiagError {
			return fmt.Errorf("its configuration has an error: %s", d.Detail)
		}
	}
	return errors.New("its configuration has an error")
}

// file reads a state file: ours, or one of Terraform or OpenTofu.
func (o outside) file(ctx context.Context, path string) (map[string]cty.Value, error) {
	b, _, err := data.ReadFile(ctx, path, data.MaxBytes)
	if err != nil {
		return nil, err
	}
	var tf terraformState
	if json.Unmarshal(b, &tf) == nil && tf.TerraformVersion != "" {
		return tf.outputs()
	}
	return recorded(ctx, state.NewStore(local.New(path), state.Options{Keys: o.r.Keys(o.config), Version: api.StowageVersion}))
}

// recorded are the outputs of a state, read without a lock.
func recorded(ctx context.Context, store *state.Store) (map[string]cty.Value, error) {
	loaded, err := store.Load(ctx)
	if err != nil {
		return nil, err
	}
	if !loaded.Exists {
		return nil, outputs.ErrNoState
	}
	values := make(map[string]cty.Value, len(loaded.State.Outputs))
	for name, o := range loaded.State.Outputs {
		if values[name], err = planner.DecodeOutput(o); err != nil {
			return nil, fmt.Errorf("the output %q: %w", name, err)
		}
	}
	return values, nil
}

// terraformState is what Terraform and OpenTofu write, as far as outputs go.
type terraformState struct {
	Version          int    `json:"version"`
	TerraformVersion string `json:"terraform_version"`
	Outputs          map[string]struct {
		Value     json.RawMessage `json:"value"`
		Type      json.RawMessage `json:"type"`
		Sensitive bool            `json:"sensitive"`
	} `json:"outputs"`
}

func (s terraformState) outputs() (map[string]cty.Value, error) {
	if s.Version != 4 {
		return nil, fmt.Errorf("it is a state of Terraform with the format %d, and 4 can be read", s.Version)
	}
	values := make(map[string]cty.Value, len(s.Outputs))
	for name, o := range s.Outputs {
		ty, err := ctyjson.UnmarshalType(o.Type)
		if err != nil {
			return nil, fmt.Errorf("the output %q: %w", name, err)
		}
		v, err := numbers.FromJSON(o.Value, ty)
		if err != nil {
			return nil, fmt.Errorf("the output %q: %w", name, err)
		}
		if o.Sensitive {
			v = v.WithMarks(lang.Sensitive)
		}
		values[name] = v
	}
	return values, nil
}
