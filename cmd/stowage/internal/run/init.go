package run

import (
	"context"
	"fmt"
	"time"

	"github.com/stowage-iac/stowage/cmd/stowage/internal/cli"
	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/state"
)

// BackendOptions say what to do about a state that is kept elsewhere.
type BackendOptions struct {
	Migrate     bool // move it
	Reconfigure bool // leave it, and go on with what is at the new place
	LockTimeout time.Duration
}

// InitBackend makes the backend that cfg names the one in use: it tries whether the
// state can be read there, and moves it there from where it was kept before.
func (r *Run) InitBackend(ctx context.Context, cfg *lang.Config, o BackendOptions) int {
	last, _, err := r.former(cfg)
	if err != nil {
		return r.Fail("Cannot use the backend", err)
	}
	if !o.Migrate && !o.Reconfigure && (last == nil && cfg.Settings.Backend.Type == "" || Undecided(cfg).HasErrors()) {
		return cli.OK // nothing is said of it
	}
	if r.Report(Undecided(cfg)) {
		return cli.Failed
	}
	here, backend, err := r.placed("", cfg)
	if err != nil {
		return r.Fail("Cannot use the backend", err)
	}
	store := r.storeOf(cfg, backend)
	defer store.Close()
	standing, err := store.Standing(ctx)
	if err != nil {
		return r.Fail("Cannot read the state", err)
	}
	if !o.Reconfigure {
		if moved, code := r.migrate(ctx, cfg, store, here, o); code != cli.OK {
			return code
		} else if moved {
			standing.Exists = true
		}
	}
	if err := r.remember(cfg); err != nil {
		return r.Fail("Cannot record the backend", err)
	}
	switch {
	case standing.Exists:
		fmt.Fprintf(r.T.Out, "Backend %q is ready: the state is in %s.\n", here.Type, here.Location)
	case standing.Moved != "":
		fmt.Fprintf(r.T.Out, "Backend %q is configured, but the state of %s was moved to %s: configure that.\n", here.Type, here.Location, standing.Moved)
	default:
		fmt.Fprintf(r.T.Out, "Backend %q is ready: there is no state in %s yet; the first apply makes it.\n", here.Type, here.Location)
	}
	return cli.OK
}

// migrate moves the state from where it was kept, if it is still there and that is asked for.
func (r *Run) migrate(ctx context.Context, cfg *lang.Config, to *state.Store, here place, o BackendOptions) (moved bool, code int) {
	last, from, err := r.former(cfg)
	if err != nil {
		return false, r.Fail("Cannot use the backend", err)
	}
	if last == nil {
		return false, cli.OK
	}
	defer from.Close()
	old, err := from.Standing(ctx)
	if err != nil {
		return false, r.Fail("Cannot read the state where it was kept", fmt.Errorf("%w; to leave it there: stowage init -reconfigure", err))
	}
	if !old.Exists {
		return false, cli.OK
	}
	if code := r.approveMove(ctx, cfg, last.Location, here.Location, o); code != cli.OK {
		return false, code
	}
	_, err = state.Migrate(ctx, from, to, o.LockTimeout, func(step string) { fmt.Fprintf(r.T.Err, "%s.\n", step) })
	if err != nil {
		return false, r.Fail("Cannot move the state", err)
	}
	return true, cli.OK
}

// approveMove asks whether to move the state; -migrate-state has said so, but in a
// protected context its name is typed in any case.
func (r *Run) approveMove(ctx context.Context, cfg *lang.Config, from, to string, o BackendOptions) int {
	switch {
	case o.Migrate:
		return r.ApproveEdit(ctx, "init -migrate-state")
	case !r.T.Interactive():
		r.Report(r.unmigrated(ctx, cfg))
		return cli.Failed
	}
	return r.Approve(ctx, "init", fmt.Sprintf("Do you want to move the state from %s to %s?", from, to),
		"With its earlier versions; what is left there is marked as moved. To leave it alone: stowage init -reconfigure.", "-migrate-state")
}
