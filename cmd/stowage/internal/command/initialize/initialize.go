// Package initialize is the command that brings what a configuration needs before
// it can be planned: the modules that it calls from git.
package initialize

import (
	"context"
	"fmt"

	"github.com/hashicorp/hcl/v2"

	"github.com/stowage-iac/stowage/cmd/stowage/internal/cli"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/run"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/view"
	"github.com/stowage-iac/stowage/lang/source"
)

// Command is "init".
func Command() *cli.Command {
	return &cli.Command{
		Name: "init", Synopsis: "Bring the modules that the configuration calls", Usage: "[options]",
		Doc: `Brings modules from git into .stowage/modules, each at the commit that
stowage.lock.hcl records, and checks the digest of its files. A source that is not
in the lock file yet is taken at what its ref is now, and recorded: keep the lock
file in version control. What is there already is not fetched again, so that a
second run needs no network. A configuration without modules from git needs none
of this.

git runs without asking anything: logins come from its credential helpers, ssh
keys and agents.`,
		Example: "$ stowage init\n$ stowage init -upgrade",
		Bind: func(f *cli.Flags) cli.Run {
			var o options
			f.BoolVar(&o.upgrade, "upgrade", false, "Take what the refs of the sources are now, and record that")
			f.BoolVar(&o.json, "json", false, "Print a JSON object with the modules and all diagnostics")
			return func(ctx context.Context, t *cli.Terminal, _ []string) int {
				return initialize(ctx, run.New(t), o)
			}
		},
	}
}

type options struct{ upgrade, json bool }

func initialize(ctx context.Context, r *run.Run, o options) int {
	var modules []source.Installed
	_, changed, diags := r.Install(ctx, o.upgrade, func(m source.Installed) {
		modules = append(modules, m)
		if !o.json {
			r.Out().Module(r.T.Out, m)
		}
	})
	if o.json {
		return report(r, modules, changed, diags)
	}
	if r.Report(diags) {
		return cli.Failed
	}
	if changed {
		fmt.Fprintf(r.T.Out, "\n%s records the commits. Keep it in version control.\n", source.LockFile)
	}
	if len(modules) > 0 {
		fmt.Fprintln(r.T.Out)
	}
	fmt.Fprintln(r.T.Out, r.Out().Success("Success!")+" The configuration can be planned.")
	return cli.OK
}

func report(r *run.Run, modules []source.Installed, changed bool, diags hcl.Diagnostics) int {
	if err := view.InitJSON(r.T.Out, modules, changed, diags, r.Files()); err != nil {
		return r.Fail("Cannot write the result", err)
	}
	if diags.HasErrors() {
		return cli.Failed
	}
	return cli.OK
}
