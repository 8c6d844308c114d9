package lang

import (
	"strconv"
	"sync"

	"github.com/zclconf/go-cty/cty"
)

// Block is a resource block in one instance of its module, with the present state
// of its own instances.
type Block struct {
	Resource *Resource

	in      *moduleInstance
	address string // module.app["a"].pod.web
	number  uint64 // no two blocks of an evaluation have the same

	mu        sync.RWMutex
	open      bool        // Expand was called
	keys      []cty.Value // one cty.NilVal without count and for_each
	each      []cty.Value // each.value by index
	addresses []string
	index     map[string]int // of for_each: by key
	deps      []dep          // of count or for_each
	vals      []cty.Value    // cty.NilVal: not Set
	all       cty.Value      // the collection, when allOf generation allAt
	allAt     uint64
	failed    bool         // Expand reported errors
	alone     [1]cty.Value // vals of a block without count and for_each
}

// Address is the address of the block: pod.web, module.app["a"].pod.web.
func (b *Block) Address() string { return b.address }

// expanded reports whether the instances are known.
func (b *Block) expanded() bool {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.open && !b.failed
}

// find returns the index of the instance with a known key.
func (b *Block) find(key cty.Value) (int, bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if !b.open {
		return 0, false
	}
	switch {
	case key == cty.NilVal:
		return 0, len(b.keys) == 1 && !b.Resource.keyed()
	case key.Type() == cty.Number:
		if b.Resource.count == nil {
			return 0, false
		}
		n, accuracy := key.AsBigFloat().Int64()
		if accuracy != 0 || n < 0 || n >= int64(len(b.keys)) {
			return 0, false
		}
		return int(n), true
	case key.Type() == cty.String:
		i, ok := b.index[key.AsString()]
		return i, ok
	}
	return 0, false
}

func (b *Block) addressOf(i int) string {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if i >= len(b.addresses) {
		return b.address
	}
	return b.addresses[i]
}

// get is the object of an instance; unknown when it was not Set.
func (b *Block) get(i int) cty.Value {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.at(i)
}

func (b *Block) at(i int) cty.Value {
	if i >= len(b.vals) || b.vals[i] == cty.NilVal {
		return cty.UnknownVal(b.Resource.ty)
	}
	return b.vals[i]
}

// collection is the tuple (count) or object (for_each) of all instances. It is
// built once and shared until an instance is Set again.
func (b *Block) collection() cty.Value {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.open || b.failed {
		return cty.DynamicVal
	}
	now := b.in.e.generation[b.Resource.index].Load()
	if b.all != cty.NilVal && b.allAt == now {
		return b.all
	}
	if b.Resource.count != nil {
		vals := make([]cty.Value, len(b.keys))
		for i := range vals {
			vals[i] = b.at(i)
		}
		b.all = cty.TupleVal(vals)
	} else {
		vals := make(map[string]cty.Value, len(b.keys))
		for i, k := range b.keys {
			vals[k.AsString()] = b.at(i)
		}
		b.all = cty.ObjectVal(vals)
	}
	b.allAt = now
	return b.all
}

// locate finds the instance of an address of this block; key is its part from the bracket on.
func (b *Block) locate(key string) (int, bool) {
	switch {
	case key == "":
		return 0, len(b.keys) == 1 && !b.Resource.keyed()
	case len(key) < 3 || key[len(key)-1] != ']':
		return 0, false
	case b.Resource.count != nil:
		n, err := strconv.Atoi(key[1 : len(key)-1])
		return n, err == nil && n >= 0 && n < len(b.keys)
	case b.Resource.forEach != nil:
		k := KeyOf(key)
		if k == cty.NilVal || k.Type() != cty.String {
			return 0, false
		}
		i, ok := b.index[k.AsString()]
		return i, ok
	}
	return 0, false
}

// Set gives the object that referrers of the instance see from now on: planned,
// later applied. v has the schema's ImpliedType (or is unknown or null). It
// reports whether the address is an instance of an expanded block.
func (e *Evaluator) Set(address string, v cty.Value) bool {
	name, key := SplitAddress(address)
	b := e.byAddress(name)
	if b == nil {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	i, ok := b.locate(key)
	if ok {
		b.vals[i] = v
		b.all = cty.NilVal
		e.generation[b.Resource.index].Add(1)
	}
	return ok
}

// SetInstance is Set for the instance of a block with a key.
func (e *Evaluator) SetInstance(b *Block, key, v cty.Value) bool {
	i, ok := b.find(key)
	if !ok {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.vals[i], b.all = v, cty.NilVal
	e.generation[b.Resource.index].Add(1)
	return true
}

// Get returns what was Set.
func (e *Evaluator) Get(address string) (cty.Value, bool) {
	name, key := SplitAddress(address)
	b := e.byAddress(name)
	if b == nil {
		return cty.NilVal, false
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	i, ok := b.locate(key)
	if !ok || b.vals[i] == cty.NilVal {
		return cty.NilVal, false
	}
	return b.vals[i], true
}

func (e *Evaluator) byAddress(name string) *Block {
	in := e.root
	if module := ModuleOf(name); module != "" {
		e.modulesMu.RLock()
		in = e.modules[module]
		e.modulesMu.RUnlock()
		if in == nil || len(name) == len(module) {
			return nil
		}
		name = name[len(module)+1:]
	}
	if r := in.module.resources[name]; r != nil {
		return in.blocks[r.slot]
	}
	return nil
}
