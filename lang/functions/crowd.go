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
	if !hasNumberSet(ty) || !v.IsKnown() || v.IsNull() {
		return nil
	}
	v, _ = v.Unmark()
	if ty.IsSetType() {
		return crowded(v)
	}
	if !v.CanIterateElements() {
		return nil
	}
	for i, it := 0, v.ElementIterator(); it.Next(); i++ {
		key, e := it.Element()
		want := ty
		switch {
		case ty.IsCollectionType():
			want = ty.ElementType()
		case ty.IsTupleType() && i < ty.Length():
			want = ty.TupleElementType(i)
		case ty.IsObjectType() && key.Type() == cty.String && ty.HasAttribute(key.AsString()):
			want = ty.AttributeType(key.AsString())
		default:
			continue
		}
		if err := crowd(e, want); err != nil {
			return err
		}
	}
	return nil
}

// hasNumberSet reports whether a type holds a set of what can hold numbers.
func hasNumberSet(ty cty.Type) bool {
	switch {
	case ty.IsSetType():
		return ty.ElementType() == cty.DynamicPseudoType || numbers.HasNumbers(ty.ElementType())
	case ty.IsCollectionType():
		return hasNumberSet(ty.ElementType())
	case ty.IsTupleType():
		for _, e := range ty.TupleElementTypes() {
			if hasNumberSet(e) {
				return true
			}
		}
	case ty.IsObjectType():
		for _, a := range ty.AttributeTypes() {
			if hasNumberSet(a) {
				return true
			}
		}
	}
	return false
}

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
