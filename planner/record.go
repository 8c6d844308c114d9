package planner

import (
	"fmt"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/providers"
	"github.com/stowage-iac/stowage/state"
)

// DecodeInstance reads a recorded instance's value, an object of the kind's
// schema with sensitive parts marked.
func DecodeInstance(kind providers.Kind, inst *state.Instance) (cty.Value, error) {
	return newDecoder().instance(newKind(kind), inst)
}

// instance reads a recorded value.
func (d *decoder) instance(k *kindInfo, inst *state.Instance) (cty.Value, error) {
	v, err := d.decode(k.codec, inst.Value)
	if err == nil && len(inst.Sensitive) > 0 {
		v, err = restore(v, inst.Sensitive, nil)
	}
	if err != nil {
		return cty.NilVal, fmt.Errorf("the recorded value of %s cannot be read: %w", inst.Address, err)
	}
	return v, nil
}

// record encodes an instance for the state. The value must be wholly known.
func (k *kindInfo) record(c *Change, v cty.Value) (*state.Instance, error) {
	e, err := k.codec.encode(v)
	if err != nil {
		return nil, fmt.Errorf("%s cannot be recorded: %w", c.Address, err)
	}
	if len(e.Unknown) > 0 {
		return nil, fmt.Errorf("%s cannot be recorded: %v is still unknown after it was applied; this is a mistake in the kind %q",
			c.Address, e.Unknown, k.Name())
	}
	return &state.Instance{
		Address: c.Address, Kind: c.Kind, Object: recordedName(c.id()), Value: e.JSON, Sensitive: e.Sensitive,
		Deps: withoutData(c.Deps), Placement: c.Placement, PreventDestroy: c.PreventDestroy, DeleteTimeout: durationText(c.DeleteTimeout),
	}, nil
}

// partial records what is known of an instance whose apply has not finished.
func (k *kindInfo) partial(c *Change, v cty.Value) (*state.Instance, error) {
	e, err := k.codec.encode(v)
	if err != nil {
		return nil, fmt.Errorf("%s cannot be recorded: %w", c.Address, err)
	}
	return &state.Instance{
		Address: c.Address, Kind: c.Kind, Object: recordedName(c.id()), Value: e.JSON, Sensitive: e.Sensitive,
		Deps: withoutData(c.Deps), Placement: c.Placement, PreventDestroy: c.PreventDestroy, DeleteTimeout: durationText(c.DeleteTimeout), Incomplete: true,
	}, nil
}

// deleteTimeout is what bounds the deletion of a recorded instance.
func deleteTimeout(rec *state.Instance) time.Duration {
	d, _ := time.ParseDuration(rec.DeleteTimeout) // the state refuses what is none
	return d
}

// durationText is a duration as it is recorded: nothing for none.
func durationText(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}
