package planner

import (
	"encoding/json"
	"errors"
	"fmt"
	"sort"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/lang/numbers"
	"github.com/stowage-iac/stowage/state"
)

// DecodeOutput reads a recorded output; sensitive ones are marked.
func DecodeOutput(o *state.Output) (cty.Value, error) {
	ty, err := ctyjson.UnmarshalType(o.Type)
	if err != nil {
		return cty.NilVal, err
	}
	v, err := numbers.FromJSON(o.Value, ty)
	if err != nil {
		return cty.NilVal, err
	}
	if o.Sensitive {
		v = v.WithMarks(lang.Sensitive)
	}
	return v, nil
}

// recordOutput encodes an output's value; it must be wholly known.
func recordOutput(v cty.Value, sensitive bool) (*state.Output, error) {
	if lang.IsEphemeral(v) {
		return nil, errors.New("it is ephemeral: it can be recorded nowhere")
	}
	v, marks := v.UnmarkDeep()
	ty, err := ctyjson.MarshalType(v.Type())
	if err != nil {
		return nil, err
	}
	raw, err := ctyjson.Marshal(v, v.Type())
	if err != nil {
		return nil, err
	}
	return &state.Output{Value: json.RawMessage(raw), Type: json.RawMessage(ty), Sensitive: sensitive || len(marks) > 0}, nil
}

// outputs plans the output values.
func (m *maker) outputs() {
	if !m.in.Destroy && m.in.Config != nil && m.ev != nil {
		for _, o := range m.in.Config.Outputs {
			m.output(o)
		}
	}
	if m.in.Destroy && m.in.Partial() && m.anyStays() {
		return // what they are derived from may stay
	}
	var gone []string
	for name := range m.in.State.Outputs {
		if m.in.Destroy || !m.hasOutput(name) {
			gone = append(gone, name)
		}
	}
	sort.Strings(gone)
	for _, name := range gone {
		m.plan.Outputs = append(m.plan.Outputs, OutputChange{
			Name: name, Action: Delete, Before: m.outputBefore(name), After: cty.NullVal(cty.DynamicPseudoType),
			Sensitive: m.in.State.Outputs[name].Sensitive,
		})
	}
	sort.SliceStable(m.plan.Outputs, func(i, j int) bool { return m.plan.Outputs[i].Name < m.plan.Outputs[j].Name })
}

func (m *maker) anyStays() bool {
	for _, c := range m.plan.Changes {
		if c.Action != Delete {
			return true
		}
	}
	return false
}

func (m *maker) hasOutput(name string) bool {
	for _, o := range m.in.Config.Outputs {
		if o.Name == name {
			return true
		}
	}
	return false
}

func (m *maker) output(o *lang.Output) {
	v, deps, diags := m.ev.Output(o.Name)
	if m.outputStays(v, deps, diags) {
		if old, ok := m.in.State.Outputs[o.Name]; ok {
			before := m.outputBefore(o.Name)
			m.plan.Outputs = append(m.plan.Outputs, OutputChange{Name: o.Name, Action: NoOp, Before: before, After: before, Sensitive: old.Sensitive})
		}
		return
	}
	m.diags = append(m.diags, diags...)
	if diags.HasErrors() {
		return
	}
	if out := m.ev.Conditions(o); out.Status != "" {
		m.plan.Checks = append(m.plan.Checks, Checked{"output", "output." + o.Name, out.Status, out.Problems})
	}
	if o.Sensitive {
		v = v.WithMarks(lang.Sensitive)
	}
	c := OutputChange{Name: o.Name, Before: m.outputBefore(o.Name), After: v, Sensitive: o.Sensitive || lang.IsSensitive(v)}
	_, recorded := m.in.State.Outputs[o.Name]
	switch {
	case !recorded:
		c.Action = Create
	case sameOutput(c.Before, v) && c.Sensitive == m.in.State.Outputs[o.Name].Sensitive:
		c.Action = NoOp
	default:
		c.Action = Update
	}
	m.plan.Outputs = append(m.plan.Outputs, c)
}

// outputStays reports whether an output cannot be computed because of what the
// plan is not about.
func (m *maker) outputStays(v cty.Value, deps []string, diags hcl.Diagnostics) bool {
	if m.in.RefreshOnly {
		return diags.HasErrors() || !v.IsWhollyKnown()
	}
	if !m.in.Partial() {
		return false
	}
	for _, d := range deps {
		members := []string{d}
		if b := m.blocks[d]; b != nil {
			if b.failed {
				return true
			}
			for _, key := range b.keys {
				members = append(members, lang.InstanceAddress(d, key))
			}
		}
		for _, address := range members {
			if m.left[address] && (m.recorded(address) == nil || diags.HasErrors() || !v.IsWhollyKnown()) {
				return true
			}
		}
	}
	return false
}

func (m *maker) outputBefore(name string) cty.Value {
	o, ok := m.in.State.Outputs[name]
	if !ok {
		return cty.NullVal(cty.DynamicPseudoType)
	}
	v, err := DecodeOutput(o)
	if err != nil {
		m.diags = append(m.diags, errorf(nil, "Damaged state", fmt.Sprintf("The recorded output %q cannot be read: %s.", name, err)))
		return cty.NullVal(cty.DynamicPseudoType)
	}
	return v
}

// sameOutput compares without marks: an output is recorded as sensitive as a whole.
func sameOutput(a, b cty.Value) bool {
	a, _ = a.UnmarkDeep()
	b, _ = b.UnmarkDeep()
	return a.RawEquals(b)
}
