package planner

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/providers"
	"github.com/stowage-iac/stowage/state"
)

// Renamed is a state in which instances have other addresses.
type Renamed struct {
	State *state.State
	Moved []Moved // sorted by From

	ledger *ledger
}

// Moved is an instance that has another address.
type Moved struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// Now is the address that stands for one of before.
func (r *Renamed) Now(address string) string { return r.ledger.now(address) }

// Rename gives what a state records at an address another one, as a moved block does
// at the next apply: of an instance, of a block with all of its instances, or of a
// module. Objects keep their names, and all that is recorded as referring to what
// moved refers to it still. s stays as it is.
func Rename(s *state.State, kinds map[string]providers.Kind, from, to lang.Address) (*Renamed, hcl.Diagnostics) {
	moves := lang.OneMove(from, to)
	r := &Renamed{}
	goes := map[string]bool{}
	for address := range s.Instances {
		if target, _, ok := moves.Target(address); ok {
			goes[address] = true
			r.Moved = append(r.Moved, Moved{address, target})
		}
	}
	slices.SortFunc(r.Moved, func(a, b Moved) int { return lang.CompareAddresses(a.From, b.From) })
	if problem := impossible(s, from, to, r.Moved, goes); problem != "" {
		return nil, hcl.Diagnostics{errorf(nil, "Move not possible", problem)}
	}
	var diags hcl.Diagnostics
	if r.ledger, diags = follow(&moves, s); diags.HasErrors() {
		return nil, diags
	}
	if err := r.ledger.rewrite(newKinds(kinds)); err != nil {
		return nil, append(diags, errorf(nil, "Move not possible", sentence(err)+"."))
	}
	r.State = r.ledger.state
	return r, diags
}

// impossible says why an address cannot become another one, "" where it can.
func impossible(s *state.State, from, to lang.Address, moved []Moved, goes map[string]bool) string {
	switch {
	case from.String() == to.String():
		return fmt.Sprintf("Both addresses are %s.", from)
	case strings.HasPrefix(from.Kind, "data.") || strings.HasPrefix(to.Kind, "data."):
		return "data blocks are read anew by each plan: nothing of them is recorded that could move."
	case from.Kind != to.Kind:
		return fmt.Sprintf("%s cannot become %s: a move changes the name of a block, not its kind.", from, to)
	case from.Keyed() != to.Keyed() && slices.ContainsFunc(sortedKeys(s.Instances), func(a string) bool { return lang.Under(a, from.String()) && !goes[a] }):
		return fmt.Sprintf("%s stands for instances with keys, and %s is one instance. Move them one by one, or leave the key away.", from, to)
	case len(moved) == 0:
		return fmt.Sprintf("The state records nothing at %s.", from)
	}
	for _, address := range sortedKeys(s.Instances) {
		if lang.Under(address, to.String()) && !goes[address] {
			return fmt.Sprintf("The state records %s already, and two things cannot have one address. Move it away first, or have it forgotten by \"stowage state rm\".", address)
		}
	}
	return ""
}

// rewrite has the recorded values refer to where things are now.
func (l *ledger) rewrite(kinds map[string]*kindInfo) error {
	dec := newDecoder()
	for address, rec := range l.state.Instances {
		k := kinds[rec.Kind]
		if k == nil {
			return fmt.Errorf("%s is of the kind %q, which this version of Stowage does not know; use the one that recorded it", address, rec.Kind)
		}
		if !k.refers {
			continue
		}
		was, err := dec.instance(k, rec)
		if err != nil {
			return err
		}
		now := l.refer(k, was)
		if same(now, was) {
			continue
		}
		e, err := k.codec.encode(now)
		if err != nil {
			return fmt.Errorf("%s cannot be recorded: %w", address, err)
		}
		rec = l.touch(address)
		rec.Value, rec.Sensitive = e.JSON, e.Sensitive
	}
	return nil
}
