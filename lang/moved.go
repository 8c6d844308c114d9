package lang

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// Move is a moved block: what is recorded under From is From's no more, but To's.
// Both are addresses of blocks (pod.web, module.app: with all of their instances) or
// both of instances (pod.web[0]), in the module that has the block.
type Move struct {
	From, To string
	Module   string    // path of the module: module.app, without keys; "" for the root
	Range    hcl.Range // of the block's header

	instance bool
}

// Removal is a removed block: the block From is not in the configuration any more.
type Removal struct {
	From    string // pod.web, module.app
	Module  string // path of the module that has the block; "" for the root
	Destroy bool   // what was recorded is destroyed, and not only forgotten
	Range   hcl.Range
}

// Moves are the moved blocks of a configuration, in the order of the files.
type Moves struct {
	list   []Move
	from   map[spot][]int
	scoped bool // some are not those of the root
}

// spot is an address in every instance of a module.
type spot struct{ module, address string }

// OneMove is a move that no block tells of, of a block, an instance or a module.
func OneMove(from, to Address) Moves {
	mv := Move{From: from.String(), To: to.String(), instance: from.Keyed() || to.Keyed()}
	return Moves{list: []Move{mv}, from: map[spot][]int{{address: mv.From}: {0}}}
}

// List is in the order of the files.
func (m *Moves) List() []Move { return m.list }

// Target follows the moves from an address to the one that stands for it now. move is
// the last one on the way; ok is false when nothing moves the address.
func (m *Moves) Target(address string) (target string, move Move, ok bool) {
	if len(m.list) == 0 {
		return address, move, false
	}
	for range m.list { // Load refuses circles
		next, by, moved := m.once(address)
		if !moved {
			break
		}
		address, move, ok = next, by, true
	}
	return address, move, ok
}

// once makes one step.
func (m *Moves) once(address string) (string, Move, bool) {
	for at := range scopes(address, m.scoped) {
		inside := address[at.start:]
		for _, end := range prefixes(inside) {
			for _, i := range m.from[spot{at.module, inside[:end]}] {
				mv := m.list[i]
				rest := inside[end:]
				if mv.instance && strings.HasPrefix(rest, "[") {
					continue // another instance than the one without a key
				}
				return address[:at.start] + mv.To + rest, mv, true
			}
		}
	}
	return address, Move{}, false
}

// moduleScope is a module that something is in: its path without keys, and where the
// address within it starts.
type moduleScope struct {
	module string
	start  int
}

// scopes are the root and, with all, the modules that an address leads through.
func scopes(address string, all bool) iter.Seq[moduleScope] {
	return func(yield func(moduleScope) bool) {
		if !yield(moduleScope{}) || !all {
			return
		}
		path := ""
		for at := 0; strings.HasPrefix(address[at:], "module."); {
			end := at + len("module.")
			for end < len(address) && address[end] != '.' && address[end] != '[' {
				end++
			}
			path = within(path, address[at:end])
			if end < len(address) && address[end] == '[' {
				end = keyEnd(address, end)
			}
			if end >= len(address) {
				return
			}
			at = end + 1
			if !yield(moduleScope{path, at}) {
				return
			}
		}
	}
}

// prefixes are the lengths of the addresses of all that an address is part of, and of
// itself, the longest first: module.a["k"].pod.web[0] is part of
// module.a["k"].pod.web, module.a["k"] and module.a.
func prefixes(address string) []int {
	ends := make([]int, 0, 4)
	quoted := false
	for i := 0; i < len(address); i++ {
		switch c := address[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case !quoted && (c == '[' || c == '.'):
			ends = append(ends, i)
		}
	}
	ends = append(ends, len(address))
	slices.Reverse(ends)
	return ends
}

func (l *loader) defineMoved(b *hclsyntax.Block) {
	const in = "a moved block"
	if !l.labels(b) {
		return
	}
	m := l.members(b.Body, in, nil)
	from, to := m.attr("from"), m.attr("to")
	m.done()
	if from == nil || to == nil {
		l.errorf("Missing argument", b.DefRange(), "A moved block needs from and to: from = pod.old, to = pod.new.")
		return
	}
	f, ok1 := l.address(from, "pod.old")
	t, ok2 := l.address(to, "pod.new")
	if !ok1 || !ok2 {
		return
	}
	mv := Move{From: f.text, To: t.text, Module: l.module.Path, Range: b.DefRange(), instance: f.keyed || t.keyed}
	switch {
	case f.kind != t.kind:
		l.errorf("Move between kinds", b.DefRange(), "%s cannot become %s: a move changes the name of a block, not its kind.", f.text, t.text)
		return
	case f.text == t.text:
		l.errorf("Move to the same address", b.DefRange(), "from and to are both %s. Remove the moved block.", f.text)
		return
	}
	l.module.moved = append(l.module.moved, movedBlock{mv, f, t})
}

// movedBlock is a moved block with both addresses taken apart.
type movedBlock struct {
	Move
	from, to address
}

// finishMoves checks the moves of the module against each other and against what is declared.
func (l *loader) finishMoves() {
	moves := &l.config.Moves
	if moves.from == nil {
		moves.from = map[spot][]int{}
	}
	first := len(moves.list)
	targets := map[string]Move{}
	for _, mv := range l.module.moved {
		at := spot{mv.Move.Module, mv.Move.From}
		for _, i := range moves.from[at] {
			first := moves.list[i]
			l.errorf("Conflicting moves", mv.Range, "%s moves to %s here and to %s at %s. Remove one of the moved blocks.",
				mv.Move.From, mv.Move.To, first.To, place(first.Range))
		}
		if first, twice := targets[mv.Move.To]; twice && first.From != mv.Move.From {
			l.errorf("Conflicting moves", mv.Range, "%s moves to %s here, and %s moves there at %s. Two things cannot have one address: remove one of the moved blocks.",
				mv.Move.From, mv.Move.To, first.From, place(first.Range))
		}
		targets[mv.Move.To] = mv.Move
		if at, there := l.declared(mv.from, mv.instance); there {
			l.errorf("Moved block is still there", mv.Range, "%s moves to %s, and it is still declared at %s. Rename that block, or remove the moved block.",
				mv.Move.From, mv.Move.To, place(at))
		}
		moves.from[at] = append(moves.from[at], len(moves.list))
		moves.scoped = moves.scoped || mv.Move.Module != ""
		moves.list = append(moves.list, mv.Move)
	}
	l.moveCycles(moves.list[first:])
}

// moveCycles reports moves that come back to where they began.
func (l *loader) moveCycles(list []Move) {
	moves := &l.config.Moves
	seen := map[string]bool{} // members of a circle that was told
	for _, mv := range list {
		from := within(mv.Module, mv.From)
		path, address := []string{from}, from
		for range moves.list {
			next, _, ok := moves.once(address)
			if !ok {
				break
			}
			path, address = append(path, next), next
			if next == from {
				break
			}
		}
		if address != from || len(path) == 1 {
			continue
		}
		if told := seen[from]; !told {
			l.errorf("Cycle", mv.Range, "These moves lead back to where they begin: %s. Remove one of the moved blocks; to swap two blocks, move one to a third name, apply, and move it on.",
				strings.Join(path, " → "))
		}
		for _, p := range path {
			seen[p] = true
		}
	}
}

// declared reports whether the configuration has what an address of a moved block
// stands for, as far as that can be told without values.
func (l *loader) declared(a address, instance bool) (hcl.Range, bool) {
	if a.kind == "module" {
		return hcl.Range{}, false
	}
	r := l.module.resources[a.block]
	if r == nil || a.keyed || instance && r.keyed() {
		return hcl.Range{}, false
	}
	return r.Range, true
}

func (l *loader) defineRemoved(b *hclsyntax.Block) {
	const in = "a removed block"
	if !l.labels(b) {
		return
	}
	m := l.members(b.Body, in, nil)
	from := m.attr("from")
	lifecycle := m.one("lifecycle")
	m.done()
	if from == nil {
		l.errorf("Missing argument", b.DefRange(), "A removed block needs from: from = pod.old.")
		return
	}
	rm := Removal{Module: l.module.Path, Range: b.DefRange()}
	if lifecycle != nil {
		const in = "the lifecycle block of a removed block"
		m := l.members(lifecycle.Body, in, nil)
		rm.Destroy = l.constBool(m.attr("destroy"), in)
		m.done()
	}
	a, ok := l.address(from, "pod.old")
	if !ok {
		return
	}
	if a.keyed {
		l.errorf("Reference to a block expected", from.Expr.Range(), "removed takes whole blocks: write %s. Instances go with their key of for_each or with count.", a.block)
		return
	}
	rm.From = a.text
	l.module.removed = append(l.module.removed, removedBlock{rm, a})
}

type removedBlock struct {
	Removal
	from address
}

// finishRemovals checks the removals against each other and against what is declared.
func (l *loader) finishRemovals() {
	first := map[string]hcl.Range{}
	for _, rm := range l.module.removed {
		if at, twice := first[rm.Removal.From]; twice {
			l.duplicate("removed block for "+rm.Removal.From, rm.Range, at)
			continue
		}
		first[rm.Removal.From] = rm.Range
		if at, there := l.declared(rm.from, false); there {
			l.errorf("Removed block is still there", rm.Range, "%s is said to be removed, and it is still declared at %s. Remove one of the two.", rm.Removal.From, place(at))
			continue
		}
		l.config.Removals = append(l.config.Removals, rm.Removal)
	}
}

// Removal is the removed block that an address falls under, nil when there is none.
func (c *Config) Removal(address string) *Removal {
	if len(c.Removals) == 0 {
		return nil
	}
	for at := range scopes(address, true) {
		inside := address[at.start:]
		for _, end := range prefixes(inside) {
			for i := range c.Removals {
				if r := &c.Removals[i]; r.Module == at.module && r.From == inside[:end] {
					return r
				}
			}
		}
	}
	return nil
}

// address is an address as a user writes it: pod.web, pod.web["a"], module.app.pod.web[0].
type address struct {
	text  string
	kind  string // pod; module for an address that ends with a module
	block string // text without the key at its end
	keyed bool   // it ends with a key
}

// address reads an argument that is an address.
func (l *loader) address(a *hclsyntax.Attribute, example string) (address, bool) {
	t, diags := hcl.AbsTraversalForExpr(a.Expr)
	if diags.HasErrors() {
		l.errorf("Address expected", a.Expr.Range(), "%s is an address as it is, without quotes or calculations: %s.", a.Name, example)
		return address{}, false
	}
	out, problem := l.parseAddress(t)
	if problem != "" {
		l.errorf("Address expected", a.Expr.Range(), "%s %s", a.Name, problem)
		return out, false
	}
	return out, true
}

func (l *loader) parseAddress(t hcl.Traversal) (out address, problem string) {
	kind := t.RootName()
	for i := 1; ; {
		name, ok := step(t, i)
		if !ok {
			return out, fmt.Sprintf("needs the name of a block: %s%s.NAME.", out.text, kind)
		}
		switch {
		case kind == "module":
		case l.opts.Schemas[kind] == nil:
			return out, fmt.Sprintf("begins with a kind of block, and there is no kind %q.%s", kind, didYouMean(kind, append(keysOf(l.opts.Schemas), "module")))
		}
		out.kind, out.keyed = kind, false
		out.block = out.text + kind + "." + name
		out.text = out.block
		i++
		if i < len(t) {
			if index, ok := t[i].(hcl.TraverseIndex); ok {
				if index.Key.Type() != cty.String && index.Key.Type() != cty.Number {
					return out, "has a key that is neither a text nor a number."
				}
				out.text, out.keyed = InstanceAddress(out.block, index.Key), true
				i++
			}
		}
		if i == len(t) {
			return out, ""
		}
		if kind != "module" {
			return out, fmt.Sprintf("is an address of a block or an instance: write %s.", out.text)
		}
		next, ok := t[i].(hcl.TraverseAttr)
		if !ok {
			return out, fmt.Sprintf("is an address of a block or an instance: write %s.", out.text)
		}
		kind, out.text = next.Name, out.text+"."
		i++
	}
}
