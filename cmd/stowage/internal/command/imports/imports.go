// Package imports is the command that takes over what exists.
package imports

import (
	"context"
	"time"

	"github.com/stowage-iac/stowage/cmd/stowage/internal/cli"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/run"
)

// Command is "import".
func Command() *cli.Command {
	return &cli.Command{
		Name: "import", Synopsis: "Take over what exists and is not in the state", Usage: "[options] ADDRESS ID",
		Doc: `Records that an instance of the configuration stands for something that exists:
a node (its host already runs stowaged), a pod, a config or an image of the
cluster that another state made or lost. ID is its name there. Nothing of it is
changed; the next plan shows what differs from the configuration.

Import what something refers to first: the node, then images and configs, then
the pods. Secrets cannot be imported: their values are nowhere to be read. An
import block does the same, shown by a plan before.`,
		Example: "$ stowage import node.a a\n$ stowage import 'pod.web[\"eu\"]' 'web[\"eu\"]'",
		MinArgs: 2, MaxArgs: 2,
		Bind: func(f *cli.Flags) cli.Run {
			o := run.Bind(f)
			return func(ctx context.Context, t *cli.Terminal, args []string) int {
				return adopt(ctx, run.New(t), o, args[0], args[1])
			}
		},
	}
}

func adopt(ctx context.Context, r *run.Run, o *run.Options, address, id string) int {
	soft, hard, release := cli.Interrupts(ctx, 5*time.Second, r.TellInterrupt)
	defer release()
	if !o.Refresh {
		return r.T.Usage("stowage import: -refresh=false is not possible: what is imported has to be looked at")
	}
	o.Import(address, id)
	s, code := r.Begin(soft, "import", o)
	if s == nil {
		return code
	}
	defer s.End()
	if code := r.ApproveEdit(soft, "import"); code != cli.OK {
		return code
	}
	p, code := s.Plan(soft)
	if p == nil {
		return code
	}
	return s.Adopt(soft, hard, p, address)
}
