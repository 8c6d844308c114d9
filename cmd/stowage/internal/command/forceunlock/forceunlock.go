// Package forceunlock is the command that takes a lock away from a dead process.
package forceunlock

import (
	"context"
	"fmt"
	"time"

	"github.com/stowage-iac/stowage/cmd/stowage/internal/cli"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/run"
	"github.com/stowage-iac/stowage/state"
)

// Command is "force-unlock".
func Command() *cli.Command {
	return &cli.Command{
		Name: "force-unlock", Synopsis: "Take the state's lock from a process that is gone", Usage: "[options] ID",
		Doc: `Takes the lock of the state away from the process that holds it. ID is the lock's;
the message that says who holds it tells it, too. Do so only when that process is
really gone: otherwise two applies work against each other on the hosts. The state
itself is safe, since the one that lost the lock can write nothing to it any more.

Most backends notice a dead holder by themselves (docs/state.md says when); backend
"http" does not. A local lock is the kernel's: it ends with its process and is not
taken away.`,
		Example: "$ stowage force-unlock 6f1d0e9c2b7a4f33",
		MinArgs: 1, MaxArgs: 1,
		Bind: func(f *cli.Flags) cli.Run {
			force := f.Bool("force", false, "Do not ask for approval")
			return func(ctx context.Context, t *cli.Terminal, args []string) int {
				return unlock(ctx, run.New(t), args[0], *force)
			}
		},
	}
}

func unlock(ctx context.Context, r *run.Run, id string, force bool) int {
	store, diags := r.Stored()
	if r.Report(diags) {
		return cli.Failed
	}
	holder, held, err := store.Holder(ctx)
	if err != nil {
		return r.Fail("Cannot read the lock", err)
	}
	if held && holder.ID == id {
		if code := approve(ctx, r, holder, force); code != cli.OK {
			return code
		}
	}
	if err := store.Break(ctx, id); err != nil {
		return r.Fail("Cannot take the lock away", err)
	}
	fmt.Fprintf(r.T.Out, "Took the lock of %s away from %s.\n", store.Location(), holder.Who)
	return cli.OK
}

func approve(ctx context.Context, r *run.Run, holder state.LockInfo, force bool) int {
	if force {
		return r.ApproveEdit(ctx, "force-unlock")
	}
	return r.Approve(ctx, "force-unlock", "Do you really want to take the lock away?",
		fmt.Sprintf("%s (process %d) holds it for %s since %s. If that process lives, two may work on the hosts at once.",
			holder.Who, holder.PID, holder.Operation, holder.Created.Format(time.RFC3339)), "-force")
}
