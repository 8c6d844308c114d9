// Package apply is the command that makes it so.
package apply

import (
	"context"
	"slices"
	"time"

	"github.com/stowage-iac/stowage/cmd/stowage/internal/cli"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/run"
)

// Command is "apply".
func Command() *cli.Command {
	return &cli.Command{
		Name: "apply", Synopsis: "Do what a plan says", Usage: "[options] [PLAN]",
		Doc: `Without an argument, makes a plan, shows it, asks for approval and does what it
says. With the file of a saved plan, does exactly what that plan says without a
question, and refuses it when it is stale. Ephemeral variables, which no plan
holds, are given again then.

Every finished step is on disk before another depends on it: after a crash, the
next apply continues. The first interrupt (ctrl-C) lets the running steps finish
and stops; the second stops at once.`,
		Example: "$ stowage apply -var replicas=3\n$ stowage apply -replace='pod.web[\"a\"]'\n$ stowage plan -out=web.plan && stowage apply web.plan",
		MaxArgs: 1, CompleteArgs: "*",
		Bind: func(f *cli.Flags) cli.Run {
			o := run.Bind(f)
			o.BindMaking(f)
			f.BoolVar(&o.AutoApprove, "auto-approve", false, "Do not ask for approval")
			f.BoolVar(&o.Destroy, "destroy", false, "Destroy everything, as \"stowage destroy\" does")
			f.BoolVar(&o.JSON, "json", false, "Print a stream of JSON objects, one a line; needs -auto-approve or a saved plan")
			return func(ctx context.Context, t *cli.Terminal, args []string) int {
				if len(args) == 1 {
					return saved(ctx, run.New(t), f, o, args[0])
				}
				return Fresh(ctx, run.New(t), o)
			}
		},
	}
}

// Fresh makes a plan, asks for approval and applies it.
func Fresh(ctx context.Context, r *run.Run, o *run.Options) int {
	if why := o.Conflict(); why != "" {
		return r.T.Usage("stowage %s: %s", operation(o), why)
	}
	if o.JSON && !o.AutoApprove {
		return r.T.Usage("stowage apply: -json needs -auto-approve or a saved plan, since nobody can be asked")
	}
	soft, hard, release := interrupts(ctx, r)
	defer release()
	s, code := r.Begin(soft, operation(o), o)
	if s == nil {
		return code
	}
	defer s.End()
	p, code := s.Plan(soft)
	if p == nil {
		return code
	}
	if code := s.Show(p); code != cli.OK {
		return code
	}
	if p.Empty() {
		return s.Settle(soft, hard, p)
	}
	if !o.AutoApprove {
		if code := s.Approve(soft, p); code != cli.OK {
			return code
		}
	}
	return s.Apply(soft, hard, p)
}

func operation(o *run.Options) string {
	if o.Destroy {
		return "destroy"
	}
	return "apply"
}

// shaping are flags that a saved plan was made with.
var shaping = []string{"destroy", "refresh", "refresh-only", "target", "exclude", "replace"}

// saved applies a saved plan.
func saved(ctx context.Context, r *run.Run, f *cli.Flags, o *run.Options, path string) int {
	for _, name := range f.Given() {
		if slices.Contains(shaping, name) {
			return r.T.Usage("stowage apply: -%s has no effect on a saved plan: it was made when the plan was; make another plan", name)
		}
	}
	soft, hard, release := interrupts(ctx, r)
	defer release()
	opened, diags := r.OpenPlan(path)
	if r.Report(diags) {
		return cli.Failed
	}
	s, code := r.Resume(soft, opened, o)
	if s == nil {
		return code
	}
	defer s.End()
	return s.Apply(soft, hard, opened.Plan)
}

func interrupts(ctx context.Context, r *run.Run) (soft, hard context.Context, release func()) {
	return cli.Interrupts(ctx, 5*time.Second, r.TellInterrupt)
}
