package state

import (
	"context"
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"

	"github.com/stowage-iac/stowage/cmd/stowage/internal/cli"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/run"
	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/state"
)

// Remove is "state rm".
func Remove() *cli.Command {
	return &cli.Command{
		Name: "state rm", Synopsis: "Forget recorded resource instances", Usage: "[options] ADDRESS…",
		Doc: `Forgets instances: the state no longer records them. Nothing is touched on the
hosts or in the cluster. An address of a block stands for all of its instances,
that of a module for all in it.

A forgotten node's host keeps what was installed on it. What is forgotten but
still in the configuration is planned again as new; an object in the cluster
that is neither recorded nor in the configuration is planned for deletion.`,
		Example: "$ stowage state rm -dry-run secret.old\n$ stowage state rm 'secret.token[\"a\"]'",
		MinArgs: 1, MaxArgs: -1, Complete: run.AddressNames,
		Bind: func(f *cli.Flags) cli.Run {
			var o editing
			o.bind(f)
			return func(ctx context.Context, t *cli.Terminal, args []string) int {
				return remove(ctx, run.New(t), args, o)
			}
		},
	}
}

func remove(ctx context.Context, r *run.Run, args []string, o editing) int {
	return edit(ctx, r, "state rm", o, func(_ *state.Loaded, next *state.State) (func(), bool) {
		all := run.Addresses(next)
		var forgotten []string
		found := map[string]bool{}
		for _, address := range all {
			for _, arg := range args {
				found[arg] = found[arg] || within(address, arg)
			}
			if anyWithin(address, args) {
				forgotten = append(forgotten, address)
				delete(next.Instances, address)
			}
		}
		var missing hcl.Diagnostics
		for _, arg := range args {
			if !found[arg] {
				missing = append(missing, unknown(arg, all))
			}
		}
		if r.Report(missing) {
			return nil, false
		}
		gone := map[string]bool{}
		for _, address := range forgotten {
			gone[address] = true
		}
		redirect(next, func(dep string) string {
			if gone[dep] {
				return ""
			}
			return dep
		})
		verb := "Forgot"
		if o.dryRun {
			verb = "Would forget"
		}
		return func() {
			for _, address := range forgotten {
				fmt.Fprintf(r.T.Out, "%s %s\n", verb, address)
			}
		}, true
	})
}

func anyWithin(address string, args []string) bool {
	for _, a := range args {
		if within(address, a) {
			return true
		}
	}
	return false
}

// within is stricter than belongs: a kind alone does not stand for all of its
// instances, so that a slip does not forget them. A module does.
func within(address, written string) bool {
	return slices.Contains(lang.Covers(address), written)
}
