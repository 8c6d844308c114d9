package state

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/stowage-iac/stowage/cmd/stowage/internal/cli"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/run"
	"github.com/stowage-iac/stowage/state"
)

// Push is "state push".
func Push() *cli.Command {
	return &cli.Command{
		Name: "state push", Synopsis: "Replace the whole state by a file", Usage: "[options] FILE",
		Doc: `Replaces the state by what FILE holds ("-" is standard input): what "stowage state
pull" printed, or a state as it is stored. The state must have the same lineage,
and a serial that is not beyond the file's: else somebody has applied since. The
present state becomes the newest of the earlier versions.`,
		Example: "$ stowage state pull > state.json\n$ stowage state push state.json",
		MinArgs: 1, MaxArgs: 1, CompleteArgs: "*.json",
		Bind: func(f *cli.Flags) cli.Run {
			var o editing
			o.bind(f)
			force := f.Bool("force", false, "Also if lineage or serial do not fit")
			return func(ctx context.Context, t *cli.Terminal, args []string) int {
				return push(ctx, run.New(t), args[0], o, *force)
			}
		},
	}
}

func push(ctx context.Context, r *run.Run, path string, o editing, force bool) int {
	store, keys, diags := r.StoredKeys()
	if r.Report(diags) {
		return cli.Failed
	}
	data, err := readInput(path)
	if err != nil {
		return r.Fail("Cannot read the file", err)
	}
	pushed, err := state.Import(data, keys)
	if err != nil {
		return r.Fail("Cannot read the file", fmt.Errorf("%s: %w", path, err))
	}
	return with(ctx, r, store, "state push", o, func(locked *state.Locked, base *state.Loaded) (string, error) {
		if !force && base.Exists && base.State.Lineage != pushed.Lineage {
			return "", fmt.Errorf("%w: the file's is %s, the state's %s; -force replaces it nevertheless", state.ErrForeign, pushed.Lineage, base.State.Lineage)
		}
		if !force && base.Exists && base.State.Serial > pushed.Serial {
			return "", fmt.Errorf("%w: its serial is %d, the file's %d, so the file lacks what was done since; pull again, or replace it nevertheless with -force",
				state.ErrConflict, base.State.Serial, pushed.Serial)
		}
		if o.dryRun {
			return fmt.Sprintf("Would replace serial %d in %s by %d instances.", base.State.Serial, store.Location(), len(pushed.Instances)), nil
		}
		if err := locked.Overwrite(ctx, base, pushed); err != nil {
			return "", err
		}
		return fmt.Sprintf("Pushed %d instances to %s as serial %d.", len(pushed.Instances), store.Location(), pushed.Serial), nil
	})
}

func readInput(path string) ([]byte, error) {
	in := io.Reader(os.Stdin)
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, state.MaxSize+1))
	if err == nil && len(data) > state.MaxSize {
		err = fmt.Errorf("%s has more than the limit of %d bytes", path, state.MaxSize)
	}
	return data, err
}

// with does something to a state under its lock, and prints what do returns.
func with(ctx context.Context, r *run.Run, store *state.Store, name string, o editing, do func(*state.Locked, *state.Loaded) (string, error)) (code int) {
	if !o.dryRun && name != "state restore" { // which asked already
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
	text, err := do(locked, base)
	if err != nil {
		return r.Fail("Cannot write the state", err)
	}
	fmt.Fprintln(r.T.Out, text)
	return cli.OK
}
