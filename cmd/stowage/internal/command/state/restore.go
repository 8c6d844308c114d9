package state

import (
	"context"
	"fmt"
	"strconv"

	"github.com/hashicorp/hcl/v2"

	"github.com/stowage-iac/stowage/cmd/stowage/internal/cli"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/run"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/view"
	"github.com/stowage-iac/stowage/state"
)

// Restore is "state restore".
func Restore() *cli.Command {
	return &cli.Command{
		Name: "state restore", Synopsis: "Put an earlier version of the state back", Usage: "[options] SERIAL",
		Doc: `Puts an earlier version of the state back, as a new one: the present state becomes
the newest of the earlier versions. Nothing changes on the hosts: the next plan
shows what differs from what is really there. "stowage state history" lists the
versions.`,
		Example: "$ stowage state restore 41",
		MinArgs: 1, MaxArgs: 1,
		Bind: func(f *cli.Flags) cli.Run {
			var o editing
			o.bind(f)
			approve := f.Bool("auto-approve", false, "Do not ask for approval")
			return func(ctx context.Context, t *cli.Terminal, args []string) int {
				serial, err := strconv.ParseUint(args[0], 10, 64)
				if err != nil {
					return t.Usage("stowage state restore: %q is not a serial; \"stowage state history\" lists them", args[0])
				}
				return restore(ctx, run.New(t), serial, o, *approve)
			}
		},
	}
}

func restore(ctx context.Context, r *run.Run, serial uint64, o editing, auto bool) int {
	store, diags := r.Stored()
	if r.Report(diags) {
		return cli.Failed
	}
	earlier, err := store.Version(ctx, serial)
	if err != nil {
		return r.Fail("Cannot read the earlier version", err)
	}
	if code := approveVersion(ctx, r, serial, len(earlier.Instances), o, auto); code != cli.OK {
		return code
	}
	return approved(ctx, r, store, "state restore", o, func(locked *state.Locked, base *state.Loaded) (edited, hcl.Diagnostics) {
		if o.dryRun {
			return edited{fmt.Sprintf("Would put serial %d back, with %d instances in place of %d.\n", serial, len(earlier.Instances), len(base.State.Instances)),
				view.StateEdit{Restored: serial}}, nil
		}
		if err := locked.Write(ctx, base, earlier); err != nil {
			return refused(err)
		}
		return edited{fmt.Sprintf("Put serial %d back as serial %d, with %d instances. \"stowage plan\" shows what differs from the hosts.\n", serial, earlier.Serial, len(earlier.Instances)),
			view.StateEdit{Restored: serial}}, nil
	})
}

func approveVersion(ctx context.Context, r *run.Run, serial uint64, instances int, o editing, auto bool) int {
	switch {
	case o.dryRun:
		return cli.OK
	case auto:
		return r.ApproveEdit(ctx, "state restore")
	}
	return r.Approve(ctx, "state restore", fmt.Sprintf("Do you want to put serial %d of the state back?", serial),
		fmt.Sprintf("It records %d instances. What has been made since is not recorded then, and shows as drift.", instances), "-auto-approve")
}
