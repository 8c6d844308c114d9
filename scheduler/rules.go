package scheduler

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/stowage-iac/stowage/scheduler/selector"
)

// Filter says why a replica of the request cannot run on node now: no clause
// when it can. Request.Slots, Previous and OnAll do not matter.
func Filter(node Node, r Request) []string {
	r.OnAll = false
	return append(newRules(&r).against(&node), newRoom(&node).lacks(&r)...)
}

// Eligible reports whether the node's rules (schedulable, taints, where) allow
// the request, whatever room is left.
func Eligible(node Node, r Request) bool { return len(newRules(&r).against(&node)) == 0 }

// rules are what a request demands of a node, whatever room it has.
type rules struct {
	request *Request
	where   *selector.Expr
	err     error
}

func newRules(r *Request) *rules {
	where, err := selector.Parse(r.Where)
	return &rules{r, where, err}
}

// against are the clauses for the rules that exclude the node.
func (r *rules) against(n *Node) (clauses []string) {
	if !n.Schedulable {
		clauses = append(clauses, "is not asked to run pods (schedulable = false)")
	}
	for _, key := range slices.Sorted(maps.Keys(n.Taints)) {
		if !slices.Contains(r.request.Tolerate, key) {
			clauses = append(clauses, fmt.Sprintf("has the taint %q, which the pod does not tolerate", key))
		}
	}
	switch {
	case r.err != nil:
		clauses = append(clauses, r.err.Error())
	case !r.where.Match(n.Labels):
		clauses = append(clauses, fmt.Sprintf("does not match where = %q (%s)", r.request.Where, r.labels(n)))
	}
	return clauses
}

// labels are those of the node that the expression asks for.
func (r *rules) labels(n *Node) string {
	var parts []string
	for _, key := range r.where.Keys() {
		if v, ok := n.Labels[key]; ok {
			parts = append(parts, fmt.Sprintf("%s is %q", key, v))
		} else {
			parts = append(parts, "it has no "+key)
		}
	}
	return strings.Join(parts, ", ")
}
