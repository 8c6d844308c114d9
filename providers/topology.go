package providers

import (
	"fmt"
	"sort"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/stowage-iac/stowage/api"
)

func topology(machines map[string]Machine) (map[string]api.NodeSpec, hcl.Diagnostics) {
	var diags hcl.Diagnostics
	specs := make(map[string]api.NodeSpec, len(machines))
	var managers, names []string
	for name := range machines {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		m := machines[name]
		spec := m.Spec
		if spec.Role == "" {
			spec.Role = api.RoleWorker
			if len(machines) == 1 {
				spec.Role = api.RoleManager
			}
		}
		if spec.Role == api.RoleManager {
			managers = append(managers, name)
		}
		if !m.SchedulableSet {
			spec.Schedulable = spec.Role == api.RoleWorker || len(machines) == 1
		}
		specs[name] = spec
	}
	switch {
	case len(machines) == 0 || len(managers) == 1:
	case len(managers) == 0:
		diags = append(diags, &hcl.Diagnostic{
			Severity: hcl.DiagError,
			Summary:  "No manager",
			Detail: fmt.Sprintf("None of the nodes %s is a manager, so nothing would hold the cluster's state. Set role = \"manager\" on one of them.",
				strings.Join(names, ", ")),
		})
	case len(managers)%2 == 0:
		diags = append(diags, &hcl.Diagnostic{
			Severity: hcl.DiagError,
			Summary:  "Even number of managers",
			Detail: fmt.Sprintf("%d nodes are managers (%s). An even number survives no more failures than one less and can split in halves: use 1, 3, 5 or 7. This version of Stowage supports 1.",
				len(managers), strings.Join(managers, ", ")),
		})
	default:
		diags = append(diags, &hcl.Diagnostic{
			Severity: hcl.DiagError,
			Summary:  "Several managers",
			Detail: fmt.Sprintf("%d nodes are managers (%s). This version of Stowage supports one manager; 3, 5 and 7 come with a later one. Leave role = \"manager\" on one of them.",
				len(managers), strings.Join(managers, ", ")),
		})
	}
	return specs, diags
}
