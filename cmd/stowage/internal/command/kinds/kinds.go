// Package kinds is the command that explains the kinds of resource blocks and the
// sources of data.
package kinds

import (
	"context"
	"fmt"
	"sort"
	"strings"

	"github.com/stowage-iac/stowage/cmd/stowage/internal/cli"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/run"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/view"
	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/lang/schema"
)

// Command is "kinds".
func Command() *cli.Command {
	return &cli.Command{
		Name: "kinds", Synopsis: "Explain the kinds of blocks", Usage: "[options] [KIND]",
		Doc:     "Lists the kinds of resource blocks and, as data.TYPE, the sources of data,\nor explains every argument of one.",
		Example: "$ stowage kinds\n$ stowage kinds pod\n$ stowage kinds data.file",
		MaxArgs: 1,
		Plain:   true,
		Bind: func(f *cli.Flags) cli.Run {
			asJSON := f.Bool("json", false, "Print a JSON object by kind, for editors and other tools")
			return func(_ context.Context, t *cli.Terminal, args []string) int {
				return kinds(run.New(t), args, *asJSON)
			}
		},
	}
}

func kinds(r *run.Run, args []string, asJSON bool) int {
	chosen := r.Schemas
	var names []string
	for name := range r.Schemas {
		names = append(names, name)
	}
	sort.Strings(names)
	if len(args) == 1 {
		s, ok := r.Schemas[args[0]]
		if !ok {
			hint := ""
			if s := lang.Suggest(args[0], names); s != "" {
				hint = fmt.Sprintf("; did you mean %q?", s)
			}
			return r.T.Usage("stowage kinds: there is no kind %q%s", args[0], hint)
		}
		chosen = map[string]*schema.Block{args[0]: s}
	}
	var err error
	switch {
	case asJSON:
		err = view.KindsJSON(r.T.Out, chosen)
	case len(args) == 1:
		err = r.Out().Kind(r.T.Out, args[0], chosen[args[0]])
	default:
		longest := 0
		for _, name := range names {
			longest = max(longest, len(name))
		}
		for _, name := range names {
			first, _, _ := strings.Cut(r.Schemas[name].Doc, ". ")
			fmt.Fprintf(r.T.Out, "%-*s  %s.\n", longest, name, strings.TrimSuffix(first, "."))
		}
	}
	if err != nil {
		return r.Fail("Cannot write the result", err)
	}
	return cli.OK
}
