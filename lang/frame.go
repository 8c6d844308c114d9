package lang

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"sync"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang/fastparse"
	"github.com/stowage-iac/stowage/lang/work"
)

// frame is the evaluation of one thing: an instance, a local value, an output.
// References find it through the evaluation context, which holds nothing else,
// so that making one costs the same whatever the configuration's size.
type frame struct {
	m        *moduleInstance
	e        *Evaluator  // of m
	forEach  *expression // of the block whose instance is evaluated, or nil
	index    cty.Value   // count.index
	eachKey  cty.Value
	eachVal  cty.Value
	self     cty.Value // in a postcondition
	deps     []dep
	ctx      *hcl.EvalContext
	iterated []iteration       // of the dynamic blocks around
	once     bool              // no other instance has the body that is evaluated: nothing of it is kept
	unknown  bool              // with once: of something that was evaluated it is not certain that it is known
	uncached bool              // bodies are evaluated anew, and what is wrong with them is reported to nobody else
	sketch   *fastparse.Sketch // of the copy whose gaps are to be filled, or nil
	rounds   int               // of dynamic blocks, all together
	work     work.Budget       // of the expression that is evaluated
}

// dep is a dependency on one instance of a block, or on all of them.
type dep struct {
	block *Block
	index int // allOf for the block as a whole
}

const allOf = -1

// iteration is one round of a dynamic block.
type iteration struct {
	name    string
	forEach *expression
	key     cty.Value
}

// frameName cannot be written as a name in the language.
const frameName = "\x00frame"

var frameType = cty.Capsule("frame", reflect.TypeFor[frame]())

var (
	anyNumber = cty.UnknownVal(cty.Number)
	anyString = cty.UnknownVal(cty.String)
	// anyContext is context.name where no context was chosen.
	anyContext = anyString.RefineNotNull()
)

func (m *moduleInstance) frame(forEach *expression) *frame {
	f := &frame{}
	f.ctx = &hcl.EvalContext{
		Variables: map[string]cty.Value{frameName: cty.CapsuleVal(frameType, f), work.Name: f.work.Value()},
	}
	f.reset(m, forEach)
	return f
}

func (f *frame) reset(m *moduleInstance, forEach *expression) {
	f.m, f.e, f.forEach = m, m.e, forEach
	f.index, f.eachKey, f.eachVal, f.self = anyNumber, anyString, cty.DynamicVal, cty.DynamicVal
	f.deps, f.iterated, f.once, f.unknown, f.uncached, f.sketch = f.deps[:0], nil, false, false, false, nil
	f.rounds, f.work = 0, work.Budget{}
	f.ctx.Functions = m.e.functions
}

// frames are those of instances that were decoded without diagnostics, which
// could refer to them.
var frames sync.Pool

func (m *moduleInstance) pooledFrame(forEach *expression) *frame {
	f, ok := frames.Get().(*frame)
	if !ok {
		return m.frame(forEach)
	}
	f.reset(m, forEach)
	return f
}

func (f *frame) release() {
	f.m, f.e, f.forEach = nil, nil, nil
	frames.Put(f)
}

func frameOf(ctx *hcl.EvalContext) *frame {
	for ctx.Parent() != nil {
		ctx = ctx.Parent()
	}
	return ctx.Variables[frameName].EncapsulatedValue().(*frame)
}

// target is the value that a reference begins with.
func (f *frame) target(r *ref) cty.Value {
	switch r.target {
	case toVariable:
		return f.variable(r.variable)
	case toLocal:
		return f.local(r.local)
	case toCountIndex:
		return f.index
	case toEachKey:
		return f.eachKey
	case toEachValue:
		return f.eachVal
	case toContextName:
		if f.e.config.Context == "" { // none of several is chosen
			return anyContext
		}
		return cty.StringVal(f.e.config.Context)
	case toModulePath:
		return cty.StringVal(f.m.module.path())
	case toRootPath:
		return cty.StringVal(f.e.config.Root.path())
	case toWorkingDir:
		return cty.StringVal(f.e.workingDir())
	case toSelf:
		return f.self
	case toResource:
		return f.resource(r.resource, r.key)
	case toModule:
		if r.key == cty.NilVal {
			return f.called(r.call, r.output)
		}
		v, _ := f.calledInstance(r.call, r.key, r.output)
		return v
	}
	return cty.DynamicVal
}

// resource is the object of an instance, or the collection of all.
func (f *frame) resource(r *Resource, key cty.Value) cty.Value {
	if key != cty.NilVal {
		v, _ := f.instance(r, key)
		return v
	}
	b := f.m.blocks[r.slot]
	if r.keyed() {
		f.depend(b, allOf)
		return b.collection()
	}
	f.depend(b, 0)
	return b.get(0)
}

// instance is the object of the instance with a known key. why says why there is none.
func (f *frame) instance(r *Resource, key cty.Value) (v cty.Value, why string) {
	b := f.m.blocks[r.slot]
	i, ok := b.find(key)
	if ok {
		f.depend(b, i)
		return b.get(i), ""
	}
	if !b.expanded() {
		f.depend(b, allOf)
		return cty.UnknownVal(r.ty), ""
	}
	return cty.DynamicVal, b.noInstance(key)
}

func (f *frame) depend(b *Block, index int) {
	d := dep{b, index}
	if n := len(f.deps); n > 0 && f.deps[n-1] == d {
		return
	}
	f.deps = append(f.deps, d)
}

func (f *frame) dependAll(r *Resource) { f.depend(f.m.blocks[r.slot], allOf) }

// variable is the value of a variable of the module.
func (f *frame) variable(v *Variable) cty.Value {
	if f.m.called == nil {
		return f.m.variables[v.index].value
	}
	value, deps := f.m.variable(v)
	f.deps = append(f.deps, deps...)
	return value
}

// local is the value of a local value, and makes its dependencies those of f.
func (f *frame) local(local *Local) cty.Value {
	v, deps := f.m.local(local)
	f.deps = append(f.deps, deps...)
	return v
}

// addresses are the dependencies, sorted, each once. An instance is left out
// when the whole block is there.
func (f *frame) addresses() []string {
	if len(f.deps) == 0 {
		return nil
	}
	deps := compact(f.deps)
	out := make([]string, 0, len(deps))
	for _, d := range deps {
		if d.index == allOf {
			out = append(out, d.block.address)
		} else {
			out = append(out, d.block.addressOf(d.index))
		}
	}
	slices.Sort(out)
	return out
}

// compact sorts the dependencies and removes those that others cover.
func compact(deps []dep) []dep {
	if len(deps) == 1 {
		return deps
	}
	slices.SortFunc(deps, func(a, b dep) int {
		if a.block != b.block {
			return cmp.Compare(a.block.number, b.block.number)
		}
		return a.index - b.index
	})
	kept := deps[:0]
	for _, d := range deps {
		if n := len(kept); n > 0 && kept[n-1].block == d.block && (kept[n-1].index == allOf || kept[n-1] == d) {
			continue
		}
		kept = append(kept, d)
	}
	return kept
}

// maxSharedDeps bounds how many instances of one block a shared result (a local
// value, the common part of a body) names: each referrer takes them over. Above
// it depends on the block as a whole.
const maxSharedDeps = 32

// shared is compact for a result that many referrers share.
func (e *Evaluator) shared(deps []dep) []dep {
	if len(deps) == 0 {
		return nil
	}
	deps = compact(deps)
	if len(deps) > maxSharedDeps {
		counts := map[*Resource]int{}
		for _, d := range deps {
			if d.block.Resource != nil {
				counts[d.block.Resource]++
			}
		}
		for i, d := range deps {
			if r := d.block.Resource; r != nil && counts[r] > maxSharedDeps {
				deps[i] = dep{e.everywhere(r), allOf}
			}
		}
	}
	return slices.Clone(compact(deps))
}

// noInstance says why there is no instance with the key, and which there are.
func (b *Block) noInstance(key cty.Value) string {
	return noInstance(b.Resource.address, b.Resource.repetition(), b.keys, key)
}

func noInstance(address, repetition string, keys []cty.Value, key cty.Value) string {
	n := len(keys)
	switch {
	case n == 0:
		return fmt.Sprintf("%s has no instances: its %s is empty.", address, repetition)
	case repetition == "count":
		return fmt.Sprintf("There is no %s: count is %d, so that the instances are %s[0] to %s[%d].",
			InstanceAddress(address, key), n, address, address, n-1)
	}
	var names []string
	for _, k := range keys {
		names = append(names, k.AsString())
	}
	hint := didYouMean(key.AsString(), names)
	if hint == "" && n <= 10 {
		for i := range names {
			names[i] = quote(names[i])
		}
		hint = " There is " + listWords(names, "and") + "."
	}
	return fmt.Sprintf("There is no %s: for_each has no such key.%s", InstanceAddress(address, key), hint)
}
