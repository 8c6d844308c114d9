package state

import (
	"context"
	"time"

	"github.com/stowage-iac/stowage/cmd/stowage/internal/cli"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/run"
	"github.com/stowage-iac/stowage/state"
)

// editing are the options of the commands that change the state.
type editing struct {
	dryRun bool
	wait   time.Duration
}

func (e *editing) bind(f *cli.Flags) {
	f.BoolVar(&e.dryRun, "dry-run", false, "Say what would change, and change nothing")
	f.DurationVar(&e.wait, "lock-timeout", 0, "Wait so long for another process to give the state's lock back; default 0s")
}

// edit replaces the state, under its lock, by what change makes of it. change
// gets a copy whose maps are its own but whose instances are shared, and
// returns what to say of it, or false after it reported why not.
func edit(ctx context.Context, r *run.Run, name string, o editing, change func(*state.Loaded, *state.State) (func(), bool)) (code int) {
	store, diags := r.Stored()
	if r.Report(diags) {
		return cli.Failed
	}
	if !o.dryRun {
		if code := r.ApproveEdit(ctx, name); code != cli.OK {
			return code
		}
	}
	locked, err := store.Lock(ctx, name, o.wait)
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
	next := *base.State
	next.Instances = make(map[string]*state.Instance, len(base.State.Instances))
	for address, in := range base.State.Instances {
		next.Instances[address] = in
	}
	say, ok := change(base, &next)
	if !ok {
		return cli.Failed
	}
	if !o.dryRun {
		if err := locked.Write(ctx, base, &next); err != nil {
			return r.Fail("Cannot write the state", err)
		}
	}
	say()
	return cli.OK
}

// redirect gives every instance the dependencies that to returns for its
// present ones; "" drops one.
func redirect(s *state.State, to func(dep string) string) {
	for address, in := range s.Instances {
		var deps []string
		changed := false
		for _, dep := range in.Deps {
			d := to(dep)
			changed = changed || d != dep
			if d != "" {
				deps = append(deps, d)
			}
		}
		if changed {
			copied := *in
			copied.Deps = deps
			s.Instances[address] = &copied
		}
	}
}
