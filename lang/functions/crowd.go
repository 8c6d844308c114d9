package functions

import (
	"fmt"

	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang/numbers"
)

// maxCrowd bounds how many different elements of a set may have one hash: cty compares
// them each with each, and of a number it hashes the first ten digits only.
const maxCrowd = 5000

// crowd finds a set in the type that v is converted to whose elements cty would compare
// for minutes.
func crowd(v cty.Value, ty cty.Type) error {
	if !numbers.Holds(ty, isNumberSet) || !v.IsKnown() || v.IsNull() {
		return nil
	}
	v, _ = v.Unmark()
	if ty.IsSetType() {
		return crowded(v)
	}
	if !v.CanIterateElements() {
		return nil
	}
	return numbers.Elements(v, ty, crowd)
}

// isNumberSet reports whether a type is that of sets of what can hold numbers.
func isNumberSet(ty cty.Type) bool { return ty.IsSetType() && numbers.HasNumbers(ty.ElementType()) }

// crowded counts the different elements by their hash, where there are enough of them.
func crowded(v cty.Value) error {
	if !v.CanIterateElements() || v.Type().IsSetType() || v.LengthInt() <= maxCrowd {
		return nil // a set has been made already
	}
	if ty := v.Type(); ty.IsListType() && !numbers.HasNumbers(ty.ElementType()) {
		return nil
	}
	met, counts := newSeen(v.LengthInt()), map[int]int{}
	for it := v.ElementIterator(); it.Next(); {
		_, e := it.Element()
		if e, _ = e.UnmarkDeep(); e.Type() == cty.String {
			return nil // so all become texts
		} else if !e.IsWhollyKnown() {
			continue
		}
		if fresh, err := met.add(e); err != nil || !fresh {
			continue
		}
		hash := e.Hash()
		if counts[hash]++; counts[hash] > maxCrowd {
			return fmt.Errorf("a set of more than %d numbers whose first ten digits are the same would take too long to make; make texts of them: [for n in … : tostring(n)]", maxCrowd)
		}
	}
	return nil
}
