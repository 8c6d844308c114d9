// Package functions is the command that explains the language's functions.
package functions

import (
	"context"
	"encoding/json"
	"fmt"
	"sort"
	"strings"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/stowage-iac/stowage/cmd/stowage/internal/cli"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/run"
	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/lang/functions"
)

// Document is what -json prints. Its shape is that of "tofu metadata functions
// -json", so that editors read it, with groups and examples besides.
type Document struct {
	FormatVersion string              `json:"format_version"`
	Functions     map[string]Function `json:"function_signatures"`
}

// Function is one function of a Document. Types are JSON as in a state's values:
// "string", ["list","number"], "dynamic" for any.
type Function struct {
	Description string              `json:"description"`
	Group       string              `json:"group"`
	Return      cty.Type            `json:"return_type"`
	Parameters  []Parameter         `json:"parameters,omitempty"`
	Variadic    *Parameter          `json:"variadic_parameter,omitempty"`
	Examples    []functions.Example `json:"examples"`
}

// Parameter is one parameter.
type Parameter struct {
	Name     string   `json:"name"`
	Nullable bool     `json:"is_nullable"`
	Type     cty.Type `json:"type"`
}

// Command is "functions".
func Command() *cli.Command {
	return &cli.Command{
		Name: "functions", Synopsis: "Explain the functions of the language", Usage: "[options] [NAME]",
		Doc: `Lists the functions that expressions can call, in groups, or explains one: its
parameters, what it returns, and examples with their results. "stowage console"
evaluates any other example.`,
		Example: "$ stowage functions\n$ stowage functions cidrsubnet",
		MaxArgs: 1, Words: names(),
		Plain: true,
		Bind: func(f *cli.Flags) cli.Run {
			asJSON := f.Bool("json", false, "Print a JSON object, for editors and other tools")
			return func(_ context.Context, t *cli.Terminal, args []string) int {
				return explain(run.New(t), args, *asJSON)
			}
		},
	}
}

func names() []string {
	var names []string
	for _, e := range functions.Reference() {
		names = append(names, e.Name)
	}
	sort.Strings(names)
	return names
}

func explain(r *run.Run, args []string, asJSON bool) int {
	entries := functions.Reference()
	if len(args) == 1 {
		var found []functions.Entry
		for _, e := range entries {
			if e.Name == args[0] {
				found = append(found, e)
			}
		}
		if found == nil {
			return unknown(r, args[0])
		}
		entries = found
	}
	table := lang.Functions()
	switch {
	case asJSON:
		return writeJSON(r, table, entries)
	case len(args) == 1:
		one(r, entries[0], describe(table[args[0]], entries[0]))
	default:
		list(r, entries, table)
	}
	return cli.OK
}

func unknown(r *run.Run, name string) int {
	if why, ok := functions.Refused[name]; ok {
		return r.T.Usage("stowage functions: there is no function %q: %s", name, strings.TrimSuffix(why, "."))
	}
	hint := ""
	if s := lang.Suggest(name, names()); s != "" {
		hint = fmt.Sprintf("; did you mean %q?", s)
	}
	return r.T.Usage("stowage functions: there is no function %q%s", name, hint)
}

func writeJSON(r *run.Run, table map[string]function.Function, entries []functions.Entry) int {
	out := Document{FormatVersion: "1.0", Functions: map[string]Function{}}
	for _, e := range entries {
		out.Functions[e.Name] = describe(table[e.Name], e)
	}
	enc := json.NewEncoder(r.T.Out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(out); err != nil {
		return r.Fail("Cannot write the result", err)
	}
	return cli.OK
}

func describe(f function.Function, e functions.Entry) Function {
	out := Function{Description: e.Description, Group: e.Group, Examples: e.Examples, Return: cty.DynamicPseudoType}
	var types []cty.Type
	for _, p := range f.Params() {
		out.Parameters = append(out.Parameters, parameter(p))
		types = append(types, argument(p))
	}
	if p := f.VarParam(); p != nil {
		v := parameter(*p)
		out.Variadic = &v
		types = append(types, argument(*p))
	}
	if ty, err := f.ReturnType(types); err == nil {
		out.Return = ty
	}
	return out
}

func parameter(p function.Parameter) Parameter {
	return Parameter{p.Name, p.AllowNull, functions.ParameterType(p)}
}

// argument is the type of what a call is tried with.
func argument(p function.Parameter) cty.Type {
	if p.Type.IsCapsuleType() {
		return p.Type
	}
	return functions.ParameterType(p)
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

// list writes a line for each function, by group.
func list(r *run.Run, entries []functions.Entry, table map[string]function.Function) {
	group := ""
	for _, e := range entries {
		if e.Group != group {
			if group != "" {
				fmt.Fprintln(r.T.Out)
			}
			fmt.Fprintln(r.T.Out, r.Out().Bold(e.Group))
			group = e.Group
		}
		first, _, _ := strings.Cut(e.Description, ". ")
		first, _, _ = strings.Cut(strings.TrimSuffix(first, "."), ": ")
		fmt.Fprintf(r.T.Out, "  %-36s  %s\n", signature(e.Name, describe(table[e.Name], e)), first)
	}
}

// one explains a function.
func one(r *run.Run, e functions.Entry, f Function) {
	fmt.Fprintf(r.T.Out, "%s\n\n%s\n\n", r.Out().Bold(signature(e.Name, f)), e.Description)
	params := f.Parameters
	if f.Variadic != nil {
		variadic := *f.Variadic
		variadic.Name += "..."
		params = append(params, variadic)
	}
	for _, p := range params {
		fmt.Fprintf(r.T.Out, "  %-14s %s\n", p.Name, p.Type.FriendlyNameForConstraint())
	}
	fmt.Fprintf(r.T.Out, "  %-14s %s\n\n", "returns", f.Return.FriendlyNameForConstraint())
	for _, x := range e.Examples {
		fmt.Fprintf(r.T.Out, "  > %s\n  %s\n", x.Call, x.Result)
	}
}
