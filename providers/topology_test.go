package providers_test

import (
	"strings"
	"testing"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/providers"
)

func machine(role string, schedulable ...bool) providers.Machine {
	m := providers.Machine{Spec: api.NodeSpec{Role: role}}
	if len(schedulable) > 0 {
		m.SchedulableSet, m.Spec.Schedulable = true, schedulable[0]
	}
	return m
}

func TestTopology(t *testing.T) {
	for name, tc := range map[string]struct {
		machines map[string]providers.Machine
		want     string // NAME=ROLE[+schedulable] …, or the summary of the error
	}{
		"none":                          {nil, ""},
		"a lone node is everything":     {map[string]providers.Machine{"a": machine("")}, "a=manager+"},
		"a lone node may refuse pods":   {map[string]providers.Machine{"a": machine("", false)}, "a=manager"},
		"a manager carries no pods":     {map[string]providers.Machine{"a": machine("manager"), "b": machine("")}, "a=manager b=worker+"},
		"unless it says so":             {map[string]providers.Machine{"a": machine("manager", true), "b": machine("")}, "a=manager+ b=worker+"},
		"nobody manages":                {map[string]providers.Machine{"a": machine(""), "b": machine("")}, "No manager"},
		"two managers":                  {map[string]providers.Machine{"a": machine("manager"), "b": machine("manager")}, "Even number of managers"},
		"three managers come later":     {map[string]providers.Machine{"a": machine("manager"), "b": machine("manager"), "c": machine("manager")}, "Several managers"},
		"a lone worker manages nothing": {map[string]providers.Machine{"a": machine("worker")}, "No manager"},
	} {
		t.Run(name, func(t *testing.T) {
			specs, diags := providers.Topology(tc.machines)
			var got []string
			for _, n := range []string{"a", "b", "c"} {
				if s, ok := specs[n]; ok {
					e := n + "=" + s.Role
					if s.Schedulable {
						e += "+"
					}
					got = append(got, e)
				}
			}
			text := strings.Join(got, " ")
			if diags.HasErrors() {
				text = diags[0].Summary
			}
			if text != tc.want {
				t.Errorf("got %q, want %q", text, tc.want)
			}
		})
	}
}
