// Package functions is the command that lists the language's functions.
package functions

import (
	"context"
	"encoding/json"
	"fmt"
	"sort"
	"strings"

	"github.com/zclconf/go-cty/cty/function"

	"github.com/stowage-iac/stowage/cmd/stowage/internal/cli"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/run"
	"github.com/stowage-iac/stowage/lang"
)

// Function is what -json prints of a function, by its name.
type Function struct {
	Description string      `json:"description,omitempty"`
	Parameters  []Parameter `json:"parameters"`
	Variadic    *Parameter  `json:"variadic_parameter,omitempty"`
}

// Parameter is one parameter.
type Parameter struct {
	Name        string `json:"name"`
	Type        string `json:"type"`
	Description string `json:"description,omitempty"`
	Nullable    bool   `json:"nullable,omitempty"`
}

// Command is "functions".
func Command() *cli.Command {
	return &cli.Command{
		Name: "functions", Synopsis: "List the functions of the language", Usage: "[options] [NAME]",
		Doc:     "Lists the functions that expressions can call, or explains one.",
		Example: "$ stowage functions\n$ stowage functions cidrsubnet",
		MaxArgs: 1,
		Bind: func(f *cli.Flags) cli.Run {
			asJSON := f.Bool("json", false, "Print a JSON object by function name")
			return func(_ context.Context, t *cli.Terminal, args []string) int {
				return functions(run.New(t), args, *asJSON)
			}
		},
	}
}

func functions(r *run.Run, args []string, asJSON bool) int {
	all := lang.Functions()
	names := make([]string, 0, len(all))
	for name := range all {
		names = append(names, name)
	}
	sort.Strings(names)
	if len(args) == 1 {
		if _, ok := all[args[0]]; !ok {
			hint := ""
			if s := lang.Suggest(args[0], names); s != "" {
				hint = fmt.Sprintf("; did you mean %q?", s)
			}
			return r.T.Usage("stowage functions: there is no function %q%s", args[0], hint)
		}
		names = args
	}
	if asJSON {
		return writeJSON(r, all, names)
	}
	for _, name := range names {
		fn := describe(all[name])
		if len(args) == 1 {
			explain(r, name, fn)
			continue
		}
		first, _, _ := strings.Cut(fn.Description, "\n")
		fmt.Fprintf(r.T.Out, "%-42s  %s\n", signature(name, fn), first)
	}
	return cli.OK
}

func writeJSON(r *run.Run, all map[string]function.Function, names []string) int {
	out := map[string]Function{}
	for _, name := range names {
		out[name] = describe(all[name])
	}
	e := json.NewEncoder(r.T.Out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(out); err != nil {
		return r.Fail("Cannot write the result", err)
	}
	return cli.OK
}

func describe(f function.Function) Function {
	out := Function{Description: f.Description(), Parameters: []Parameter{}}
	for _, p := range f.Params() {
		out.Parameters = append(out.Parameters, parameter(p))
	}
	if p := f.VarParam(); p != nil {
		v := parameter(*p)
		out.Variadic = &v
	}
	return out
}

func parameter(p function.Parameter) Parameter {
	return Parameter{p.Name, p.Type.FriendlyNameForConstraint(), p.Description, p.AllowNull}
}

func signature(name string, f Function) string {
	var params []string
	for _, p := range f.Parameters {
		params = append(params, p.Name)
	}
	if f.Variadic != nil {
		params = append(params, f.Variadic.Name+"...")
	}
	return name + "(" + strings.Join(params, ", ") + ")"
}

func explain(r *run.Run, name string, f Function) {
	fmt.Fprintln(r.T.Out, r.Out().Bold(signature(name, f)))
	if f.Description != "" {
		fmt.Fprintf(r.T.Out, "\n%s\n", f.Description)
	}
	params := f.Parameters
	if f.Variadic != nil {
		params = append(params, *f.Variadic)
	}
	if len(params) > 0 {
		fmt.Fprintln(r.T.Out)
	}
	for _, p := range params {
		fmt.Fprintf(r.T.Out, "  %-12s %-18s %s\n", p.Name, p.Type, p.Description)
	}
}
