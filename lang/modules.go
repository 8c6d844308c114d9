package lang

import (
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// instances lists all instances of a module. What the count and for_each of its
// calls refer to must have been Set.
func (e *Evaluator) instances(m *Module) []*moduleInstance {
	e.modulesMu.RLock()
	known := e.byModule[m.index]
	e.modulesMu.RUnlock()
	if known != nil {
		return known
	}
	all := []*moduleInstance{}
	for _, parent := range e.instances(m.caller.in) {
		all = append(all, parent.calls[m.caller.slot].expand()...)
	}
	e.modulesMu.Lock()
	defer e.modulesMu.Unlock()
	e.byModule[m.index] = all
	return all
}

func (e *Evaluator) addModule(m *moduleInstance) {
	e.modulesMu.Lock()
	defer e.modulesMu.Unlock()
	e.modules[m.address] = m
}

// everywhere stands for a block in all instances of its module, as a dependency.
func (e *Evaluator) everywhere(r *Resource) *Block {
	if r.module.caller == nil {
		return e.root.blocks[r.slot]
	}
	e.modulesMu.Lock()
	defer e.modulesMu.Unlock()
	b := e.wide[r]
	if b == nil {
		b = &Block{Resource: r, in: e.root, address: r.Address(), number: e.numbers.Add(1)}
		e.wide[r] = b
	}
	return b
}

// Finish evaluates what no resource block needed, variables and outputs of called
// modules, and returns what is wrong with them. It comes after the last block.
func (e *Evaluator) Finish() hcl.Diagnostics {
	for _, m := range e.config.modules[1:] {
		for _, mi := range e.instances(m) {
			for _, v := range m.variables {
				mi.variable(v)
				mi.report(mi.validate(v, false))
			}
			for _, o := range m.Outputs {
				mi.output(o)
			}
		}
	}
	return append(e.Validations(), e.reported()...)
}

// Validations judges the validations of variables that refer to more than variables, as
// far as what they refer to is known; Finish does, too.
func (e *Evaluator) Validations() (diags hcl.Diagnostics) {
	for _, m := range e.config.modules {
		if !m.lateValidations() {
			continue
		}
		for _, mi := range e.instances(m) {
			for _, v := range m.variables {
				diags = append(diags, mi.locate(mi.validate(v, true))...)
			}
		}
	}
	return append(diags, e.reported()...)
}

// lateValidations reports whether a variable of the module has a validation that refers to more than variables.
func (m *Module) lateValidations() bool {
	return slices.ContainsFunc(m.variables, func(v *Variable) bool {
		return slices.ContainsFunc(v.validations, func(c *validation) bool { return c.late })
	})
}

// NoModule says why the configuration has no instance of a module that an address
// leads through: "module.app is not in the configuration". known is false where it
// could not be found out, because a count or for_each had errors. It is for after
// the last block; why is "" where the modules are there.
func (e *Evaluator) NoModule(address string) (why string, known bool) {
	at := e.root
	parsed, ok := ParseAddress(address)
	if !ok {
		return "", true
	}
	for _, s := range parsed.Modules {
		call := at.module.Calls[s.Name]
		written := within(at.address, "module."+s.Name)
		if call == nil || call.Module == nil {
			return written + " is not in the configuration", true
		}
		in := at.calls[call.slot]
		if in.expand(); in.failed {
			return "", false
		}
		switch {
		case s.Key == cty.NilVal && call.keyed():
			return written + " has count or for_each now", true
		case s.Key != cty.NilVal && !call.keyed():
			return written + " has neither count nor for_each any more", true
		case s.Key != cty.NilVal && s.Key.Type() != keyType(call):
			return fmt.Sprintf("%s has %s now", written, call.repetition()), true
		}
		next, problem := in.find(s.Key)
		switch {
		case problem == "":
			at = next
		case call.count != nil:
			return fmt.Sprintf("count of %s is %d", written, len(in.keys)), true
		default:
			return fmt.Sprintf("for_each of %s has no key %s", written, quote(s.Key.AsString())), true
		}
	}
	return "", true
}

// dependOnCall records an entry of depends_on that is a module.
func (f *frame) dependOnCall(d dependency) hcl.Diagnostics {
	in := f.m.calls[d.call.slot]
	if d.key == cty.NilVal {
		f.depend(in.whole, allOf)
		return nil
	}
	key, ok := d.call.keyOf(d.key)
	if !ok {
		return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "No such instance", Subject: d.rng.Ptr(),
			Detail: fmt.Sprintf("%s has %s, so that its instances have %ss as keys.", d.call.address(), d.call.repetition(), keyType(d.call).FriendlyName())}}
	}
	mi, why := in.find(key)
	switch {
	case why != "":
		return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "No such instance", Detail: why, Subject: d.rng.Ptr()}}
	case mi == nil:
		f.depend(in.whole, allOf)
	default:
		f.depend(mi.whole, allOf)
	}
	return nil
}
