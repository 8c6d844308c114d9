package run

import (
	"context"
	"time"

	"github.com/stowage-iac/stowage/cmd/stowage/internal/cli"
	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/planner"
)

// Config is the configuration that the session loaded.
func (s *Session) Config() *lang.Config { return s.config }

// Evaluator evaluates with the recorded values, or with those of a plan that it
// makes for that. Without one the exit code is returned.
func (s *Session) Evaluator(ctx context.Context, plan bool) (*lang.Evaluator, int) {
	if plan {
		p, code := s.Plan(ctx)
		if p == nil {
			return nil, code
		}
		return p.Evaluator(), cli.OK
	}
	inputs := s.inputs
	inputs.Now = time.Now()
	ev, diags := planner.Recorded(s.config, inputs, s.loaded.State, s.r.Kinds)
	if diags.HasErrors() {
		return nil, s.failed(diags)
	}
	s.report(diags)
	return ev, cli.OK
}
