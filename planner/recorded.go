package planner

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/lang/schema"
	"github.com/stowage-iac/stowage/providers"
	"github.com/stowage-iac/stowage/state"
)

// Recorded evaluates a configuration with the values that a state records, for
// commands that look at them. What the state does not record, or records only in
// part, is unknown.
func Recorded(cfg *lang.Config, inputs lang.Inputs, s *state.State, kinds map[string]providers.Kind) (*lang.Evaluator, hcl.Diagnostics) {
	ev, diags := lang.NewEvaluator(cfg, inputs)
	if diags.HasErrors() {
		return nil, diags
	}
	known, dec := newKinds(kinds), newDecoder()
	for b := range ev.Blocks() {
		keys, more := ev.Expand(b)
		diags = append(diags, more...)
		for _, key := range keys {
			address := lang.InstanceAddress(b.Address(), key)
			inst := s.Instances[address]
			if inst == nil || inst.Incomplete || known[inst.Kind] == nil {
				ev.Set(address, unknown(b.Resource.Schema))
				continue
			}
			v, err := dec.instance(known[inst.Kind], inst)
			if err != nil {
				diags = append(diags, errorf(nil, "Damaged state", "The state cannot be used: "+err.Error()+"."))
				continue
			}
			ev.Set(address, v)
		}
	}
	return ev, diags
}

// unknown is an object of which nothing is known but what is sensitive.
func unknown(b *schema.Block) cty.Value {
	ty := b.ImpliedType()
	attrs := make(map[string]cty.Value, len(ty.AttributeTypes()))
	for name, aty := range ty.AttributeTypes() {
		attrs[name] = cty.UnknownVal(aty)
		if a := b.Attributes[name]; a != nil && a.Sensitive {
			attrs[name] = attrs[name].WithMarks(lang.Sensitive)
		}
	}
	return cty.ObjectVal(attrs)
}

// Evaluator evaluates with the planned values; nil of a plan that was opened from
// a file, and of one to destroy everything.
func (p *Plan) Evaluator() *lang.Evaluator { return p.ev }
