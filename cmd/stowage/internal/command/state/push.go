package state

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/hashicorp/hcl/v2"

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
present state becomes the newest of the earlier versions. It belongs to the chosen
context from then on: so a context that gets another name keeps its state
(docs/contexts.md).`,
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
	store, diags := r.Stored()
	if r.Report(diags) {
		return cli.Failed
	}
	store = store.Renaming()
	data, err := readInput(path)
	if err != nil {
		return r.Fail("Cannot read the file", err)
	}
	pushed, err := state.Import(data, store.Keys())
	if err != nil {
		return r.Fail("Cannot read the file", fmt.Errorf("%s: %w", path, err))
	}
	return edit(ctx, r, store, "state push", o, func(locked *state.Locked, base *state.Loaded) (edited, hcl.Diagnostics) {
		was := base.State.Serial
		for _, context := range []string{base.State.Context, pushed.Context} {
			if !force && context != store.Context() && r.Declared(context) {
				return refused(fmt.Errorf("%w: what is there or in the file belongs to %q, and the selected context is %q; choose that one, or replace it nevertheless with -force",
					state.ErrContext, context, store.Context()))
			}
		}
		if !force && base.Exists && base.State.Lineage != pushed.Lineage {
			return refused(fmt.Errorf("%w: the file's is %s, the state's %s; -force replaces it nevertheless", state.ErrForeign, pushed.Lineage, base.State.Lineage))
		}
		if !force && base.Exists && was > pushed.Serial {
			return refused(fmt.Errorf("%w: its serial is %d, the file's %d, so the file lacks what was done since; pull again, or replace it nevertheless with -force",
				state.ErrConflict, was, pushed.Serial))
		}
		if o.dryRun {
			return edited{text: fmt.Sprintf("Would replace serial %d in %s by %d instances.\n", was, store.Location(), len(pushed.Instances))}, nil
		}
		if err := locked.Overwrite(ctx, base, pushed); err != nil {
			return refused(err)
		}
		return edited{text: fmt.Sprintf("Pushed %d instances to %s as serial %d.\n", len(pushed.Instances), store.Location(), pushed.Serial)}, nil
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
