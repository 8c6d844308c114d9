package run

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/planner"
)

// again are the inputs of a saved plan with the ephemeral variables, which it does not
// hold, from where they come at every run.
func again(config *lang.Config, saved *planner.Saved, o *Options) (lang.Inputs, hcl.Diagnostics) {
	inputs := saved.Inputs
	names := config.Ephemerals()
	var diags hcl.Diagnostics
	for _, flag := range o.Flags {
		name, _, _ := strings.Cut(flag.Assign, "=")
		name, option := strings.TrimSpace(name), "-var gives a value to "
		switch {
		case flag.File != "" && len(names) > 0: // what it has for others is as it was
			continue
		case flag.File != "":
			name, option = flag.File, "-var-file names "
		case slices.Contains(names, name):
			continue
		}
		diags = append(diags, Diagnose("Variable of a saved plan", fmt.Errorf(
			"%s%s, and a saved plan has the values that it was made with: only ephemeral variables are given again. Leave it out, or make another plan", option, name))...)
	}
	if len(names) == 0 || diags.HasErrors() {
		return inputs, diags
	}
	given, more := config.ReadVariables(o.sources())
	for _, d := range more {
		if d.Severity == hcl.DiagError {
			diags = append(diags, d)
		}
	}
	for _, name := range names {
		if in, ok := given[name]; ok {
			inputs.Variables[name] = in
		}
	}
	if saved.Plan.Destroy && !config.WritesOnly("node") && !config.Conditioned() {
		return inputs, diags // nothing of it is evaluated
	}
	for _, name := range saved.Ephemeral {
		if _, ok := inputs.Variables[name]; !ok {
			diags = append(diags, Diagnose("Missing value for an ephemeral variable", fmt.Errorf(
				"the plan was made with a value of the variable %q, which is ephemeral and therefore not in the plan. Give it again, with -var '%s=VALUE' or as STOWAGE_VAR_%s", name, name, name))...)
		}
	}
	return inputs, diags
}
