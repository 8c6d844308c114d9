// Package graph is the command that draws the configuration's blocks, or the
// steps of a plan.
package graph

import (
	"context"
	"io"

	"github.com/stowage-iac/stowage/cmd/stowage/internal/cli"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/run"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/view/graph"
	"github.com/stowage-iac/stowage/planner"
)

type options struct{ kind, plan, format string }

// writers are the formats.
var writers = map[string]func(io.Writer, *graph.Graph) error{"dot": graph.DOT, "svg": graph.SVG}

// Command is "graph".
func Command() *cli.Command {
	return &cli.Command{
		Name: "graph", Synopsis: "Draw what depends on what", Usage: "[options]",
		Doc: `Draws the blocks of the configuration and what each refers to, or the steps of a
plan in the order in which an apply takes them. DOT, as Terraform prints it, is for
Graphviz and other tools; SVG is a drawing for a browser.

Without -plan, -type=plan makes a plan as "stowage plan" does.`,
		Example: "$ stowage graph -format=svg > graph.svg\n$ stowage graph -plan=web.plan | dot -Tpng > plan.png",
		Bind: func(f *cli.Flags) cli.Run {
			o := run.Bind(f)
			o.Lock = false
			kind := f.String("type", "config|plan", "", "What to draw; default config, or plan with -plan")
			plan := f.File("plan", "FILE", "*", "Draw the steps of a saved plan")
			format := f.String("format", "dot|svg", "dot", "How; default dot")
			f.BoolVar(&o.Destroy, "destroy", false, "Draw the plan to destroy everything")
			return func(ctx context.Context, t *cli.Terminal, _ []string) int {
				g := options{*kind, *plan, *format}
				if g.kind == "" {
					g.kind = "config"
					if g.plan != "" || o.Destroy {
						g.kind = "plan"
					}
				}
				switch {
				case g.kind != "config" && g.kind != "plan":
					return t.Usage("stowage graph: invalid value %q of flag -type: it is config or plan", g.kind)
				case writers[g.format] == nil:
					return t.Usage("stowage graph: invalid value %q of flag -format: it is dot or svg", g.format)
				case g.kind == "config" && (g.plan != "" || o.Destroy):
					return t.Usage("stowage graph: -plan and -destroy draw a plan; leave out -type=config")
				case g.plan != "" && o.Destroy:
					return t.Usage("stowage graph: -destroy has no effect on a saved plan")
				}
				return draw(ctx, run.New(t), o, g)
			}
		},
	}
}

func draw(ctx context.Context, r *run.Run, o *run.Options, g options) int {
	switch {
	case g.kind == "config":
		cfg, diags := r.Load()
		if r.Report(diags) {
			return cli.Failed
		}
		return write(r, g, graph.Configuration(cfg))
	case g.plan != "":
		saved, diags := r.OpenPlan(g.plan)
		if r.Report(diags) {
			return cli.Failed
		}
		return write(r, g, graph.Plan(saved.Plan, nil))
	}
	return r.Planned(ctx, o, func(_ *run.Session, p *planner.Plan) int { return write(r, g, graph.Plan(p, nil)) })
}

func write(r *run.Run, g options, drawing *graph.Graph) int {
	if err := writers[g.format](r.T.Out, drawing); err != nil {
		return r.Fail("Cannot write the graph", err)
	}
	return cli.OK
}
