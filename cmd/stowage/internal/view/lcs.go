package view

// op is one step from an old sequence to a new one.
type op int

const (
	keep op = iota
	drop
	insert
)

// step is an op and the elements that it concerns: old of keep and drop, new of keep and insert.
type step struct {
	op       op
	old, new int
}

// maxDiff bounds the table of the longest common subsequence. Beyond it, the
// middle that differs is shown as removed and added as a whole.
const maxDiff = 4_000_000

// diff finds the steps from a sequence of n elements to one of m: the common
// beginning and end first, then the longest common subsequence between them.
func diff(n, m int, equal func(i, j int) bool) []step {
	steps := make([]step, 0, max(n, m))
	start := 0
	for start < n && start < m && equal(start, start) {
		steps = append(steps, step{keep, start, start})
		start++
	}
	end := 0
	for end < n-start && end < m-start && equal(n-1-end, m-1-end) {
		end++
	}
	steps = middle(steps, start, n-end, m-end, equal)
	for i := end; i > 0; i-- {
		steps = append(steps, step{keep, n - i, m - i})
	}
	return steps
}

// middle appends the steps between the common beginning and end.
func middle(steps []step, start, n, m int, equal func(i, j int) bool) []step {
	rows, cols := n-start, m-start
	i, j := start, start
	if rows > 0 && cols > 0 && rows*cols <= maxDiff {
		// common[r][c] is the length of the longest common subsequence of old[r:] and new[c:].
		common := make([][]int32, rows+1)
		for r := range common {
			common[r] = make([]int32, cols+1)
		}
		for r := rows - 1; r >= 0; r-- {
			for c := cols - 1; c >= 0; c-- {
				if equal(start+r, start+c) {
					common[r][c] = common[r+1][c+1] + 1
				} else {
					common[r][c] = max(common[r+1][c], common[r][c+1])
				}
			}
		}
		for i < n && j < m {
			switch r, c := i-start, j-start; {
			case equal(i, j):
				steps = append(steps, step{keep, i, j})
				i, j = i+1, j+1
			case common[r+1][c] >= common[r][c+1]:
				steps = append(steps, step{drop, i, 0})
				i++
			default:
				steps = append(steps, step{insert, 0, j})
				j++
			}
		}
	}
	for ; i < n; i++ {
		steps = append(steps, step{drop, i, 0})
	}
	for ; j < m; j++ {
		steps = append(steps, step{insert, 0, j})
	}
	return steps
}

// near tells for each step whether it is within distance of a change.
func near(steps []step, distance int) []bool {
	out := make([]bool, len(steps))
	for k, st := range steps {
		if st.op == keep {
			continue
		}
		for i := max(0, k-distance); i <= min(len(steps)-1, k+distance); i++ {
			out[i] = true
		}
	}
	return out
}
