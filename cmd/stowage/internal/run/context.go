package run

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/stowage-iac/stowage/cmd/stowage/internal/cli"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/selection"
	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/state"
)

// ContextEnv is the environment variable that chooses a context.
const ContextEnv = "STOWAGE_CONTEXT"

// Choice is which context is chosen, and how.
type Choice struct{ Name, How string }

// choice is what the command line, the environment or the user's file chooses. The
// file is looked at only where contexts are declared.
func (r *Run) choice(declared []string) (Choice, error) {
	switch name := r.T.Getenv(ContextEnv); {
	case r.T.Context != "":
		return Choice{r.T.Context, "-context"}, nil
	case name != "":
		return Choice{name, ContextEnv}, nil
	case len(declared) == 0:
		return Choice{}, nil
	}
	mine, err := r.Mine()
	if err != nil || mine.Context == "" {
		return Choice{}, err
	}
	return Choice{mine.Context, "\"stowage context use\""}, nil
}

// Mine is what the user's file says of the working directory.
func (r *Run) Mine() (*selection.Directory, error) {
	path, err := selection.Path(r.T.Getenv)
	if err != nil {
		return &selection.Directory{}, nil
	}
	dir, err := Here()
	if err != nil {
		return nil, err
	}
	f, err := selection.Read(path)
	if err != nil {
		return nil, err
	}
	return f.In(dir), nil
}

// Here is the real path of the working directory, by which the user's file knows it.
func Here() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(dir)
}

// enter sets the environment variables that the user's file holds for a context,
// as far as they are not set already.
func (r *Run) enter(name string) error {
	mine, err := r.Mine()
	if err != nil {
		return err
	}
	for variable, value := range mine.Environment[name] {
		if _, set := os.LookupEnv(variable); set {
			continue
		}
		if err := os.Setenv(variable, value); err != nil {
			return fmt.Errorf("the variable %s of the context %s: %w", variable, name, err)
		}
	}
	return nil
}

// contextName is that of the selected context, "" where none is declared.
func contextName(cfg *lang.Config) string {
	if cfg.Selected == nil {
		return ""
	}
	return cfg.Selected.Name
}

// Undecided is an error where contexts are declared and none is chosen.
func Undecided(cfg *lang.Config) hcl.Diagnostics {
	if len(cfg.Contexts) == 0 || cfg.Selected != nil {
		return nil
	}
	var names []string
	for _, c := range cfg.Contexts {
		names = append(names, c.Title())
	}
	last := len(names) - 1
	return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "No context is chosen",
		Detail: fmt.Sprintf("This configuration has the contexts %s and %s, and Stowage does not guess. Choose one for this command with -context=NAME or %s, or for this directory with \"stowage context use NAME\".",
			strings.Join(names[:last], ", "), names[last], ContextEnv)}}
}

// unmoved is an error where the selected context has no state yet, and the state
// from before contexts were declared is still there.
func unmoved(cfg *lang.Config) hcl.Diagnostics {
	path := defaultState(cfg)
	if cfg.Settings.Backend.Type != "" || path == DefaultState || cfg.ContextNamed(lang.DefaultContext) != nil || !exists(DefaultState) || exists(path) {
		return nil
	}
	name := cfg.Selected.Name
	return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "A state from before contexts",
		Detail: fmt.Sprintf("%s was written before this configuration had contexts, and the context %s has no state of its own yet. Say to which context it belongs:\n"+
			"  mv %s %s    # it is %s's (move %s.backups and %s.journal with it)\n"+
			"Once it has been moved, the other contexts begin with a state of their own.",
			DefaultState, name, DefaultState, path, name, DefaultState, DefaultState),
		Subject: cfg.Selected.Range.Ptr()}}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// defaultState is the state's file where no backend says another: with contexts
// each has its own.
func defaultState(cfg *lang.Config) string {
	if name := contextName(cfg); name != "" && name != lang.DefaultContext {
		return "stowage." + name + ".state.json"
	}
	return DefaultState
}

// Unapproved is an error where -auto-approve would approve something in a
// protected context.
func unapproved(c *lang.Context) hcl.Diagnostics {
	return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "The context is protected",
		Detail:  fmt.Sprintf("-auto-approve approves nothing in the protected context %s. Leave it away and type the context's name when you are asked; or save a plan with \"stowage plan -out=FILE\", have it reviewed, and apply that: \"stowage apply FILE\".", c.Name),
		Subject: c.Range.Ptr()}}
}

// ApproveEdit has the name of a protected context typed before its state is
// edited past any plan. Elsewhere it asks nothing. Without approval the exit code
// is returned.
func (r *Run) ApproveEdit(ctx context.Context, command string) int {
	c := r.selected
	if c == nil || !c.Protected {
		return cli.OK
	}
	yes, diags := r.ask(ctx, question{
		title:       fmt.Sprintf("Do you really want to run \"stowage %s\" in the protected context %s?", command, c.Name),
		explanation: "It changes what is recorded or locked there, past any plan.",
		answer:      c.Name,
		otherwise:   "it can only be run where somebody can type the context's name",
	})
	if r.Report(diags) {
		return cli.Failed
	}
	if interrupted(ctx) {
		return cli.Interrupted
	}
	if !yes {
		fmt.Fprintf(r.T.Err, "\nNothing has been changed.\n")
		return cli.Failed
	}
	return cli.OK
}

// errPlanContext: a plan is for another context than the one that was chosen.
func errPlanContext(planned string, chosen Choice) error {
	if planned == "" {
		return fmt.Errorf("it was made where no contexts are declared, and %s chooses %q", chosen.How, chosen.Name)
	}
	return fmt.Errorf("it was made for the context %q, and %s chooses %q; a saved plan knows its context, so that none has to be chosen", planned, chosen.How, chosen.Name)
}

// Explicit is the context that -context or the environment chooses.
func (r *Run) Explicit() (Choice, error) { return r.choice(nil) }

// Contexts loads the configuration for a command that looks at its contexts: what
// is wrong elsewhere in it does not matter, nor does a choice of one that is not
// declared, which is told as a warning.
func (r *Run) Contexts() (*lang.Config, Choice, hcl.Diagnostics) {
	var choice Choice
	var problem error
	cfg, diags := r.load(nil, r.modules(".").Find, func(declared []string) (string, string) {
		if choice, problem = r.choice(declared); !slices.Contains(declared, choice.Name) {
			return "", ""
		}
		return choice.Name, choice.How
	})
	if problem != nil {
		return cfg, choice, Diagnose("Cannot read your choices", problem)
	}
	if !cfg.StateKnown {
		return cfg, choice, diags
	}
	if choice.Name != "" && cfg.ContextNamed(choice.Name) == nil && len(cfg.Contexts) > 0 {
		cfg.Selected = nil
		return cfg, Choice{}, hcl.Diagnostics{{Severity: hcl.DiagWarning, Summary: "Unknown context",
			Detail: fmt.Sprintf("%s chooses the context %q, which this configuration does not have (any more).", choice.How, choice.Name)}}
	}
	return cfg, choice, nil
}

// Keep changes what the user's file says of the working directory.
func (r *Run) Keep(change func(*selection.Directory)) error {
	path, err := selection.Path(r.T.Getenv)
	if err != nil {
		return err
	}
	dir, err := Here()
	if err != nil {
		return err
	}
	return selection.Edit(path, func(f *selection.File) error {
		d := f.In(dir)
		change(d)
		f.Directories[dir] = d
		return nil
	})
}

// StateOf tells where the state of a context is, and what it is. It returns when ctx
// ends, whatever the backend does.
func (r *Run) StateOf(ctx context.Context, cfg *lang.Config, c *lang.Context) (Standing, hcl.Diagnostics) {
	in := *cfg
	in.Selected, in.Context, in.Settings.Backend = c, c.Name, c.Backend
	mine, err := r.Mine()
	if err != nil {
		return Standing{}, Diagnose("Cannot read your choices", err)
	}
	terminal := *r.T // with the variables of that context
	terminal.Getenv = func(name string) string {
		if v := r.T.Getenv(name); v != "" {
			return v
		}
		return mine.Environment[c.Name][name]
	}
	other := *r
	other.T = &terminal
	store, diags := other.open("", &in)
	if diags.HasErrors() {
		return Standing{}, diags
	}
	s := Standing{Location: store.Location()}
	type answer struct {
		version *state.Version
		err     error
	}
	answers := make(chan answer, 1)
	go func() {
		defer store.Close()
		v, err := store.Present(ctx)
		answers <- answer{v, err}
	}()
	select {
	case a := <-answers:
		s.Present, s.Err = a.version, a.err
	case <-ctx.Done():
		s.Err = context.Cause(ctx)
	}
	return s, nil
}

// Standing is the state of a context.
type Standing struct {
	Location string
	Present  *state.Version // nil: nothing is there yet, or it could not be read
	Err      error          // why it could not be read
}

// Declared reports whether the loaded configuration declares a context.
func (r *Run) Declared(context string) bool { return slices.Contains(r.contexts, context) }

// Names are the names of the declared contexts, sorted.
func Names(cfg *lang.Config) []string {
	var names []string
	for _, c := range cfg.Contexts {
		names = append(names, c.Name)
	}
	return names
}

// Sorted are the keys of a map, sorted. It is never nil.
func Sorted[V any](m map[string]V) []string {
	return slices.AppendSeq([]string{}, slices.Values(slices.Sorted(maps.Keys(m))))
}

var errAnswer = errors.New("standard input ended before an answer; nothing has been changed")
