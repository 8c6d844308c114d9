package lang

import (
	"sync"

	"github.com/zclconf/go-cty/cty"
)

// moduleInstance is what an evaluation holds of one instance of a module; the root
// has exactly one. References are resolved within it.
type moduleInstance struct {
	module    *Module
	e         *Evaluator
	address   string  // module.app["a"]; "" for the root
	variables []cache // by Variable.index
	locals    []cache // by Local.index
	blocks    []*Block
	bodies    []bodyCache // by body.slot
	commons   []commonCache
}

func (e *Evaluator) newInstance(m *Module, address string) *moduleInstance {
	mi := &moduleInstance{
		module: m, e: e, address: address,
		variables: make([]cache, len(m.variables)),
		locals:    make([]cache, len(m.locals)),
		blocks:    make([]*Block, len(m.Resources)),
		bodies:    make([]bodyCache, m.bodies),
		commons:   make([]commonCache, m.commons),
	}
	for i, r := range m.Resources {
		mi.blocks[i] = &Block{Resource: r, in: mi, address: within(address, r.address), number: e.numbers.Add(1)}
	}
	return mi
}

// cache is a value, as long as nothing that it reaches is Set anew.
type cache struct {
	mu    sync.Mutex
	valid bool
	seen  []uint64 // generations of the blocks that it reaches
	value cty.Value
	deps  []dep
}

// named evaluates what has a name, once until something that it reaches changes.
func (m *moduleInstance) named(c *cache, n *named, evaluate func(*frame) cty.Value) (cty.Value, []dep) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.valid && m.e.unchanged(n.reach, c.seen) {
		return c.value, c.deps
	}
	c.seen = m.e.generations(n.reach, c.seen)
	f := m.frame(nil)
	c.value, c.valid = evaluate(f), true
	c.deps = shared(f.deps)
	return c.value, c.deps
}

func (m *moduleInstance) local(l *Local) (cty.Value, []dep) {
	return m.named(&m.locals[l.index], &l.named, func(f *frame) cty.Value {
		v, diags := l.expr.Value(f.ctx)
		m.e.report(f.explain(l.expr.Expression, diags))
		if diags.HasErrors() {
			return cty.DynamicVal
		}
		return v
	})
}
