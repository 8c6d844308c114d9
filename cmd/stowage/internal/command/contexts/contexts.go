// Package contexts is the commands that look at the declared contexts and choose one.
package contexts

import (
	"context"
	"fmt"

	"github.com/hashicorp/hcl/v2"

	"github.com/stowage-iac/stowage/cmd/stowage/internal/cli"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/run"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/selection"
	"github.com/stowage-iac/stowage/lang"
)

// Current is "context current".
func Current() *cli.Command {
	return &cli.Command{
		Name: "context current", Synopsis: "Print the context that is chosen", Usage: "",
		Doc: `Prints the name of the context that commands work in here, and on standard error
how it was chosen. Where several are declared and none is chosen, or where none is
declared, the exit code is 1.`,
		Example: "$ stowage context current",
		Bind: func(*cli.Flags) cli.Run {
			return func(_ context.Context, t *cli.Terminal, _ []string) int { return current(run.New(t)) }
		},
	}
}

func current(r *run.Run) int {
	cfg, choice, diags := r.Contexts()
	if r.Report(diags) {
		return cli.Failed
	}
	if len(cfg.Contexts) == 0 {
		r.Report(none())
		return cli.Failed
	}
	if cfg.Selected == nil {
		r.Report(run.Undecided(cfg))
		return cli.Failed
	}
	fmt.Fprintln(r.T.Out, cfg.Selected.Name)
	r.Note("chosen by " + how(choice))
	return cli.OK
}

// how says what chose, for people.
func how(c run.Choice) string {
	if c.How == "" {
		return "being the only one that is declared"
	}
	return c.How
}

// none is an error where a context is asked for and none is declared.
func none() hcl.Diagnostics {
	return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "No contexts here",
		Detail: "This configuration declares no contexts. Declare one for each environment: context \"prod\" { variables = { … } }."}}
}

// Use is "context use".
func Use() *cli.Command {
	return &cli.Command{
		Name: "context use", Synopsis: "Choose a context for this directory", Usage: "[options] [NAME]",
		Doc: `Chooses the context that commands work in, for this directory and this user, until
another is chosen. The choice is kept in $XDG_CONFIG_HOME/stowage/contexts.json
(~/.config/stowage/contexts.json), never in the repository. -context=NAME and
STOWAGE_CONTEXT win over it.

With -clear nothing is chosen any more.`,
		Example: "$ stowage context use prod\n$ stowage context use -clear",
		MaxArgs: 1, Complete: run.ContextNames, Plain: true,
		Bind: func(f *cli.Flags) cli.Run {
			clear := f.Bool("clear", false, "Choose none")
			return func(_ context.Context, t *cli.Terminal, args []string) int {
				switch {
				case *clear && len(args) > 0:
					return t.Usage("stowage context use: -clear takes no name")
				case !*clear && len(args) == 0:
					return t.Usage("stowage context use: the name of a context is missing (see \"stowage context list\")")
				case *clear:
					return choose(run.New(t), "")
				}
				return choose(run.New(t), args[0])
			}
		},
	}
}

func choose(r *run.Run, name string) int {
	cfg, _, diags := r.Contexts()
	if r.Report(diags) {
		return cli.Failed
	}
	if name != "" {
		if r.Report(unknown(cfg, name)) {
			return cli.Failed
		}
	}
	err := r.Keep(func(d *selection.Directory) { d.Context = name })
	if err != nil {
		return r.Fail("Cannot keep the choice", err)
	}
	if name == "" {
		fmt.Fprintln(r.T.Out, "No context is chosen for this directory.")
		return cli.OK
	}
	fmt.Fprintf(r.T.Out, "Commands in this directory work in the context %s.\n", cfg.ContextNamed(name).Title())
	if c, _ := r.Explicit(); c.Name != "" && c.Name != name {
		r.Note(fmt.Sprintf("%s is set to %s and wins over it", c.How, c.Name))
	}
	return cli.OK
}

// unknown is an error where the configuration has no such context.
func unknown(cfg *lang.Config, name string) hcl.Diagnostics {
	if len(cfg.Contexts) == 0 {
		return none()
	}
	if cfg.ContextNamed(name) != nil {
		return nil
	}
	detail := fmt.Sprintf("This configuration has no context %q.", name)
	names := run.Names(cfg)
	if s := lang.Suggest(name, names); s != "" {
		detail += fmt.Sprintf(" Did you mean %q?", s)
	}
	return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "Unknown context", Detail: detail + " \"stowage context list\" lists them."}}
}
