package contexts

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/stowage-iac/stowage/cmd/stowage/internal/cli"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/run"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/view"
	"github.com/stowage-iac/stowage/lang"
)

// patience is how long the states of all contexts are waited for, which are looked at
// side by side.
const patience = 8 * time.Second

var errSlow = fmt.Errorf("it did not answer within %s", patience)

// listed is a context as -json prints it.
type listed struct {
	Name        string    `json:"name"`
	Selected    bool      `json:"selected"`
	How         string    `json:"selected_by,omitempty"` // -context, STOWAGE_CONTEXT, context use, only
	Protected   bool      `json:"protected"`
	Description string    `json:"description,omitempty"`
	State       string    `json:"state"`            // where it is
	Serial      uint64    `json:"serial,omitempty"` // of the state, 0: not applied, or it cannot be read
	Written     time.Time `json:"written,omitzero"` // its last change
	By          string    `json:"by,omitempty"`     // user@host
	Operation   string    `json:"operation,omitempty"`
	Error       string    `json:"error,omitempty"` // why the state cannot be read
	Variables   []string  `json:"variables"`       // that the context gives
	Environment []string  `json:"environment"`     // names that the user's file holds for it
}

// List is "context list".
func List() *cli.Command {
	return &cli.Command{
		Name: "context list", Synopsis: "List the declared contexts", Usage: "[options]",
		Doc: `Lists the contexts that the configuration declares, with a star at the one that
commands work in, where each keeps its state, that state's serial and when it was
last written. The states of all backends are looked at side by side, for 8 seconds
at the most; what cannot be read has a question mark, and the reason below.`,
		Example: "$ stowage context list\n$ stowage context list -json",
		Bind: func(f *cli.Flags) cli.Run {
			asJSON := f.Bool("json", false, "Print a JSON array")
			return func(ctx context.Context, t *cli.Terminal, _ []string) int {
				return list(ctx, run.New(t), *asJSON)
			}
		},
	}
}

// Show is "context show".
func Show() *cli.Command {
	return &cli.Command{
		Name: "context show", Synopsis: "Show one context", Usage: "[options] [NAME]",
		Doc: `Shows a context, by default the chosen one: what it is for, where its state is,
the names of the variables that it gives, and those of your environment variables
for it (see "stowage context set"). Their values are not shown.`,
		Example: "$ stowage context show prod",
		MaxArgs: 1, Complete: run.ContextNames,
		Bind: func(f *cli.Flags) cli.Run {
			asJSON := f.Bool("json", false, "Print a JSON object")
			return func(ctx context.Context, t *cli.Terminal, args []string) int {
				name := ""
				if len(args) == 1 {
					name = args[0]
				}
				return show(ctx, run.New(t), name, *asJSON)
			}
		},
	}
}

func list(ctx context.Context, r *run.Run, asJSON bool) int {
	cfg, choice, diags := r.Contexts()
	if r.Report(diags) {
		return cli.Failed
	}
	var all []listed
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errSlow)
	defer cancel()
	each := make([]hcl.Diagnostics, len(cfg.Contexts))
	var looking sync.WaitGroup
	all = make([]listed, len(cfg.Contexts))
	for i, c := range cfg.Contexts {
		looking.Go(func() { all[i], each[i] = describe(ctx, r, cfg, c, choice) })
	}
	looking.Wait()
	if r.Report(slices.Concat(each...)) {
		return cli.Failed
	}
	if asJSON {
		return print(r, all)
	}
	if len(all) == 0 {
		r.Note("this configuration declares no contexts. Declare one for each environment: context \"prod\" { variables = { … } }")
		return cli.OK
	}
	rows := [][]string{{"  NAME", "SERIAL", "CHANGED", "STATE", "DESCRIPTION"}}
	for _, l := range all {
		name, serial, changed := "  "+l.Name, "-", "-"
		if l.Selected {
			name = "* " + l.Name
		}
		if l.Protected {
			name += " (protected)"
		}
		if l.Serial > 0 {
			serial = fmt.Sprint(l.Serial)
		}
		if !l.Written.IsZero() {
			changed = l.Written.UTC().Format(time.DateTime)
		}
		if l.Error != "" {
			serial, changed = "?", "?"
		}
		rows = append(rows, []string{name, serial, changed, l.State, l.Description})
	}
	if err := r.Out().Table(r.T.Out, rows); err != nil {
		return r.Fail("Cannot write the result", err)
	}
	for _, l := range all {
		if l.Error != "" {
			r.Note(fmt.Sprintf("the state of %s cannot be read: %s", l.Name, l.Error))
		}
	}
	return cli.OK
}

func show(ctx context.Context, r *run.Run, name string, asJSON bool) int {
	cfg, choice, diags := r.Contexts()
	if r.Report(diags) {
		return cli.Failed
	}
	c := cfg.Selected
	if name != "" {
		if r.Report(unknown(cfg, name)) {
			return cli.Failed
		}
		c = cfg.ContextNamed(name)
	}
	switch {
	case len(cfg.Contexts) == 0:
		r.Report(none())
		return cli.Failed
	case c == nil:
		r.Report(run.Undecided(cfg))
		return cli.Failed
	}
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errSlow)
	defer cancel()
	l, diags := describe(ctx, r, cfg, c, choice)
	if r.Report(diags) {
		return cli.Failed
	}
	if asJSON {
		return print(r, l)
	}
	selected, serial := "no", "not applied yet"
	if l.Selected {
		selected = "yes, by " + how(choice)
	}
	switch {
	case l.Error != "":
		serial = "it cannot be read: " + l.Error
	case l.Serial > 0:
		serial = fmt.Sprint(l.Serial)
	}
	if !l.Written.IsZero() {
		serial += fmt.Sprintf(", written by %s at %s (%s)", l.By, l.Written.UTC().Format(time.DateTime), l.Operation)
	}
	rows := [][]string{{"name", c.Title()}, {"description", l.Description}, {"selected", selected}, {"state", l.State}, {"serial", serial}}
	if l.Description == "" {
		rows = slices.Delete(rows, 1, 2)
	}
	for _, v := range l.Variables {
		rows = append(rows, []string{"variable", v})
	}
	for _, v := range l.Environment {
		rows = append(rows, []string{"environment", v + " (value not shown)"})
	}
	if err := r.Out().Table(r.T.Out, rows); err != nil {
		return r.Fail("Cannot write the result", err)
	}
	return cli.OK
}

func print(r *run.Run, v any) int {
	if err := view.JSON(r.T.Out, v); err != nil {
		return r.Fail("Cannot write the result", err)
	}
	return cli.OK
}

func describe(ctx context.Context, r *run.Run, cfg *lang.Config, c *lang.Context, choice run.Choice) (listed, hcl.Diagnostics) {
	l := listed{Name: c.Name, Protected: c.Protected, Description: c.Description, Variables: run.Sorted(c.Variables), Selected: c == cfg.Selected}
	if l.Selected {
		l.How = choice.How
		if l.How == "" {
			l.How = "only"
		}
	}
	mine, err := r.Mine()
	if err != nil {
		return l, run.Diagnose("Cannot read your choices", err)
	}
	l.Environment = run.Sorted(mine.Environment[c.Name])
	s, diags := r.StateOf(ctx, cfg, c)
	l.State = s.Location
	if p := s.Present; p != nil {
		l.Serial, l.Written, l.By, l.Operation = p.Serial, p.Written, p.Who, p.Operation
	}
	if s.Err != nil {
		l.Error = s.Err.Error()
	}
	return l, diags
}
