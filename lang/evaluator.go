package lang

import (
	"iter"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/stowage-iac/stowage/lang/functions"
)

// Evaluator computes the values of a configuration for one set of inputs.
//
// Decode, Set, Get and Output may be called concurrently; Expand of a block must
// come before Decode and Set of its instances, and all that a block refers to
// must have been Set before (any order that respects that of Blocks does). What was not
// Set yet is unknown to its referrers.
type Evaluator struct {
	config    *Config
	functions map[string]function.Function
	files     *functions.Files
	root      *moduleInstance
	// generations count by Resource.index how often an instance of the block was Set,
	// in whatever instance of its module.
	generation []atomic.Uint64
	numbers    atomic.Uint64 // of blocks
	cwd        func() string
	checking   bool // Validate: nothing is known

	modulesMu sync.RWMutex
	modules   map[string]*moduleInstance // those that were called, by address
	byModule  [][]*moduleInstance        // by Module.index; nil: not known yet
	wide      map[*Resource]*Block       // see everywhere

	pendingMu  sync.Mutex
	pending    hcl.Diagnostics
	hasPending atomic.Bool
}

func newEvaluator(c *Config, now time.Time) *Evaluator {
	e := &Evaluator{
		config:     c,
		generation: make([]atomic.Uint64, len(c.Resources)+len(c.scoped)),
		cwd: sync.OnceValue(func() string {
			dir, _ := os.Getwd()
			return dir
		}),
	}
	e.files = functions.NewFiles(c.Dir, c.snapshot)
	e.functions = functions.New(functions.Options{Files: e.files, Sensitive: sensitiveMark("sensitive"), Ephemeral: isEphemeralMark, Now: now})
	e.modules, e.wide = map[string]*moduleInstance{}, map[*Resource]*Block{}
	e.byModule = make([][]*moduleInstance, len(c.modules))
	e.root = e.newInstance(c.Root, "")
	e.byModule[0] = []*moduleInstance{e.root}
	return e
}

func (e *Evaluator) workingDir() string {
	if e.cwd == nil {
		dir, _ := os.Getwd()
		return dir
	}
	return e.cwd()
}

// Blocks goes through the resource blocks of all instances of modules so that each
// comes after all that it refers to; otherwise sorted by address. The order does
// not depend on that of files. How many instances a module has is found out on
// the way: what its count or for_each refers to must have been Set by then.
func (e *Evaluator) Blocks() iter.Seq[*Block] {
	return func(yield func(*Block) bool) {
		for _, r := range e.config.order {
			for _, b := range e.blocksOf(r) {
				if !yield(b) {
					return
				}
			}
		}
	}
}

// blocksOf are the blocks of r in all instances of its module.
func (e *Evaluator) blocksOf(r *Resource) []*Block {
	instances := e.instances(r.module)
	blocks := make([]*Block, len(instances))
	for i, in := range instances {
		blocks[i] = in.blocks[r.slot]
	}
	return blocks
}

// Batches is Blocks, with those that come together where together says so and none
// of them refers to another; all others come alone.
func (e *Evaluator) Batches(together func(*Resource) bool) iter.Seq[[]*Block] {
	return func(yield func([]*Block) bool) {
		var batch []*Block
		in := map[*Resource]bool{}
		flush := func() bool {
			blocks := batch
			batch = nil
			clear(in)
			return len(blocks) == 0 || yield(blocks)
		}
		for _, r := range e.config.order {
			joins := together(r) && !slices.ContainsFunc(r.refs, func(to *Resource) bool { return in[to] })
			if !joins && !flush() {
				return
			}
			if together(r) {
				batch, in[r] = append(batch, e.blocksOf(r)...), true
				continue
			}
			for _, b := range e.blocksOf(r) {
				if !yield([]*Block{b}) {
					return
				}
			}
		}
		flush()
	}
}

// Variables returns the final values of the root's variables, sensitive ones marked.
func (e *Evaluator) Variables() map[string]cty.Value {
	all := make(map[string]cty.Value, len(e.root.variables))
	for i, v := range e.config.Root.variables {
		all[v.Name] = e.root.variables[i].value
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
		seen = append(seen, e.generation[r.index].Load())
	}
	return seen
}

func (e *Evaluator) unchanged(blocks []*Resource, seen []uint64) bool {
	for i, r := range blocks {
		if e.generation[r.index].Load() != seen[i] {
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
	f := e.root.frame(nil)
	diags := f.judge(o.pre, "precondition of output "+quote(o.Name)).Diags
	v, more := o.value.Value(f.ctx)
	if !diags.HasErrors() { // else they say better what is wrong
		diags = append(diags, f.explain(o.value.Expression, more)...)
	}
	diags = tidy(append(diags, e.reported()...))
	for _, d := range o.dependsOn {
		diags = append(diags, f.dependOn(d)...)
	}
	if diags.HasErrors() {
		return cty.DynamicVal, f.addresses(), diags
	}
	if d := ephemeralOutput(o.Name, "", "The outputs of the root module are kept in the state. Leave it out, or pass the value through ephemeralasnull().", v, o.value); d != nil {
		return cty.DynamicVal, f.addresses(), append(diags, d)
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

// Conditions evaluates the preconditions of an output of the root module; what is
// wrong with them is among the diagnostics of Output, too.
func (e *Evaluator) Conditions(o *Output) Outcome {
	if len(o.pre) == 0 {
		return Outcome{}
	}
	return e.root.frame(nil).judged(o.pre, "precondition of output "+quote(o.Name))
}

// dependOn records an entry of depends_on.
func (f *frame) dependOn(d dependency) hcl.Diagnostics {
	if d.call != nil {
		return f.dependOnCall(d)
	}
	if d.key == cty.NilVal {
		if d.resource.keyed() {
			f.depend(f.m.blocks[d.resource.slot], allOf)
		} else {
			f.depend(f.m.blocks[d.resource.slot], 0)
		}
		return nil
	}
	if _, why := f.instance(d.resource, d.key); why != "" {
		return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "No such instance", Detail: why, Subject: d.rng.Ptr()}}
	}
	return nil
}
