package lang

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// Check is a check block: conditions that only warn. Its data block, if it has one,
// is read for it alone: only its asserts may refer to it, nothing comes after it, and
// it is among the blocks of neither Config nor Module.
type Check struct {
	Name  string
	Range hcl.Range // of the block's header
	Data  *Resource // nil: none

	block   *hclsyntax.Block
	asserts []*condition
}

func (l *loader) declareCheck(b *hclsyntax.Block) {
	if !l.labels(b, "name") {
		return
	}
	if first := l.module.checks[b.Labels[0]]; first != nil {
		l.duplicate("check "+first.Name, b.DefRange(), first.Range)
		return
	}
	c := &Check{Name: b.Labels[0], Range: b.DefRange(), block: b}
	l.module.Checks = append(l.module.Checks, c)
	l.module.checks[c.Name] = c
	var first *hclsyntax.Block
	for _, nested := range b.Body.Blocks {
		if nested.Type != dataRoot {
			continue
		}
		r := l.declareData(nested, c)
		if first == nil {
			first, c.Data = nested, r
			continue
		}
		l.errorf("Too many blocks", nested.DefRange(), "%s has a data block at %s, and a check has at most one. Write a check block of its own for this one.", capital(c.in()), place(first.DefRange()))
	}
}

// in is the block within a sentence.
func (c *Check) in() string { return "check " + quote(c.Name) }

func (l *loader) defineCheck(c *Check) {
	m := l.members(c.block.Body, c.in(), nil)
	m.place = "check"
	m.block(dataRoot)
	if c.Data != nil {
		l.defineScoped(c.Data)
	}
	blocks := m.block("assert")
	c.asserts = l.conditions(blocks, "Check failed", scope{in: c.in(), check: c})
	for _, a := range c.asserts {
		a.warns = true
	}
	m.done()
	if len(blocks) == 0 {
		l.errorf("Missing block", c.Range, "%s needs an assert block with a condition and an error_message.", capital(c.in()))
	}
}

// defineScoped compiles the data block of a check. Of what other data blocks may hold
// it takes what says how it is read.
func (l *loader) defineScoped(r *Resource) {
	for _, name := range []string{"count", "for_each"} {
		if a := r.block.Body.Attributes[name]; a != nil {
			l.errorf("No meaning in a check", a.NameRange, "A check reads one thing, so that %s has no %s. Write the data block outside of the check and judge all of its instances in the asserts, or read one of them here.", r.address, name)
		}
	}
	m := l.members(r.block.Body, r.address, nil)
	if a := m.attr("depends_on"); a != nil {
		r.dependsOn = l.dependsOn(a, r)
	}
	for _, b := range m.block("lifecycle") {
		l.errorf("No meaning in a check", b.DefRange(), "%s is judged by the asserts of %s. Write an assert instead of a lifecycle block.", r.address, r.check.in())
	}
	if b := m.one("timeouts"); b != nil {
		l.defineTimeouts(r, b)
	}
	// Nothing is cached: what is wrong with it is reported by each evaluation.
	r.body = l.body(r.block.Body, r.Schema, l.shape(r.Schema, ""), bodyOptions{scope: scope{in: r.address, owner: r}, in: r.address, header: r.Range, top: true, iterate: true})
}

// CheckBlock is a check block in one instance of its module.
type CheckBlock struct {
	Address string // check.health, module.app["a"].check.health
	Data    *Block // its data block; nil: none

	check *Check
	in    *moduleInstance
}

// Checks lists all check blocks, in the order of their addresses. It is for after the last block.
func (e *Evaluator) Checks() []CheckBlock {
	var all []CheckBlock
	for _, m := range e.config.modules {
		if len(m.Checks) == 0 {
			continue
		}
		for _, mi := range e.instances(m) {
			for _, c := range m.Checks {
				b := CheckBlock{Address: within(mi.address, "check."+c.Name), check: c, in: mi}
				if c.Data != nil {
					b.Data = mi.blocks[c.Data.slot]
				}
				all = append(all, b)
			}
		}
	}
	return all
}

// Decode evaluates the arguments of the check's data. ok is false when that failed:
// what is wrong with them is a warning, because a check stops nothing. What is Set of
// the instance is what the asserts see.
func (c CheckBlock) Decode() (inst *Instance, ok bool, diags hcl.Diagnostics) {
	e, r := c.in.e, c.Data.Resource
	_, _ = e.Expand(c.Data) // it has neither count nor for_each
	f := c.in.frame(nil)
	f.deps = append(f.deps, c.in.deps...)
	v, diags := f.body(r.body, f.ctx)
	for _, d := range r.dependsOn {
		diags = append(diags, f.dependOn(d)...)
	}
	ok = !diags.HasErrors()
	for i, d := range diags {
		diags[i] = c.Warning(d)
	}
	inst = &Instance{Address: c.Data.address, Kind: r.Kind, Name: r.Name, Config: v, Deps: f.addresses(), Range: r.Range, Timeouts: r.Timeouts}
	return inst, ok, tidy(append(diags, e.reported()...))
}

// Warning is a diagnostic about the check's data as the check's own.
func (c CheckBlock) Warning(d *hcl.Diagnostic) *hcl.Diagnostic {
	w := *d
	w.Severity = hcl.DiagWarning
	w.Detail += " (" + c.Address + ")"
	return &w
}

// Judge evaluates the asserts.
func (c CheckBlock) Judge() Outcome { return c.in.frame(nil).judged(c.check.asserts, c.Address) }
