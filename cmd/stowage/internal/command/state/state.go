// Package state is the commands that look at and edit the recorded resource instances.
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
)

// Show is "state show".
func Show() *cli.Command {
	return &cli.Command{
		Name: "state show", Synopsis: "Show one recorded resource instance", Usage: "[options] ADDRESS",
		Doc:     "Shows what the state records of an instance. Sensitive values are named, not shown.",
		Example: "$ stowage state show 'pod.web[0]'",
		MinArgs: 1, MaxArgs: 1, Complete: run.AddressNames,
		Bind: func(f *cli.Flags) cli.Run {
			asJSON := f.Bool("json", false, "Print a JSON object; sensitive values are null")
			return func(ctx context.Context, t *cli.Terminal, args []string) int {
				return show(ctx, run.New(t), args[0], *asJSON)
			}
		},
	}
}

// chosen are those of the addresses that match one of what a user wrote, all of them
// where nothing is written. Each of what is written must match something.
func chosen(all, written []string, match func(address, written string) bool) ([]string, hcl.Diagnostics) {
	if len(written) == 0 {
		return all, nil
	}
	var out []string
	found := map[string]bool{}
	for _, address := range all {
		taken := false
		for _, w := range written {
			if match(address, w) {
				taken, found[w] = true, true
			}
		}
		if taken {
			out = append(out, address)
		}
	}
	var missing hcl.Diagnostics
	for _, w := range written {
		if !found[w] {
			missing = append(missing, unknown(w, all))
		}
	}
	return out, missing
}

func show(ctx context.Context, r *run.Run, address string, asJSON bool) int {
	s, diags := r.Recorded(ctx)
	if r.Report(diags) {
		return cli.Failed
	}
	if s.Instances[address] == nil {
		r.Report(hcl.Diagnostics{unknown(address, run.Addresses(s))})
		return cli.Failed
	}
	in, diags := r.Instance(s.Instances[address])
	if r.Report(diags) {
		return cli.Failed
	}
	var err error
	if asJSON {
		err = view.JSON(r.T.Out, r.Out().InstanceJSON(in))
	} else {
		err = r.Out().Instances(r.T.Out, []view.Instance{in})
	}
	if err != nil {
		return r.Fail("Cannot write the result", err)
	}
	return cli.OK
}

func unknown(address string, among []string) *hcl.Diagnostic {
	d := &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Unknown address", Detail: fmt.Sprintf("The state records nothing at %s.", address)}
	var instances []string
	names := slices.Clone(among)
	for _, a := range among {
		block, key := lang.SplitAddress(a)
		if key != "" {
			names = append(names, block)
		}
		if key != "" && block == address {
			instances = append(instances, a)
		}
	}
	switch s := lang.Suggest(address, names); {
	case len(instances) > 0:
		d.Detail += " It has the instances " + strings.Join(instances, ", ") + "; quote them in a shell."
	case s != "":
		d.Detail += fmt.Sprintf(" Did you mean %s?", s)
	default:
		d.Detail += " \"stowage state list\" lists what it records."
	}
	return d
}
