// Package show is the command that shows the state or a saved plan.
package show

import (
	"context"

	"github.com/stowage-iac/stowage/cmd/stowage/internal/cli"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/run"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/view"
)

// Command is "show".
func Command() *cli.Command {
	return &cli.Command{
		Name: "show", Synopsis: "Show the state or a saved plan", Usage: "[options] [PLAN]",
		Doc: `Without an argument, shows what the state records: every resource instance as a
block, and the outputs. With the file of a saved plan, shows that plan.

Sensitive values are named, not shown; with -json they are null.`,
		Example: "$ stowage show\n$ stowage plan -out=plan.stowage && stowage show -json plan.stowage",
		MaxArgs: 1, CompleteArgs: "*",
		Bind: func(f *cli.Flags) cli.Run {
			asJSON := f.Bool("json", false, "Print one JSON document")
			return func(ctx context.Context, t *cli.Terminal, args []string) int {
				r := run.New(t)
				if len(args) == 1 {
					return plan(r, args[0], *asJSON)
				}
				return recorded(ctx, r, *asJSON)
			}
		},
	}
}

func plan(r *run.Run, path string, asJSON bool) int {
	saved, diags := r.OpenPlan(path)
	if r.Report(diags) {
		return cli.Failed
	}
	p := saved.Plan
	r.Report(p.Warnings)
	var err error
	if asJSON {
		err = r.Out().PlanJSON(r.T.Out, p)
	} else {
		err = r.Out().Plan(r.T.Out, p)
	}
	if err != nil {
		return r.Fail("Cannot write the result", err)
	}
	return cli.OK
}

func recorded(ctx context.Context, r *run.Run, asJSON bool) int {
	s, diags := r.Recorded(ctx)
	if r.Report(diags) {
		return cli.Failed
	}
	list, diags := r.Instances(s)
	if r.Report(diags) {
		return cli.Failed
	}
	outputs, err := run.Outputs(s)
	if err != nil {
		return r.Fail("Cannot read the state", err)
	}
	d := view.StateDocument{StowageVersion: s.StowageVersion, Lineage: s.Lineage, Serial: s.Serial, Cluster: s.ClusterID}
	if asJSON {
		err = r.Out().StateJSON(r.T.Out, d, list, outputs)
	} else {
		if len(list)+len(outputs) == 0 {
			r.Note("the state records nothing: nothing has been applied, or everything was destroyed.")
		}
		err = r.Out().State(r.T.Out, list, outputs)
	}
	if err != nil {
		return r.Fail("Cannot write the result", err)
	}
	return cli.OK
}
