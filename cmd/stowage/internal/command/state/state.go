// Package state is the commands that look at and edit the recorded resource instances.
package state

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/stowage-iac/stowage/cmd/stowage/internal/cli"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/run"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/view"
	"github.com/stowage-iac/stowage/lang"
)

// List is "state list".
func List() *cli.Command {
	return &cli.Command{
		Name: "state list", Synopsis: "List the recorded resource instances", Usage: "[ADDRESS]…",
		Doc: `Lists the addresses that the state records, sorted. With arguments only those that
are, or belong to, one of them: "pod" are all pods, "pod.web" all instances of
that block, "pod.web[0]" just that instance.`,
		Example: "$ stowage state list\n$ stowage state list node",
		MaxArgs: -1, Complete: run.AddressNames,
		Bind: func(*cli.Flags) cli.Run {
			return func(ctx context.Context, t *cli.Terminal, args []string) int {
				return list(ctx, run.New(t), args)
			}
		},
	}
}

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

func list(ctx context.Context, r *run.Run, args []string) int {
	s, diags := r.Recorded(ctx)
	if r.Report(diags) {
		return cli.Failed
	}
	found := map[string]bool{}
	for _, address := range run.Addresses(s) {
		for _, arg := range args {
			if belongs(address, arg) {
				found[arg] = true
			}
		}
		if len(args) == 0 || anyBelongs(address, args) {
			fmt.Fprintln(r.T.Out, address)
		}
	}
	var missing hcl.Diagnostics
	for _, arg := range args {
		if !found[arg] {
			missing = append(missing, unknown(arg, run.Addresses(s)))
		}
	}
	if r.Report(missing) {
		return cli.Failed
	}
	return cli.OK
}

func anyBelongs(address string, args []string) bool {
	for _, a := range args {
		if belongs(address, a) {
			return true
		}
	}
	return false
}

// belongs reports whether address is, or is part of, what the user wrote.
func belongs(address, written string) bool {
	rest, ok := strings.CutPrefix(address, written)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
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
		e := json.NewEncoder(r.T.Out)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		err = e.Encode(r.Out().InstanceJSON(in))
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
