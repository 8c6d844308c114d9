package state

import "slices"

// finished are the addresses that an operation is done with, each with when it was so
// last: a replacement is two steps.
type finished struct {
	last map[string]int
	n    int
}

func newFinished() finished { return finished{last: map[string]int{}} }

func (f *finished) add(address string) {
	f.n++
	f.last[address] = f.n
}

// but are those that are not begun again, in the order of finishing.
func (f *finished) but(underway map[string]bool) []string {
	var out []string
	for address := range f.last {
		if !underway[address] {
			out = append(out, address)
		}
	}
	slices.SortFunc(out, func(a, b string) int { return f.last[a] - f.last[b] })
	return out
}
