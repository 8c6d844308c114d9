package state

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/stowage-iac/stowage/cmd/stowage/internal/cli"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/run"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/view"
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
	store, diags := r.Stored()
	if r.Report(diags) {
		return cli.Failed
	}
	return edit(ctx, r, store, "state rm", o, func(locked *state.Locked, base *state.Loaded) (edited, hcl.Diagnostics) {
		forgotten, diags := chosen(run.Addresses(base.State), args, within)
		if diags.HasErrors() {
			return edited{}, diags
		}
		verb := "Would forget"
		if !o.dryRun {
			verb = "Forgot"
			if err := forget(ctx, locked, base, forgotten); err != nil {
				return refused(err)
			}
		}
		var text strings.Builder
		for _, address := range forgotten {
			fmt.Fprintf(&text, "%s %s\n", verb, address)
		}
		return edited{text.String(), view.StateEdit{Forgotten: forgotten}}, nil
	})
}

func forget(ctx context.Context, locked *state.Locked, base *state.Loaded, addresses []string) error {
	next, gone := copied(base.State), map[string]bool{}
	for _, address := range addresses {
		delete(next.Instances, address)
		gone[address] = true
	}
	for address, in := range next.Instances {
		if slices.ContainsFunc(in.Deps, func(dep string) bool { return gone[dep] }) {
			c := *in
			c.Deps = slices.DeleteFunc(slices.Clone(in.Deps), func(dep string) bool { return gone[dep] })
			next.Instances[address] = &c
		}
	}
	return locked.Edit(ctx, base, next, func(address string) string {
		if gone[address] {
			return ""
		}
		return address
	})
}

// within is stricter than lang.Under: a kind alone does not stand for all of its
// instances, so that a slip does not forget them. A module does.
func within(address, written string) bool {
	return slices.Contains(lang.Covers(address), written)
}
