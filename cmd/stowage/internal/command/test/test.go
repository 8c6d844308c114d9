// Package test is the command that runs the tests of a configuration.
package test

import (
	"context"
	"fmt"
	"time"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/cli"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/run"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/tests"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/view"
)

type options struct {
	*run.Options
	directory, junit string
	filters          []string
	verbose          bool
}

// Command is "test".
func Command() *cli.Command {
	return &cli.Command{
		Name: "test", Synopsis: "Run the tests of the configuration", Usage: "[options]",
		Doc: `Runs *.test.hcl of the working directory and of the directory tests: each makes
plans and applies of the configuration, one run block after the other, and
checks what it asserts. The state of the configuration is not touched: every
file has its own.

A plan needs no host; host blocks say what it takes the nodes for. An apply is
real: it needs hosts that can be reached and on which nothing of Stowage runs, and
everything is destroyed at the end of the file, also after an interrupt.

The exit code is 0 when all runs pass, else 1.`,
		Example: "$ stowage test\n$ stowage test -filter=web.test.hcl -verbose",
		Bind: func(f *cli.Flags) cli.Run {
			o := &options{Options: run.BindVariables(f)}
			f.Func("filter", "FILE", "*.test.hcl", "Only this test file; may be given several times", func(s string) error {
				o.filters = append(o.filters, s)
				return nil
			})
			directory := f.String("test-directory", "DIR", "tests", "Where more test files are; default tests")
			junit := f.File("junit-xml", "FILE", "*.xml", "Also write the results to a file of JUnit's XML")
			f.BoolVar(&o.verbose, "verbose", false, "Show the plan of each run, and what an apply recorded")
			f.BoolVar(&o.JSON, "json", false, "Print a stream of JSON objects, one a line")
			f.IntVar(&o.Parallelism, "parallelism", run.DefaultParallelism, "How many operations of an apply run at once; default 10")
			return func(ctx context.Context, t *cli.Terminal, _ []string) int {
				o.directory, o.junit = *directory, *junit
				return test(ctx, run.New(t), o)
			}
		},
	}
}

func test(ctx context.Context, r *run.Run, o *options) int {
	soft, hard, release := cli.Interrupts(ctx, 30*time.Second, func(second bool) {
		text := "Interrupted: no other run begins, and what was applied is destroyed. Interrupt again to stop at once."
		if second {
			text = "Stopping at once. What was applied and not destroyed is told, if there is time."
		}
		fmt.Fprintln(r.T.Err, "\n"+text)
	})
	defer release()
	s := &tests.Suite{Run: r, Flags: o.Flags, Directory: o.directory, Filters: o.filters, Parallelism: o.Parallelism}
	var stream *view.Stream
	if o.JSON {
		stream = view.NewStream(view.View{Schemas: r.Schemas}, r.T.Out, api.StowageVersion)
		s.Report = &tests.Stream{R: r, Out: stream}
	} else {
		s.Report = &tests.Text{R: r, Verbose: o.verbose}
	}
	var junit *tests.JUnit
	if o.junit != "" {
		junit = &tests.JUnit{Reporter: s.Report, R: r, Path: o.junit}
		s.Report = junit
	}
	sum, diags := s.All(soft, hard)
	if diags.HasErrors() {
		if stream != nil {
			stream.Diagnostics(diags, r.Files())
		} else {
			r.Report(diags)
		}
	}
	if stream != nil && stream.Err() != nil {
		return r.Fail("Cannot write the result", stream.Err())
	}
	switch {
	case soft.Err() != nil:
		return cli.Interrupted
	case sum.Status != tests.Pass || junit != nil && junit.Failed():
		return cli.Failed
	}
	return cli.OK
}
