// Package destroy is the command that undoes everything.
package destroy

import (
	"context"

	"github.com/stowage-iac/stowage/cmd/stowage/internal/cli"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/command/apply"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/run"
)

// Command is "destroy".
func Command() *cli.Command {
	return &cli.Command{
		Name: "destroy", Synopsis: "Destroy everything that the state records", Usage: "[options]",
		Doc: `Plans to destroy every recorded resource instance, in the reverse order of their
dependencies, shows the plan, asks for approval and does what it says. Hosts stay;
what Stowage installed on them is removed.`,
		Example: "$ stowage destroy\n$ stowage plan -destroy -out=end.plan && stowage apply end.plan",
		Bind: func(f *cli.Flags) cli.Run {
			o := run.Bind(f)
			o.Destroy = true
			f.BoolVar(&o.AutoApprove, "auto-approve", false, "Do not ask for approval")
			f.BoolVar(&o.JSON, "json", false, "Print a stream of JSON objects, one a line; needs -auto-approve")
			return func(ctx context.Context, t *cli.Terminal, _ []string) int {
				return apply.Fresh(ctx, run.New(t), o)
			}
		},
	}
}
