package state

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/stowage-iac/stowage/cmd/stowage/internal/cli"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/run"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/view"
	"github.com/stowage-iac/stowage/state"
)

// editing are the options of the commands that change the state.
type editing struct {
	dryRun bool
	json   bool
	wait   time.Duration
}

func (e *editing) bind(f *cli.Flags) {
	f.BoolVar(&e.dryRun, "dry-run", false, "Say what would change, and change nothing")
	f.BoolVar(&e.json, "json", false, "Print a JSON object instead of text")
	f.DurationVar(&e.wait, "lock-timeout", 0, "Wait so long for another process to give the state's lock back; default 0s")
}

// edited is what an editing command did, or would do: a text and the particulars of
// its JSON document.
type edited struct {
	text string
	view.StateEdit
}

// edit has change do something to a state under its lock, and prints what it returns.
// In a protected context its name is typed first.
func edit(ctx context.Context, r *run.Run, store *state.Store, command string, o editing, change func(*state.Locked, *state.Loaded) (edited, hcl.Diagnostics)) int {
	if !o.dryRun {
		if code := r.ApproveEdit(ctx, command); code != cli.OK {
			return code
		}
	}
	return approved(ctx, r, store, command, o, change)
}

// approved is edit after the approval.
func approved(ctx context.Context, r *run.Run, store *state.Store, command string, o editing, change func(*state.Locked, *state.Loaded) (edited, hcl.Diagnostics)) (code int) {
	locked, err := store.Lock(ctx, command, o.wait)
	if err != nil {
		return r.Fail("Cannot lock the state", err)
	}
	defer func() {
		if err := locked.Unlock(); err != nil && code == cli.OK {
			code = r.Fail("Cannot give the state's lock back", err)
		}
	}()
	base, err := locked.Load(ctx)
	if err != nil {
		return r.Fail("Cannot read the state", err)
	}
	done, diags := change(locked, base)
	if r.Report(diags) {
		return cli.Failed
	}
	if !o.json {
		_, err = fmt.Fprint(r.T.Out, done.text)
	} else {
		e := done.StateEdit
		e.Command, e.DryRun, e.Location = command, o.dryRun, store.Location()
		e.Serial, e.Instances = base.State.Serial, len(base.State.Instances)
		err = view.StateEditJSON(r.T.Out, e)
	}
	if err != nil {
		return r.Fail("Cannot write the result", err)
	}
	return cli.OK
}

// refused is why a change is not made.
func refused(err error) (edited, hcl.Diagnostics) {
	return edited{}, run.Diagnose("Cannot write the state", err)
}

// copied is a state whose map of instances may be changed.
func copied(s *state.State) *state.State {
	next := *s
	next.Instances = maps.Clone(s.Instances)
	return &next
}
