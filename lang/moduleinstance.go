package lang

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// moduleInstance is what an evaluation holds of one instance of a module; the root
// has exactly one. References are resolved within it.
type moduleInstance struct {
	module    *Module
	e         *Evaluator
	whole     *Block                      // stands for everything in it, as a dependency; nil for the root
	address   string                      // module.app["a"]; "" for the root
	called    *called                     // nil for the root
	key       cty.Value                   // among the instances of called
	each      cty.Value                   // each.value
	deps      []dep                       // of everything in it: what its calls have as count, for_each and depends_on
	variables []cache                     // by Variable.index
	locals    []cache                     // by Local.index
	outputs   []cache                     // by Output.index, of a called module
	blocks    []*Block                    // by Resource.slot
	calls     []*called                   // by Call.slot
	bodies    []atomic.Pointer[bodyCache] // by body.slot; nil: not asked for yet
	commons   []commonCache
}

func (e *Evaluator) newInstance(m *Module, address string) *moduleInstance {
	mi := &moduleInstance{
		module: m, e: e, address: address,
		variables: make([]cache, len(m.variables)),
		locals:    make([]cache, len(m.locals)),
		outputs:   make([]cache, len(m.Outputs)),
		blocks:    make([]*Block, 0, len(m.Resources)+len(m.scoped)),
		calls:     make([]*called, len(m.calls)),
		bodies:    make([]atomic.Pointer[bodyCache], m.bodies),
		commons:   make([]commonCache, m.commons),
	}
	blocks := make([]Block, len(m.Resources)+len(m.scoped))
	for _, list := range [][]*Resource{m.Resources, m.scoped} {
		for _, r := range list {
			b := &blocks[len(mi.blocks)]
			b.Resource, b.in, b.address, b.number = r, mi, within(address, r.address), e.numbers.Add(1)
			mi.blocks = append(mi.blocks, b)
		}
	}
	if address != "" {
		mi.whole = &Block{in: mi, address: address, number: e.numbers.Add(1)}
	}
	for i, c := range m.calls {
		whole := &Block{in: mi, address: within(address, c.address()), number: e.numbers.Add(1)}
		mi.calls[i] = &called{call: c, in: mi, whole: whole}
	}
	return mi
}

// inside is a frame of the module.
func (m *moduleInstance) inside() *frame { return m.frame(nil) }

// cache is a value, as long as nothing that it reaches is Set anew.
type cache struct {
	mu    sync.Mutex
	valid bool
	seen  []uint64 // generations of the blocks that it reaches
	value cty.Value
	deps  []dep
}

// remember evaluates something once, until something that it reaches changes.
// fresh says that it was evaluated now.
func (e *Evaluator) remember(c *cache, reach []*Resource, in func() *frame, evaluate func(*frame) cty.Value) (v cty.Value, deps []dep, fresh bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.valid && e.unchanged(reach, c.seen) {
		return c.value, c.deps, false
	}
	c.seen = e.generations(reach, c.seen)
	f := in()
	c.value, c.valid = evaluate(f), true
	c.deps = e.shared(f.deps)
	return c.value, c.deps, true
}

func (m *moduleInstance) local(l *Local) (cty.Value, []dep) {
	v, deps, _ := m.e.remember(&m.locals[l.index], l.named.reach, m.inside, func(f *frame) cty.Value {
		v, diags := l.expr.Value(f.ctx)
		if !diags.HasErrors() && tooLarge(v) {
			diags = append(diags, &hcl.Diagnostic{
				Severity: hcl.DiagError, Summary: "Value too large", Subject: l.expr.Range().Ptr(),
				Detail: fmt.Sprintf("The value of local.%s has more than %d MiB. Local values that contain each other double with each step; build it from less.", l.Name, maxValue>>20),
			})
		}
		m.report(f.explain(l.expr.Expression, diags))
		if diags.HasErrors() {
			return cty.DynamicVal
		}
		return v
	})
	return v, deps
}
