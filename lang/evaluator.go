package lang

import (
	"os"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/stowage-iac/stowage/lang/functions"
)

// Evaluator computes the values of a configuration for one set of inputs.
//
// Decode, Set, Get and Output may be called concurrently; Expand of a block must
// come before Decode and Set of its instances, and all that a block refers to
// must have been Set before (any order that respects Order does). What was not
// Set yet is unknown to its referrers.
type Evaluator struct {
	config    *Config
	functions map[string]function.Function
	files     *functions.Files
	variables []cty.Value // by Variable.index
	blocks    []*block    // by Resource.index
	locals    []*localCache
	bodies    []bodyCache // by body.slot
	commons   []commonCache
	cwd       func() string
	checking  bool // Validate: nothing is known

	pendingMu  sync.Mutex
	pending    hcl.Diagnostics
	hasPending atomic.Bool
}

func newEvaluator(c *Config) *Evaluator {
	e := &Evaluator{
		config:    c,
		variables: make([]cty.Value, len(c.variables)),
		blocks:    make([]*block, len(c.Resources)),
		locals:    make([]*localCache, len(c.locals)),
		bodies:    make([]bodyCache, c.bodies),
		commons:   make([]commonCache, c.commons),
		cwd: sync.OnceValue(func() string {
			dir, _ := os.Getwd()
			return dir
		}),
	}
	e.files = functions.NewFiles(c.Dir, c.snapshot)
	e.functions = functions.New(functions.Options{Files: e.files, Sensitive: sensitiveMark("sensitive")})
	for i, r := range c.Resources {
		e.blocks[i] = &block{resource: r}
	}
	for i := range e.locals {
		e.locals[i] = &localCache{}
	}
	return e
}

func (e *Evaluator) workingDir() string {
	if e.cwd == nil {
		dir, _ := os.Getwd()
		return dir
	}
	return e.cwd()
}

// Order lists the resource blocks so that each comes after all that it refers
// to; otherwise sorted by address. It does not depend on the order of files.
func (e *Evaluator) Order() []*Resource { return e.config.order }

// Variables returns the final values of the variables, sensitive ones marked.
func (e *Evaluator) Variables() map[string]cty.Value {
	all := make(map[string]cty.Value, len(e.variables))
	for i, v := range e.config.variables {
		all[v.Name] = e.variables[i]
	}
	return all
}

// Sources are the configuration's files and all that functions have read so
// far: give them as Options.Files to evaluate the same again later.
func (e *Evaluator) Sources() map[string][]byte {
	all := e.files.Snapshot()
	for name, src := range e.config.Sources {
		all[name] = src
	}
	return all
}

// localCache is the value of a local value, as long as nothing that it refers to is Set anew.
type localCache struct {
	mu    sync.Mutex
	valid bool
	seen  []uint64 // generations of the blocks that it reaches
	value cty.Value
	deps  []dep
}

func (e *Evaluator) local(l *Local) (cty.Value, []dep) {
	c := e.locals[l.index]
	c.mu.Lock()
	defer c.mu.Unlock()
	reach := l.expr.reach
	if c.valid && e.unchanged(reach, c.seen) {
		return c.value, c.deps
	}
	c.seen = e.generations(reach, c.seen)
	f := e.frame(nil)
	v, diags := l.expr.Value(f.ctx)
	e.report(f.explain(l.expr.Expression, diags))
	if diags.HasErrors() {
		v = cty.DynamicVal
	}
	c.value, c.deps, c.valid = v, shared(f.deps), true
	return c.value, c.deps
}

// report keeps the diagnostics of a shared result until the next caller takes
// them: they are reported once, and not by each of 10,000 instances.
func (e *Evaluator) report(diags hcl.Diagnostics) {
	if len(diags) == 0 {
		return
	}
	e.pendingMu.Lock()
	defer e.pendingMu.Unlock()
	e.pending = append(e.pending, diags...)
	e.hasPending.Store(true)
}

// reported takes what report kept.
func (e *Evaluator) reported() hcl.Diagnostics {
	if !e.hasPending.Load() {
		return nil
	}
	e.pendingMu.Lock()
	defer e.pendingMu.Unlock()
	diags := e.pending
	e.pending = nil
	e.hasPending.Store(false)
	return diags
}

// generations notes in seen how often each block was Set.
func (e *Evaluator) generations(blocks []*Resource, seen []uint64) []uint64 {
	seen = seen[:0]
	for _, r := range blocks {
		seen = append(seen, e.blocks[r.index].generation.Load())
	}
	return seen
}

func (e *Evaluator) unchanged(blocks []*Resource, seen []uint64) bool {
	for i, r := range blocks {
		if e.blocks[r.index].generation.Load() != seen[i] {
			return false
		}
	}
	return true
}

// Output evaluates an output, and returns the direct dependencies of its value.
func (e *Evaluator) Output(name string) (cty.Value, []string, hcl.Diagnostics) {
	for _, o := range e.config.Outputs {
		if o.Name == name {
			return e.output(o)
		}
	}
	var names []string
	for _, o := range e.config.Outputs {
		names = append(names, o.Name)
	}
	return cty.DynamicVal, nil, hcl.Diagnostics{{
		Severity: hcl.DiagError, Summary: "No such output",
		Detail: "There is no output " + quote(name) + "." + didYouMean(name, names),
	}}
}

func (e *Evaluator) output(o *Output) (cty.Value, []string, hcl.Diagnostics) {
	f := e.frame(nil)
	v, diags := o.value.Value(f.ctx)
	diags = tidy(append(f.explain(o.value.Expression, diags), e.reported()...))
	for _, d := range o.dependsOn {
		diags = append(diags, f.dependOn(d)...)
	}
	if diags.HasErrors() {
		return cty.DynamicVal, f.addresses(), diags
	}
	if o.Sensitive {
		v = v.WithMarks(Sensitive)
	} else if IsSensitive(v) {
		rng := o.value.Range()
		diags = append(diags, &hcl.Diagnostic{
			Severity: hcl.DiagError, Summary: "Output of a sensitive value",
			Detail:  "The value of output " + quote(o.Name) + " is derived from a sensitive value. Add sensitive = true to keep it out of what is shown, or pass what may be shown through nonsensitive().",
			Subject: rng.Ptr(),
		})
	}
	return v, f.addresses(), diags
}

// dependOn records an entry of depends_on.
func (f *frame) dependOn(d dependency) hcl.Diagnostics {
	if d.key == cty.NilVal {
		if d.resource.keyed() {
			f.depend(d.resource, allOf)
		} else {
			f.depend(d.resource, 0)
		}
		return nil
	}
	if _, why := f.instance(d.resource, d.key); why != "" {
		return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "No such instance", Detail: why, Subject: d.rng.Ptr()}}
	}
	return nil
}

// split parses an instance address without allocating.
func split(address string) (block, key string) {
	if i := strings.IndexByte(address, '['); i >= 0 {
		return address[:i], address[i:]
	}
	return address, ""
}
