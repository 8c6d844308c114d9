package view

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stowage-iac/stowage/planner"
	"github.com/stowage-iac/stowage/providers"
)

// whys are the kinds of causes that the planner gives.
var whys = []struct {
	name   string
	reason string
	causes []providers.Cause
}{
	{name: "none"},
	{name: "edited", causes: []providers.Cause{{Path: "replicas"}, {Path: "container.log", Why: "removed"}}},
	{name: "dependency", causes: []providers.Cause{{Path: "container.web.env[\"V\"]", Why: "changed with config.site.version", Dependency: "config.site"}}},
	{name: "drift", causes: []providers.Cause{{Path: "replicas", Why: "changed outside of Stowage"}}},
	{name: "forced", causes: []providers.Cause{{Path: "address", Why: "another host is another node", Dependency: "config.hosts"}}},
	{name: "asked for", causes: []providers.Cause{{Why: "-replace asks for it"}}},
	{name: "vanished", reason: `for_each of pod.web has no key "b"`},
	{name: "unfinished", reason: "the last apply of it did not finish"},
	{name: "gone", reason: "it is gone"},
	{name: "placement", causes: []providers.Cause{{Path: "placement", Why: "slot 0 moves from a to b: the node is deleted"}}},
}

// TestCauses: every action with every kind of cause says why, for people and for programs.
func TestCauses(t *testing.T) {
	var all strings.Builder
	for _, action := range []planner.Action{planner.Create, planner.Update, planner.Replace, planner.Delete} {
		for _, why := range whys {
			if why.name == "none" && (action == planner.Update || action == planner.Replace) {
				continue // the planner makes none without a cause
			}
			c := &planner.Change{Address: "pod.web", Kind: "x", Action: action, Reason: why.reason, Causes: why.causes, Before: object("1"), After: object("2")}
			pr := &printer{view: View{}}
			pr.change(c)
			fmt.Fprintf(&all, "== %s: %s\n", action, why.name)
			for line := range strings.Lines(string(pr.b)) {
				if strings.HasPrefix(line, "  #") {
					all.WriteString(line)
				}
			}
			causes := View{}.resourceChange(&planner.Plan{}, c).Causes
			if len(causes) == 0 {
				t.Errorf("%s, %s: a program is not told why", action, why.name)
			}
			for _, cause := range causes {
				b, err := json.Marshal(cause)
				if err != nil {
					t.Fatal(err)
				}
				fmt.Fprintf(&all, "%s\n", b)
				if cause.Dependency != "" && cause.Why != "another host is another node" && !strings.Contains(string(pr.b), cause.Dependency) {
					t.Errorf("%s, %s: people are not told of %s", action, why.name, cause.Dependency)
				}
			}
		}
	}
	golden(t, "causes.txt", all.String())
}
