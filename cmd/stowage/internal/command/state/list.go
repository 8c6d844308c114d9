package state

import (
	"context"
	"fmt"
	"strings"

	"github.com/stowage-iac/stowage/cmd/stowage/internal/cli"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/run"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/view"
	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/planner"
)

// List is "state list".
func List() *cli.Command {
	return &cli.Command{
		Name: "state list", Synopsis: "List the recorded resource instances", Usage: "[options] [ADDRESS]…",
		Doc: `Lists the addresses that the state records, sorted. With arguments only those that
are, or belong to, one of them: "pod" are all pods outside of modules, "pod.web" all
instances of that block, "pod.web[0]" just that instance, "module.app" all in it.`,
		Example: "$ stowage state list\n$ stowage state list -kind=pod module.app",
		MaxArgs: -1, Complete: run.AddressNames,
		Bind: func(f *cli.Flags) cli.Run {
			kind := f.String("kind", "KIND", "", "Only instances of this kind, in all modules")
			id := f.String("id", "NAME", "", "Only those whose object in the cluster, or whose host, has this name")
			asJSON := f.Bool("json", false, "Print a JSON object with the instances")
			return func(ctx context.Context, t *cli.Terminal, args []string) int {
				return list(ctx, run.New(t), args, wanted{*kind, *id}, *asJSON)
			}
		},
	}
}

// wanted are the instances that are listed; "" means any.
type wanted struct{ kind, id string }

func list(ctx context.Context, r *run.Run, args []string, w wanted, asJSON bool) int {
	if w.kind != "" && r.Kinds[w.kind] == nil {
		return r.Fail("Unknown kind", unknownKind(w.kind, run.Sorted(r.Kinds)))
	}
	s, diags := r.Recorded(ctx)
	if r.Report(diags) {
		return cli.Failed
	}
	addresses, missing := chosen(run.Addresses(s), args, lang.Under)
	listed := []view.Listed{}
	for _, address := range addresses {
		in := s.Instances[address]
		l := view.Listed{Address: address, Kind: in.Kind, ID: planner.ObjectName(in)}
		if (w.kind == "" || w.kind == l.Kind) && (w.id == "" || w.id == l.ID) {
			listed = append(listed, l)
		}
	}
	if r.Report(missing) && asJSON {
		return cli.Failed
	}
	var err error
	if asJSON {
		err = view.StateListJSON(r.T.Out, listed)
	} else {
		var text strings.Builder
		for _, l := range listed {
			text.WriteString(l.Address + "\n")
		}
		_, err = fmt.Fprint(r.T.Out, text.String())
	}
	if err != nil {
		return r.Fail("Cannot write the result", err)
	}
	if missing.HasErrors() {
		return cli.Failed
	}
	return cli.OK
}

func unknownKind(kind string, kinds []string) error {
	if s := lang.Suggest(kind, kinds); s != "" {
		return fmt.Errorf("there is no kind %q; did you mean %q?", kind, s)
	}
	return fmt.Errorf("there is no kind %q; \"stowage kinds\" lists them", kind)
}
