package planner

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestHeap: whatever is pushed between, the lowest number comes first.
func TestHeap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var h intHeap
		var want []int32
		for range rapid.IntRange(0, 60).Draw(t, "steps") {
			if len(want) > 0 && rapid.Bool().Draw(t, "pop") {
				if got := h.pop(); got != want[0] {
					t.Fatalf("%d comes before %d", got, want[0])
				}
				want = want[1:]
				continue
			}
			x := rapid.Int32Range(0, 30).Draw(t, "x")
			h.push(x)
			want = append(want, x)
			slices.Sort(want)
		}
		if len(h) != len(want) {
			t.Fatalf("%d numbers instead of %d", len(h), len(want))
		}
	})
}

// TestRuns: the part of a sorted list is found in whatever order it is asked for.
func TestRuns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		letter := rapid.SampledFrom([]string{"a", "b", "c", "d", "e"})
		list := rapid.SliceOf(letter).Draw(t, "list")
		slices.Sort(list)
		of := runs(list, func(s *string) string { return *s })
		for _, name := range rapid.SliceOf(letter).Draw(t, "asked") {
			want := slices.DeleteFunc(slices.Clone(list), func(s string) bool { return s != name })
			if got := of(name); !slices.Equal(got, want) {
				t.Fatalf("%v of %v: %v", name, list, got)
			}
		}
	})
}
