package state

import (
	"context"
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/stowage-iac/stowage/cmd/stowage/internal/cli"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/run"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/view"
	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/planner"
	"github.com/stowage-iac/stowage/state"
)

// Move is "state mv".
func Move() *cli.Command {
	return &cli.Command{
		Name: "state mv", Synopsis: "Give what is recorded another address", Usage: "[options] FROM TO",
		Doc: `Gives a recorded instance another address, or a block with all of its instances, or
a whole module. What the state records as referring to it refers to it still.
Nothing is touched on the hosts or in the cluster, where objects keep the names
that they have. Rename the block in the configuration likewise, and the plan is
empty.

A moved block does the same in a way that can be reviewed, and in every context;
this command does it now, in one state.`,
		Example: "$ stowage state mv -dry-run pod.web pod.front\n$ stowage state mv 'pod.web[0]' 'pod.front[\"a\"]'\n$ stowage state mv module.app module.shop",
		MinArgs: 2, MaxArgs: 2, Complete: run.AddressNames,
		Bind: func(f *cli.Flags) cli.Run {
			var o editing
			o.bind(f)
			return func(ctx context.Context, t *cli.Terminal, args []string) int {
				var addresses [2]lang.Address
				for i, arg := range args {
					a, ok := lang.ParseAddress(arg)
					if !ok {
						return t.Usage("stowage state mv: %q is no address; write one as \"stowage state list\" does, and quote it in a shell", arg)
					}
					addresses[i] = a
				}
				return move(ctx, run.New(t), addresses[0], addresses[1], o)
			}
		},
	}
}

func move(ctx context.Context, r *run.Run, from, to lang.Address, o editing) int {
	store, diags := r.Stored()
	if r.Report(diags) {
		return cli.Failed
	}
	return edit(ctx, r, store, "state mv", o, func(locked *state.Locked, base *state.Loaded) (edited, hcl.Diagnostics) {
		if _, diags := chosen(run.Addresses(base.State), []string{from.String()}, within); diags.HasErrors() {
			return edited{}, diags
		}
		renamed, diags := planner.Rename(base.State, r.Kinds, from, to)
		if diags.HasErrors() {
			return edited{}, diags
		}
		verb := "Would move"
		if !o.dryRun {
			verb = "Moved"
			if err := locked.Edit(ctx, base, renamed.State, renamed.Now); err != nil {
				return refused(err)
			}
		}
		var text strings.Builder
		for _, m := range renamed.Moved {
			fmt.Fprintf(&text, "%s %s to %s\n", verb, m.From, m.To)
		}
		return edited{text.String(), view.StateEdit{Moved: renamed.Moved}}, nil
	})
}
