package planner

import (
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/stowage-iac/stowage/lang"
)

// Options narrow or bend a plan. The zero value plans everything.
type Options struct {
	// Targets are addresses of instances, blocks or modules: the plan is about them
	// and what they depend on. A destroy takes what depends on them instead.
	Targets []string `json:"targets,omitempty"`
	// Excludes are left out, with what depends on them; of a destroy, with what they
	// depend on. Not together with Targets.
	Excludes []string `json:"excludes,omitempty"`
	// Replace are addresses of what is replaced although nothing forces it.
	Replace []string `json:"replace,omitempty"`
	// RefreshOnly plans nothing but the recording of what changed by itself.
	RefreshOnly bool `json:"refresh_only,omitempty"`
	// Narrowed: the command has set Targets, and not its user, who needs no warning that the
	// plan is partial.
	Narrowed bool `json:"-"`
}

// Partial reports whether the plan leaves out some of the configuration.
func (o Options) Partial() bool { return len(o.Targets)+len(o.Excludes) > 0 }

func coveredBy(given []string, address string) bool {
	for _, g := range given {
		if lang.Under(address, g) {
			return true
		}
	}
	return false
}

// Given names the flags that make a plan partial, or what a command has narrowed it to.
func (o Options) Given() string {
	if o.Narrowed {
		return "only " + strings.Join(o.Targets, ", ")
	}
	var flags []string
	for _, t := range o.Targets {
		flags = append(flags, "-target="+t)
	}
	for _, e := range o.Excludes {
		flags = append(flags, "-exclude="+e)
	}
	return strings.Join(flags, " ")
}

func (o Options) partialWarning() *hcl.Diagnostic {
	return &hcl.Diagnostic{
		Severity: hcl.DiagWarning, Summary: "The plan is partial",
		Detail: fmt.Sprintf("Because of %s it leaves out whatever else differs between the configuration and what is there. "+
			"That is meant for exceptional cases: to recover from a mistake, or to go around one. Afterwards, plan without these options.", o.Given()),
	}
}

// AppliedWarning is what an apply of a partial plan has to say in the end.
func (o Options) AppliedWarning() *hcl.Diagnostic {
	return &hcl.Diagnostic{
		Severity: hcl.DiagWarning, Summary: "The apply was partial",
		Detail: fmt.Sprintf("Because of %s there may be more to do, and outputs may not be up to date. \"stowage plan\" without these options shows what is left.", o.Given()),
	}
}
