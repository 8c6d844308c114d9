package run

import (
	"context"
	"fmt"

	"github.com/stowage-iac/stowage/cmd/stowage/internal/cli"
	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/planner"
)

// Import has the plan be about one import and, unless the user names more, about nothing else.
func (o *Options) Import(address, id string) {
	o.imports = []lang.Import{{Address: address, ID: id}}
	o.Plan.Narrowed = !o.Plan.Partial()
	o.Plan.Targets = append(o.Plan.Targets, address)
}

// Adopt records what the plan imports at an address, and does nothing else of it.
func (s *Session) Adopt(soft, hard context.Context, p *planner.Plan, address string) int {
	only := p.OnlyImport(address)
	if only == nil {
		return s.failed(Diagnose("Recorded already", fmt.Errorf("the state records %s already: nothing is imported", address)))
	}
	result, diags := s.execute(soft, hard, only)
	if !whole(result, diags) {
		return s.failed(diags)
	}
	fmt.Fprintf(s.r.T.Out, "Imported %s. \"stowage plan\" shows what differs from the configuration.\n", address)
	return cli.OK
}
