// Package nodes tells which nodes answer. Judge is pure; Controller writes a
// verdict into the store whenever one changes, and clears away what is left of
// deleted nodes. What follows from a node that does not answer (failover) is
// another controller's, which reads the verdicts.
package nodes

import (
	"fmt"
	"sort"
	"time"

	"github.com/stowage-iac/stowage/cluster/store"
)

// Silence is how long a node may be silent before it counts as not ready.
const Silence = 3 * time.Second

// Input is what Judge looks at.
type Input struct {
	// Nodes are the names of all nodes of the cluster.
	Nodes []string
	// Seen is when each was last heard of by this manager; absent: not yet.
	Seen map[string]time.Time
	// Since is when this manager began to listen: a node not heard of counts
	// from then on.
	Since time.Time
	// Reported are the nodes that ever reported; others are still being set up.
	Reported map[string]bool
	Verdicts map[string]store.Health
	Now      time.Time
}

// Verdict is a change of mind about a node.
type Verdict struct {
	Node   string
	Health store.Health
}

// Judge returns the verdicts that change, by name, and when to look again: when
// the next node may have been silent for too long.
func Judge(in Input) (changes []Verdict, next time.Time) {
	next = in.Now.Add(Silence)
	names := append([]string{}, in.Nodes...)
	sort.Strings(names)
	for _, name := range names {
		seen, heard := in.Seen[name]
		if !heard {
			seen = in.Since
		}
		was, judged := in.Verdicts[name]
		silent := in.Now.Sub(seen) >= Silence
		switch {
		case silent && in.Reported[name] && (!judged || was.Ready):
			changes = append(changes, Verdict{name, store.Health{Message: message(heard), Since: in.Now}})
		case !silent && heard && judged && !was.Ready:
			changes = append(changes, Verdict{name, store.Health{Ready: true, Since: in.Now}})
		}
		if !silent && seen.Add(Silence).Before(next) {
			next = seen.Add(Silence)
		}
	}
	return changes, next
}

func message(heard bool) string {
	if !heard {
		return fmt.Sprintf("its agent has not been heard of since this manager started, more than %s ago; see that the host is up and reaches the manager", Silence)
	}
	return fmt.Sprintf("its agent has not been heard of for more than %s; see that the host is up and reaches the manager", Silence)
}
