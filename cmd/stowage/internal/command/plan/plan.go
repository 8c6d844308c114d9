// Package plan is the command that shows what an apply would do.
package plan

import (
	"context"

	"github.com/stowage-iac/stowage/cmd/stowage/internal/cli"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/run"
	"github.com/stowage-iac/stowage/planner"
)

// Command is "plan".
func Command() *cli.Command {
	return &cli.Command{
		Name: "plan", Synopsis: "Show what an apply would do", Usage: "[options]",
		Doc: `Compares the configuration, the state and what is really on the hosts, and shows
every change with its cause, the node of every replica and the bytes that go to
each host. Nothing is changed, and nobody is kept from applying meanwhile: the
state is read without its lock. An apply that runs right now, or was cut off, is
told before the plan.

With -detailed-exitcode the exit code is 0 when there is nothing to do, 1 after an
error and 2 when there are changes. With -refresh-only as well, 2 means drift: what
the cluster healed by itself is none.`,
		Example: "$ stowage plan -var replicas=3\n$ stowage plan -out=web.plan && stowage apply web.plan\n$ stowage plan -target=pod.web\n$ stowage plan -markdown > comment.md\n$ stowage plan -refresh-only -detailed-exitcode",
		Bind: func(f *cli.Flags) cli.Run {
			o := run.Bind(f)
			out := f.File("out", "FILE", "*", "Save the plan, encrypted where it holds anything sensitive, for \"stowage apply FILE\"")
			detailed := f.Bool("detailed-exitcode", false, "Exit with 2 when there are changes")
			o.BindMaking(f)
			f.BoolVar(&o.Destroy, "destroy", false, "Plan to destroy everything")
			f.BoolVar(&o.Lock, "lock", false, "Hold the state's lock while planning, so that nobody applies meanwhile")
			f.BoolVar(&o.JSON, "json", false, "Print a stream of JSON objects, one a line")
			f.BoolVar(&o.Markdown, "markdown", false, "Print the plan for a comment on a pull or merge request, as \"stowage show\" does")
			return func(ctx context.Context, t *cli.Terminal, _ []string) int {
				return plan(ctx, run.New(t), o, *out, *detailed)
			}
		},
	}
}

func plan(ctx context.Context, r *run.Run, o *run.Options, out string, detailed bool) int {
	if why := o.Conflict(); why != "" {
		return r.T.Usage("stowage plan: %s", why)
	}
	if o.JSON && o.Markdown {
		return r.T.Usage("stowage plan: -json and -markdown exclude each other")
	}
	return r.Planned(ctx, o, func(s *run.Session, p *planner.Plan) int {
		if code := s.Show(p); code != cli.OK {
			return code
		}
		if out != "" {
			if code := s.Save(p, out); code != cli.OK {
				return code
			}
		}
		if detailed && !p.Empty() {
			return cli.Changes
		}
		return cli.OK
	})
}
