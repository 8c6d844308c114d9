// Package validate is the command that checks a configuration without reading
// a state or reaching a host.
package validate

import (
	"context"
	"fmt"

	"github.com/hashicorp/hcl/v2"

	"github.com/stowage-iac/stowage/cmd/stowage/internal/cli"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/run"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/view"
)

// Command is "validate".
func Command() *cli.Command {
	return &cli.Command{
		Name: "validate", Synopsis: "Check the configuration", Usage: "[options]",
		Doc: `Checks the configuration of the working directory: syntax, arguments, types and
references, whatever the values of variables are. No host is reached and no
state is read. All errors are reported at once.

The exit code is 0 when the configuration is valid, else 1.`,
		Example: "$ stowage validate\n$ stowage -chdir=prod validate -json",
		Bind: func(f *cli.Flags) cli.Run {
			asJSON := f.Bool("json", false, "Print a JSON object with all diagnostics")
			return func(_ context.Context, t *cli.Terminal, _ []string) int {
				return validate(run.New(t), *asJSON)
			}
		},
	}
}

func validate(r *run.Run, asJSON bool) int {
	cfg, diags := r.Load()
	if !diags.HasErrors() {
		diags = append(diags[:len(diags):len(diags)], cfg.Validate()...)
	}
	if asJSON {
		return report(r, diags)
	}
	if r.Report(diags) {
		return cli.Failed
	}
	fmt.Fprintln(r.T.Out, r.Out().Success("Success!")+" The configuration is valid.")
	return cli.OK
}

func report(r *run.Run, diags hcl.Diagnostics) int {
	if err := view.ValidationJSON(r.T.Out, diags, r.Files()); err != nil {
		return r.Fail("Cannot write the result", err)
	}
	if diags.HasErrors() {
		return cli.Failed
	}
	return cli.OK
}
