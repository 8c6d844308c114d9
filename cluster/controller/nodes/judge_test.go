package nodes

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stowage-iac/stowage/cluster/store"
)

// TestJudge: seconds count from the manager's start; "-" is never.
func TestJudge(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	at := func(seconds float64) time.Time { return start.Add(time.Duration(seconds * float64(time.Second))) }
	ready, silent := store.Health{Ready: true}, store.Health{}
	for _, c := range []struct {
		name    string
		now     float64
		seen    map[string]float64
		was     map[string]store.Health
		unheard bool // has never reported
		want    string
		next    float64
	}{
		{name: "heard of a moment ago", now: 10, seen: map[string]float64{"a": 9}, want: "", next: 12},
		{name: "silent for three seconds", now: 10, seen: map[string]float64{"a": 7}, want: "a silent", next: 13},
		{name: "known to be silent", now: 10, seen: map[string]float64{"a": 5}, was: map[string]store.Health{"a": silent}, want: "", next: 13},
		{name: "silent after it was back", now: 10, seen: map[string]float64{"a": 5}, was: map[string]store.Health{"a": ready}, want: "a silent", next: 13},
		{name: "heard of again", now: 10, seen: map[string]float64{"a": 9}, was: map[string]store.Health{"a": silent}, want: "a ready", next: 12},
		{name: "not heard of since the manager started: wait", now: 2, want: "", next: 3},
		{name: "not heard of since the manager started: silent", now: 3, want: "a silent", next: 6},
		{name: "a silent one stays so while the manager starts", now: 1, was: map[string]store.Health{"a": silent}, want: "", next: 3},
		{name: "still being set up", now: 60, unheard: true, want: "", next: 63},
	} {
		in := Input{
			Nodes: []string{"a"}, Seen: map[string]time.Time{}, Since: start,
			Reported: map[string]bool{"a": !c.unheard}, Verdicts: c.was, Now: at(c.now),
		}
		for name, s := range c.seen {
			in.Seen[name] = at(s)
		}
		changes, next := Judge(in)
		var said []string
		for _, v := range changes {
			word := "silent"
			if v.Health.Ready {
				word = "ready"
			} else if !strings.Contains(v.Health.Message, "has not been heard of") {
				word = fmt.Sprintf("silent, saying %q", v.Health.Message)
			}
			said = append(said, v.Node+" "+word)
		}
		if got := strings.Join(said, ", "); got != c.want || !next.Equal(at(c.next)) {
			t.Errorf("%s: %q, again at %v; want %q, at %vs", c.name, got, next.Sub(start), c.want, c.next)
		}
	}
}
