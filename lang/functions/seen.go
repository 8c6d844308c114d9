package functions

import (
	"fmt"
	"hash/maphash"
	"math/big"

	"github.com/zclconf/go-cty/cty"
)

// seen are the values that were met, wholly known ones. Equal values have equal hashes;
// which of those with one hash are equal, cty says.
type seen struct {
	seed    maphash.Seed
	buckets map[uint64][]cty.Value
}

// maxBucket bounds how many values may have one hash. Only sets that differ in their
// elements and not in their length can have it in common.
const maxBucket = 1000

func newSeen(n int) seen {
	return seen{maphash.MakeSeed(), make(map[uint64][]cty.Value, n)}
}

// add reports whether the value is met for the first time.
func (s seen) add(v cty.Value) (fresh bool, err error) {
	hash := s.hash(v)
	bucket := s.buckets[hash]
	for _, other := range bucket {
		if equal(v, other) {
			return false, nil
		}
	}
	if len(bucket) == maxBucket {
		return false, fmt.Errorf("there are more than %d sets of the same length among the elements", maxBucket)
	}
	s.buckets[hash] = append(bucket, v)
	return true, nil
}

func (s seen) has(v cty.Value) bool {
	for _, other := range s.buckets[s.hash(v)] {
		if equal(v, other) {
			return true
		}
	}
	return false
}

func equal(a, b cty.Value) bool {
	eq := a.Equals(b)
	return eq.IsKnown() && eq.True()
}

func (s seen) hash(v cty.Value) uint64 {
	var h maphash.Hash
	h.SetSeed(s.seed)
	feed(&h, v)
	return h.Sum64()
}

// feed hashes what two values that are equal have in common.
func feed(h *maphash.Hash, v cty.Value) {
	switch ty := v.Type(); {
	case v.IsNull():
		_ = h.WriteByte('~')
	case ty == cty.String:
		_, _ = h.WriteString(v.AsString())
		_ = h.WriteByte(0)
	case ty == cty.Bool:
		if v.True() {
			_ = h.WriteByte('T')
		} else {
			_ = h.WriteByte('F')
		}
	case ty == cty.Number:
		feedNumber(h, v.AsBigFloat())
	case ty.IsSetType():
		_ = h.WriteByte(byte(v.LengthInt()))
	case v.CanIterateElements(): // keys of maps and objects come sorted
		for it := v.ElementIterator(); it.Next(); {
			key, e := it.Element()
			if key.Type() == cty.String {
				feed(h, key)
			}
			feed(h, e)
		}
		_ = h.WriteByte(';')
	}
}

func feedNumber(h *maphash.Hash, f *big.Float) {
	if n, accuracy := f.Int64(); accuracy == big.Exact {
		maphash.WriteComparable(h, n)
		return
	}
	_, _ = h.Write(f.Append(nil, 'p', 0)) // exact, whatever the precision
}
