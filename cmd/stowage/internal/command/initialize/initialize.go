// Package initialize is the command that brings what a configuration needs before
// it can be planned: the modules that it calls from git, and the place of its state.
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

Then it tries whether the state can be read where a backend block says, and
remembers that place in .stowage/backend.json, without credentials. When the state
was kept elsewhere and is still there, it asks whether to move it: the earlier
versions and the state, under both locks, read back; the old place is marked.

git runs without asking anything: logins come from its credential helpers, ssh
keys and agents.`,
		Example: "$ stowage init\n$ stowage init -upgrade\n$ stowage init -migrate-state",
		Bind: func(f *cli.Flags) cli.Run {
			var o options
			f.BoolVar(&o.upgrade, "upgrade", false, "Take what the refs of the sources are now, and record that")
			f.BoolVar(&o.json, "json", false, "Print a JSON object with the modules and all diagnostics")
			f.BoolVar(&o.backend.Migrate, "migrate-state", false, "Move the state from where it was kept, without a question")
			f.BoolVar(&o.backend.Reconfigure, "reconfigure", false, "Leave the state where it was kept; go on with what is at the new place")
			f.DurationVar(&o.backend.LockTimeout, "lock-timeout", 0, "Wait so long for another process to give a lock back; default 0s")
			return func(ctx context.Context, t *cli.Terminal, _ []string) int {
				switch b := o.backend; {
				case b.Migrate && b.Reconfigure:
					return t.Usage("stowage init: -migrate-state moves the state, -reconfigure leaves it: choose one")
				case o.json && (b.Migrate || b.Reconfigure):
					return t.Usage("stowage init: -json brings modules only; leave it away to change the backend")
				}
				return initialize(ctx, run.New(t), o)
			}
		},
	}
}

type options struct {
	upgrade, json bool
	backend       run.BackendOptions
}

func initialize(ctx context.Context, r *run.Run, o options) int {
	var modules []source.Installed
	config, changed, diags := r.Install(ctx, o.upgrade, func(m source.Installed) {
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
	if code := r.InitBackend(ctx, config, o.backend); code != cli.OK {
		return code
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
