// Package output is the command that prints output values of the last apply.
package output

import (
	"context"
	"fmt"
	"io"
	"sort"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/stowage-iac/stowage/cmd/stowage/internal/cli"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/run"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/view"
	"github.com/stowage-iac/stowage/lang"
)

type options struct{ json, raw bool }

// Command is "output".
func Command() *cli.Command {
	return &cli.Command{
		Name: "output", Synopsis: "Print output values", Usage: "[options] [NAME]",
		Doc: `Prints the output values that the last apply recorded in the state, or one of them.

Sensitive outputs are named, not shown; in the list as JSON their value is null.
Whoever asks a program's question gets the answer: -raw NAME and -json NAME print
the value, too, if it is sensitive.`,
		Example: "$ stowage output\n$ curl \"$(stowage output -raw url)\"",
		MaxArgs: 1, Complete: run.OutputNames,
		Bind: func(f *cli.Flags) cli.Run {
			asJSON := f.Bool("json", false, "Print JSON: the value of NAME, or an object by name")
			raw := f.Bool("raw", false, "Print the string, number or bool NAME as it is, without quotes or line feed")
			return func(ctx context.Context, t *cli.Terminal, args []string) int {
				o := options{*asJSON, *raw}
				switch {
				case o.json && o.raw:
					return t.Usage("stowage output: -json and -raw exclude each other")
				case o.raw && len(args) == 0:
					return t.Usage("stowage output: -raw needs the name of an output")
				}
				return output(ctx, run.New(t), o, args)
			}
		},
	}
}

func output(ctx context.Context, r *run.Run, o options, args []string) int {
	s, diags := r.Recorded(ctx)
	if r.Report(diags) {
		return cli.Failed
	}
	outputs, err := run.Outputs(s)
	if err != nil {
		return r.Fail("Cannot read the state", err)
	}
	if len(args) == 1 {
		return single(r, o, args[0], outputs)
	}
	if o.json {
		err = view.OutputsJSON(r.T.Out, outputs)
	} else {
		if len(outputs) == 0 {
			r.Note("the state has no outputs: the configuration declares none, or it has not been applied yet.")
		}
		err = r.Out().Outputs(r.T.Out, outputs)
	}
	if err != nil {
		return r.Fail("Cannot write the result", err)
	}
	return cli.OK
}

func single(r *run.Run, o options, name string, outputs map[string]view.Output) int {
	out, ok := outputs[name]
	if !ok {
		r.Report(unknown(name, outputs))
		return cli.Failed
	}
	if out.Sensitive && !o.raw && !o.json {
		r.Report(hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "Sensitive output",
			Detail: fmt.Sprintf("The value of the output %q is sensitive. Add -raw or -json to print it all the same.", name)}})
		return cli.Failed
	}
	if err := write(r, o, name, run.Plain(out)); err != nil {
		return r.Fail("Cannot print the output", err)
	}
	return cli.OK
}

func write(r *run.Run, o options, name string, v cty.Value) error {
	switch {
	case o.json:
		b, err := ctyjson.Marshal(v, v.Type())
		if err != nil {
			return err
		}
		_, err = r.T.Out.Write(append(b, '\n'))
		return err
	case o.raw:
		s, err := convert.Convert(v, cty.String)
		if err != nil || s.IsNull() {
			return fmt.Errorf("the output %q is %s, and -raw prints strings, numbers and bools only; use -json", name, v.Type().FriendlyName())
		}
		_, err = io.WriteString(r.T.Out, s.AsString())
		return err
	}
	return r.Out().Value(r.T.Out, v)
}

func unknown(name string, outputs map[string]view.Output) hcl.Diagnostics {
	var names []string
	for n := range outputs {
		names = append(names, n)
	}
	sort.Strings(names)
	detail := fmt.Sprintf("The state has no output %q.", name)
	if len(names) == 0 {
		detail += " It has none at all: the configuration declares none, or it has not been applied yet."
	}
	if s := lang.Suggest(name, names); s != "" {
		detail += fmt.Sprintf(" Did you mean %q?", s)
	}
	return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "Unknown output", Detail: detail}}
}
