package planner

import (
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/lang/schema"
	"github.com/stowage-iac/stowage/providers"
	"github.com/stowage-iac/stowage/state"
)

// ledger is what is recorded, at the addresses that the configuration gives it now:
// after its moved blocks, and after a count that came or went. The name of an object
// stays what it was, so that a move touches nothing on the hosts.
type ledger struct {
	state *state.State
	names names
	from  map[string]string // address → the one under which it is recorded, of what moved
	// renamed maps an address that was to the one that is, for those that no moved block tells of.
	renamed map[string]string
	moves   *lang.Moves // nil: none
	own     bool        // state is a copy
	key     []byte      // scratch of reshape
	// touched are instances whose record names an address that is no more.
	touched map[string]bool
}

// newLedger applies the moved blocks. cfg is nil where they do not matter.
func newLedger(cfg *lang.Config, s *state.State) (*ledger, hcl.Diagnostics) {
	if cfg == nil {
		return follow(&lang.Moves{}, s)
	}
	return follow(&cfg.Moves, s)
}

// follow applies moves.
func follow(moves *lang.Moves, s *state.State) (*ledger, hcl.Diagnostics) {
	l := &ledger{state: s, names: takenNames(s.Instances), from: map[string]string{}, renamed: map[string]string{}, touched: map[string]bool{}}
	if len(moves.List()) == 0 {
		return l, nil
	}
	l.moves = moves
	var diags hcl.Diagnostics
	come := map[string]string{} // target → from
	for _, address := range slices.Sorted(maps.Keys(s.Instances)) {
		target, move, ok := l.moves.Target(address)
		if !ok {
			continue
		}
		switch other, twice := come[target]; {
		case twice:
			diags = append(diags, errorf(move.Range.Ptr(), "Conflicting moves", fmt.Sprintf(
				"%s and %s both move to %s. Two instances cannot have one address: change one of the moved blocks.", other, address, target)))
			continue
		case s.Instances[target] != nil: // what is there does not move: target is where moves end
			diags = append(diags, errorf(move.Range.Ptr(), "Address of a move is in use", fmt.Sprintf(
				"%s moves to %s, and the state records another instance there. Remove the moved block, then one of the two stays and the other is destroyed; "+
					"or move the other one away first.", address, target)))
			continue
		}
		come[target] = address
	}
	for target, address := range come {
		l.rename(address, target)
	}
	l.widen()
	l.redirect()
	return l, diags
}

// rename gives a recorded instance another address.
func (l *ledger) rename(from, to string) {
	l.copied()
	rec := *l.state.Instances[from]
	id := identityOf(&rec)
	rec.Address, id.Address = to, to
	rec.Object = recordedName(id)
	delete(l.state.Instances, from)
	l.state.Instances[to] = &rec
	l.names[rec.Kind+"."+id.Object] = to
	l.from[to] = from
	if first, ok := l.from[from]; ok { // it moved before
		delete(l.from, from)
		l.from[to] = first
	}
}

func (l *ledger) copied() {
	if l.own {
		return
	}
	s := *l.state
	s.Instances = maps.Clone(s.Instances)
	l.state, l.own = &s, true
}

// redirect rewrites the recorded dependencies.
func (l *ledger) redirect() {
	for address, rec := range l.state.Instances {
		for i, d := range rec.Deps {
			if now := l.now(d); now != d {
				rec = l.touch(address)
				rec.Deps[i] = now
			}
		}
	}
}

// widen keeps dependencies on a whole block or module, of which a part went elsewhere:
// what is deleted later still waits for all that uses it.
func (l *ledger) widen() {
	gone := map[string][]string{} // what stays, as a dependency names it → where its parts went
	for _, to := range sortedKeys(l.from) {
		from, still := l.from[to], lang.Covers(to)
		for _, name := range lang.Covers(from)[1:] {
			if !slices.Contains(still, name) && l.now(name) == name {
				gone[name] = append(gone[name], to)
			}
		}
	}
	if len(gone) == 0 {
		return
	}
	for address, rec := range l.state.Instances {
		for _, d := range rec.Deps {
			for _, to := range gone[d] {
				if !slices.Contains(rec.Deps, to) {
					rec = l.touch(address)
					rec.Deps = append(rec.Deps, to)
				}
			}
		}
	}
}

// touch is a record whose dependencies may be changed.
func (l *ledger) touch(address string) *state.Instance {
	if l.touched[address] {
		return l.state.Instances[address]
	}
	l.copied()
	rec := *l.state.Instances[address]
	rec.Deps = slices.Clone(rec.Deps)
	l.state.Instances[address], l.touched[address] = &rec, true
	return &rec
}

// now is the address that stands for a recorded one.
func (l *ledger) now(address string) string {
	if l.moves != nil {
		address, _, _ = l.moves.Target(address)
	}
	if to, ok := l.renamed[address]; ok {
		return to
	}
	return address
}

// reshape follows a block that got or lost its count: pod.web and pod.web[0] are one.
func (l *ledger) reshape(b *lang.Block, keys []cty.Value) {
	if len(keys) == 0 {
		return
	}
	single := b.Address()
	if keys[0] == cty.NilVal && (len(l.state.Instances) == 0 || l.state.Instances[single] != nil) {
		return // most are new, or as they were
	}
	if keys[0] == cty.NilVal {
		l.key = append(append(l.key[:0], single...), "[0]"...)
		if l.state.Instances[string(l.key)] == nil {
			return
		}
	}
	first := lang.InstanceAddress(single, cty.Zero)
	from, to := first, single
	switch {
	case keys[0] == cty.NilVal:
	case keys[0].Type() == cty.Number:
		from, to = single, first
	default:
		return
	}
	if rec := l.state.Instances[from]; rec == nil || rec.Kind != b.Resource.Kind || l.state.Instances[to] != nil {
		return
	}
	l.rename(from, to)
	l.renamed[from] = to
	l.redirect()
}

// refer rewrites the references to other blocks within a recorded value.
func (l *ledger) refer(k *kindInfo, v cty.Value) cty.Value {
	if l.moves == nil && len(l.renamed) == 0 || !k.refers {
		return v
	}
	return l.referBlock(k.schema, v)
}

func (l *ledger) referBlock(b *schema.Block, v cty.Value) cty.Value {
	obj, marks := v.Unmark()
	if !usable(obj) {
		return v
	}
	m, changed := obj.AsValueMap(), false
	set := func(name string, now cty.Value) {
		if !now.RawEquals(m[name]) {
			m[name], changed = now, true
		}
	}
	for name, a := range b.Attributes {
		if a.Ref != nil && !a.Ref.OrString {
			set(name, l.reference(m[name]))
		}
	}
	for name, nb := range b.Blocks {
		if !refers(&nb.Block) {
			continue
		}
		set(name, elementwise(m[name], func(e cty.Value) cty.Value { return l.referBlock(&nb.Block, e) }))
	}
	if !changed {
		return v
	}
	return cty.ObjectVal(m).WithMarks(marks)
}

// reference rewrites one reference, or each of a list.
func (l *ledger) reference(v cty.Value) cty.Value {
	return elementwise(v, func(e cty.Value) cty.Value {
		address := providers.Str(e, "address")
		if now := l.now(address); now != address {
			return providers.With(e, map[string]cty.Value{"address": cty.StringVal(now)})
		}
		return e
	})
}

// elementwise applies f to an object, or to each element of a list or set of them.
func elementwise(v cty.Value, f func(cty.Value) cty.Value) cty.Value {
	p, marks := v.Unmark()
	if !usable(p) {
		return v
	}
	if p.Type().IsObjectType() {
		return f(v)
	}
	if !p.CanIterateElements() || p.LengthInt() == 0 {
		return v
	}
	list := p.AsValueSlice()
	for i := range list {
		list[i] = f(list[i])
	}
	if p.Type().IsSetType() {
		return cty.SetVal(list).WithMarks(marks)
	}
	return cty.ListVal(list).WithMarks(marks)
}

// refers reports whether anything in a block refers to another one.
func refers(b *schema.Block) bool {
	for _, a := range b.Attributes {
		if a.Ref != nil && !a.Ref.OrString {
			return true
		}
	}
	for _, nb := range b.Blocks {
		if refers(&nb.Block) {
			return true
		}
	}
	return false
}

// relocated is the state with its instances where the plan has them.
func (p *Plan) relocated(s *state.State) *state.State {
	l := &ledger{state: s}
	for _, c := range p.Changes {
		rec := s.Instances[c.MovedFrom]
		if c.MovedFrom == "" || rec == nil {
			continue
		}
		l.copied()
		moved := *rec
		moved.Address, moved.Object = c.Address, recordedName(c.was())
		delete(l.state.Instances, c.MovedFrom)
		l.state.Instances[c.Address] = &moved
	}
	return l.state
}
