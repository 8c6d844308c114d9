// Package run is what the commands have in common: it loads the configuration,
// opens the state, makes and applies plans, and hands everything to the view.
// The order of things is that of DESIGN.md, "One apply".
package run

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/cli"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/view"
	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/lang/schema"
	"github.com/stowage-iac/stowage/providers"
	"github.com/stowage-iac/stowage/providers/registry"
	"github.com/stowage-iac/stowage/state"
	stateregistry "github.com/stowage-iac/stowage/state/registry"
)

// DefaultState is the state's file when the configuration names none.
const DefaultState = "stowage.state.json"

// Run is one run of a command in the working directory.
type Run struct {
	T       *cli.Terminal
	Kinds   map[string]providers.Kind
	Schemas map[string]*schema.Block

	files    map[string]*hcl.File // for snippets
	current  *Session             // nil before there is one
	selected *lang.Context        // of the loaded configuration, nil where none is
	contexts []string             // that it declares
	compact  bool                 // -compact-warnings
}

// New begins a run.
func New(t *cli.Terminal) *Run {
	r := &Run{T: t, Kinds: registry.Kinds(), Schemas: map[string]*schema.Block{}, files: map[string]*hcl.File{}}
	for name, k := range r.Kinds {
		r.Schemas[name] = k.Schema()
	}
	return r
}

// Out and Err are how to render on standard output and standard error.
func (r *Run) Out() view.View { return view.View{Color: r.T.OutColor(), Schemas: r.Schemas} }

// Err is how to render on standard error.
func (r *Run) Err() view.View {
	return view.View{Color: r.T.ErrColor(), Width: r.T.ErrWidth(), Schemas: r.Schemas, CompactWarnings: r.compact}
}

// Files are the configuration's files that were loaded, for snippets.
func (r *Run) Files() map[string]*hcl.File { return r.files }

// Sources adds files that are not on disk, for snippets.
func (r *Run) Sources(files map[string][]byte) {
	for name, src := range files {
		f, _ := lang.Parse(src, name)
		r.files[name] = f
	}
}

// Report writes diagnostics and reports whether there is an error among them.
func (r *Run) Report(diags hcl.Diagnostics) bool {
	if len(diags) > 0 {
		r.Err().Diagnostics(r.T.Err, diags, r.files)
	}
	return diags.HasErrors()
}

// Fail writes an error and returns the exit code.
func (r *Run) Fail(summary string, err error) int {
	r.Report(Diagnose(summary, err))
	return cli.Failed
}

// Note writes a note on standard error, between the lines of what runs.
func (r *Run) Note(text string) {
	line := fmt.Sprintf("%s %s\n", r.Err().Bold("Note:"), strings.TrimSuffix(text, ".")+".")
	if r.current != nil {
		r.current.Say(line)
		return
	}
	fmt.Fprintln(r.T.Err, line)
}

// Diagnose makes a diagnostic of an error. Those of the state have summaries of their own.
func Diagnose(summary string, err error) hcl.Diagnostics {
	advice := ""
	for _, s := range []struct {
		is              error
		summary, advice string
	}{
		{state.ErrLocked, "The state is locked", ""},
		{state.ErrDamaged, "The state is damaged", "\nNothing has been changed. Copy the newest earlier version back, or what your version control has; " +
			"plan then shows what differs from the hosts. If the file is not a state of Stowage at all, the path of the backend is wrong."},
		{state.ErrForeign, "The state has another lineage", ""},
		{state.ErrContext, "The state is another context's", "\nNothing has been changed. Each context needs a place of its own for its state: use ${context.name} in the backend block, and move no context's state to another's."},
		{state.ErrNewer, "The state was written by a newer version", "\nNothing has been changed. Install that version of stowage or a newer one; \"stowage version\" tells which this is."},
		{state.ErrKey, "No key for the state", ""},
		{state.ErrConflict, "The state has changed", ""},
		{state.ErrMoved, "The state has moved", ""},
		{state.ErrLost, "The state's lock was lost", "\nWhat was acknowledged before is recorded; what ran meanwhile may not be. Plan again when nobody else applies."},
		{state.ErrAlive, "The lock's holder lives", ""},
		{state.ErrNotLocked, "Nobody holds the lock", ""},
		{state.ErrNoVersion, "No such version", "\n\"stowage state history\" lists the versions that there are."},
	} {
		if errors.Is(err, s.is) {
			summary, advice = s.summary, s.advice
			break
		}
	}
	if errors.Is(err, fs.ErrPermission) && strings.HasSuffix(summary, "the state") {
		advice = "\nThe state holds what an apply needs, and only its owner may read it. An apply writes the file, and a lock and a journal beside it: work as the user whom both belong to."
	}
	return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: summary, Detail: sentence(err.Error()) + advice}}
}

// sentence makes a sentence of an error's text. A first word that may be a name stays as it is.
func sentence(s string) string {
	s = strings.TrimSpace(s)
	if s == "" {
		return s
	}
	first, _, _ := strings.Cut(s, " ")
	if strings.Trim(first, "abcdefghijklmnopqrstuvwxyz") == "" && first != s {
		s = strings.ToUpper(s[:1]) + s[1:]
	}
	if !strings.ContainsAny(s[len(s)-1:], ".!?:)") && !strings.Contains(s, "\n") {
		s += "."
	}
	return s
}

// Load loads the configuration of the working directory.
func (r *Run) Load() (*lang.Config, hcl.Diagnostics) {
	return r.LoadFiles(nil)
}

// LoadFiles loads a configuration from a snapshot of its files; nil reads the directory.
func (r *Run) LoadFiles(files map[string][]byte) (*lang.Config, hcl.Diagnostics) {
	return r.loadWith(files, r.modules(".").Find)
}

// loadWith loads in the context that was chosen; module finds those of other places.
func (r *Run) loadWith(files map[string][]byte, module func(string) (lang.Tree, error)) (*lang.Config, hcl.Diagnostics) {
	var problem error
	cfg, diags := r.load(files, module, func(declared []string) (string, string) {
		c, err := r.choice(declared)
		problem = err
		return c.Name, c.How
	})
	r.selected, r.contexts = cfg.Selected, Names(cfg)
	if name := contextName(cfg); name != "" && problem == nil {
		problem = r.enter(name)
	}
	if problem != nil {
		cfg.StateKnown = false
		diags = append(Diagnose("Cannot read your choices", problem), diags...)
	}
	return cfg, diags
}

func (r *Run) load(files map[string][]byte, module func(string) (lang.Tree, error), choose func([]string) (string, string)) (*lang.Config, hcl.Diagnostics) {
	defer timed("loading the configuration")()
	o := r.options(files, choose)
	o.Module = module
	cfg, diags := lang.Load(".", o)
	for name, f := range cfg.Files {
		r.files[name] = f
	}
	return cfg, diags
}

// options of loading a configuration.
func (r *Run) options(files map[string][]byte, choose func([]string) (string, string)) lang.Options {
	return lang.Options{
		Schemas: r.Schemas, Backends: stateregistry.Schemas(), Later: registry.Later(), Version: api.StowageVersion, Files: files, Choose: choose,
	}
}

// Keys are the keys of the state and of saved plans: those that the
// configuration names come before those of the environment.
func (r *Run) Keys(cfg *lang.Config) *state.Keyring {
	o := state.KeyOptions{Getenv: r.T.Getenv, Notice: r.Note}
	if e := cfg.Settings.Encryption; e != nil {
		o.Recipients, o.Identities, o.PassphraseEnv, o.Enforced = e.Recipients, e.Identities, e.PassphraseEnv, e.Enforced
		o.Fallback = state.Fallback{Identities: e.Fallback.Identities, PassphraseEnv: e.Fallback.PassphraseEnv}
	}
	return state.NewKeyring(o)
}

// Store is the state that a configuration names, in the selected context.
func (r *Run) Store(cfg *lang.Config) (*state.Store, hcl.Diagnostics) {
	if diags := Undecided(cfg); diags.HasErrors() {
		return nil, diags
	}
	if diags := unmoved(cfg); diags.HasErrors() {
		return nil, diags
	}
	if diags := r.unmigrated(context.Background(), cfg); diags.HasErrors() {
		return nil, diags
	}
	return r.open("", cfg)
}

// open is the state that a configuration of a directory names, wherever it was before.
func (r *Run) open(dir string, cfg *lang.Config) (*state.Store, hcl.Diagnostics) {
	_, backend, err := r.placed(dir, cfg)
	if err != nil {
		diags := Diagnose("Cannot use the backend", err)
		if b := cfg.Settings.Backend; b.Range.Filename != "" {
			diags[0].Subject = b.Range.Ptr()
		}
		return nil, diags
	}
	return r.storeOf(cfg, backend), nil
}

// Stored is the store for commands that only look at the state: they work beside
// a configuration that has errors, as long as it says where the state is.
func (r *Run) Stored() (*state.Store, hcl.Diagnostics) {
	if files, _ := filepath.Glob("*.stowage.hcl"); len(files) == 0 {
		if _, err := os.Stat(DefaultState); err != nil {
			dir, _ := os.Getwd()
			return nil, hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "Nothing here",
				Detail: fmt.Sprintf("The directory %s has neither a configuration (*.stowage.hcl) nor a state (%s). Change to the configuration's directory, or name it with -chdir=DIR before the command.", dir, DefaultState)}}
		}
		return r.Store(&lang.Config{})
	}
	cfg, diags := r.Load()
	if diags.HasErrors() && !cfg.StateKnown {
		return nil, diags
	}
	return r.Store(cfg)
}
