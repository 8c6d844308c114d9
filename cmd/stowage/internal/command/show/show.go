// Package show is the command that shows the state or a saved plan.
package show

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/stowage-iac/stowage/cmd/stowage/internal/cli"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/run"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/view"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/view/html"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/view/markdown"
	"github.com/stowage-iac/stowage/planner"
)

// options say how to show.
type options struct {
	json, markdown, html bool
	out                  string
}

// Command is "show".
func Command() *cli.Command {
	return &cli.Command{
		Name: "show", Synopsis: "Show the state or a saved plan", Usage: "[options] [PLAN]",
		Doc: `Without an argument, shows what the state records: every resource instance as a
block, and the outputs. With the file of a saved plan, shows that plan.

A plan can be shown for a comment on a pull or merge request (-markdown; it keeps
below what the forges take, and says what it leaves out), or as one page for a
browser that needs no network (-html): the steps as a graph, each node before and
after, and every difference.

Sensitive values are named, not shown; with -json they are null.`,
		Example: "$ stowage plan -out=web.plan && stowage show -json web.plan\n$ stowage show -markdown web.plan > comment.md\n$ stowage show -html -out=plan.html web.plan",
		MaxArgs: 1, CompleteArgs: "*",
		Bind: func(f *cli.Flags) cli.Run {
			asJSON := f.Bool("json", false, "Print one JSON document")
			asMarkdown := f.Bool("markdown", false, "Print the plan for a comment on a pull or merge request")
			asHTML := f.Bool("html", false, "Print the plan as a page that stands alone")
			out := f.File("out", "FILE", "*", "Write to a file instead of standard output")
			return func(ctx context.Context, t *cli.Terminal, args []string) int {
				o := options{*asJSON, *asMarkdown, *asHTML, *out}
				switch {
				case o.formats() > 1:
					return t.Usage("stowage show: -json, -markdown and -html exclude each other")
				case (o.markdown || o.html) && len(args) == 0:
					return t.Usage("stowage show: -markdown and -html show a saved plan: name its file (\"stowage plan -out=FILE\" makes one)")
				}
				r := run.New(t)
				if len(args) == 1 {
					return plan(r, args[0], o)
				}
				return recorded(ctx, r, o)
			}
		},
	}
}

func (o options) formats() int {
	n := 0
	for _, given := range []bool{o.json, o.markdown, o.html} {
		if given {
			n++
		}
	}
	return n
}

func plan(r *run.Run, path string, o options) int {
	saved, diags := r.OpenPlan(path)
	if r.Report(diags) {
		return cli.Failed
	}
	p := saved.Plan
	if o.formats() == 0 {
		r.Report(p.Warnings) // the other formats have them within
	}
	return output(r, o, func(w io.Writer, v view.View) error { return render(w, v, p, o) })
}

func render(w io.Writer, v view.View, p *planner.Plan, o options) error {
	switch {
	case o.json:
		return v.PlanJSON(w, p)
	case o.markdown:
		return markdown.Plan(w, v.Report(p))
	case o.html:
		return html.Plan(w, v, p)
	}
	return v.Plan(w, p)
}

// output writes to standard output, or replaces a file at once.
func output(r *run.Run, o options, write func(io.Writer, view.View) error) int {
	v := r.Out()
	if o.out == "" {
		if err := write(r.T.Out, v); err != nil {
			return r.Fail("Cannot write the result", err)
		}
		return cli.OK
	}
	v.Color = false
	var b bytes.Buffer
	err := write(&b, v)
	if err == nil {
		err = run.WriteFile(o.out, b.Bytes(), 0)
	}
	if err != nil {
		return r.Fail("Cannot write the result", fmt.Errorf("%s: %w", o.out, err))
	}
	return cli.OK
}

func recorded(ctx context.Context, r *run.Run, o options) int {
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
	if !o.json && len(list)+len(outputs) == 0 {
		r.Note("the state records nothing: nothing has been applied, or everything was destroyed.")
	}
	return output(r, o, func(w io.Writer, v view.View) error {
		if o.json {
			return v.StateJSON(w, d, list, outputs)
		}
		return v.State(w, list, outputs)
	})
}
