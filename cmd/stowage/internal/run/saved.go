package run

import (
	"context"
	"errors"

	"github.com/hashicorp/hcl/v2"

	"github.com/stowage-iac/stowage/cmd/stowage/internal/cli"
	"github.com/stowage-iac/stowage/planner"
)

// Save writes a plan to a file.
func (s *Session) Save(p *planner.Plan, path string) int {
	return s.failed(Diagnose("Cannot save the plan", errors.New("later")))
}

// OpenPlan reads a saved plan.
func (r *Run) OpenPlan(path string) (*planner.Plan, hcl.Diagnostics) {
	return nil, Diagnose("Cannot read the plan", errors.New("later"))
}

// Resume begins the apply of a saved plan.
func (r *Run) Resume(ctx context.Context, p *planner.Plan, o *Options) (*Session, int) {
	return nil, cli.Failed
}
