package run

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/state"
	stateregistry "github.com/stowage-iac/stowage/state/registry"
)

// usedBackends is the file that says where this working copy last kept its states.
const usedBackends = "backend.json"

// place is where a state is: a backend with its arguments, none of which is secret.
type place struct {
	Type      string          `json:"type"`
	Arguments json.RawMessage `json:"arguments"`
	Location  string          `json:"location"` // for messages
}

// used is the file's content: places by context, "" where none is declared.
type used struct {
	FormatVersion int              `json:"format_version"`
	Contexts      map[string]place `json:"contexts"`
}

func (p place) same(o place) bool { return p.Type == o.Type && bytes.Equal(p.Arguments, o.Arguments) }

func (r *Run) usedPath() string { return filepath.Join(r.dataDir("."), usedBackends) }

func (r *Run) readUsed() (used, error) {
	u := used{FormatVersion: 1, Contexts: map[string]place{}}
	text, err := os.ReadFile(r.usedPath())
	if errors.Is(err, fs.ErrNotExist) {
		return u, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &u)
	}
	if err != nil {
		return u, fmt.Errorf("%s, which says where the state was last kept: %w; delete it if it is damaged", r.usedPath(), err)
	}
	if u.Contexts == nil {
		u.Contexts = map[string]place{}
	}
	for name, p := range u.Contexts {
		var compact bytes.Buffer
		if err := json.Compact(&compact, p.Arguments); err != nil {
			return u, fmt.Errorf("%s: %w; delete it", r.usedPath(), err)
		}
		p.Arguments = compact.Bytes()
		u.Contexts[name] = p
	}
	return u, nil
}

// remember records that the state of the selected context is where cfg says.
func (r *Run) remember(cfg *lang.Config) error {
	u, err := r.readUsed()
	if err != nil {
		return err
	}
	here, _, err := r.placed("", cfg)
	if err != nil {
		return err
	}
	last, known := u.Contexts[contextName(cfg)]
	if known && last.same(here) || !known && isDefault(cfg, here) {
		return nil
	}
	u.Contexts[contextName(cfg)] = here
	text, err := json.MarshalIndent(u, "", "  ")
	if err == nil {
		err = os.MkdirAll(r.dataDir("."), 0o755)
	}
	if err == nil {
		err = WriteFile(r.usedPath(), append(text, '\n'), 0o644)
	}
	return err
}

// isDefault reports whether a place is that of a configuration without a backend:
// it need not be remembered.
func isDefault(cfg *lang.Config, p place) bool {
	text, err := stateregistry.Encode(stateregistry.Default, defaultArguments(cfg))
	return err == nil && p.Type == stateregistry.Default && bytes.Equal(p.Arguments, text)
}

// placed is where the configuration of a directory says that the state is, and its backend.
func (r *Run) placed(dir string, cfg *lang.Config) (place, state.Backend, error) {
	b := cfg.Settings.Backend
	if b.Type == "" {
		b.Type, b.Arguments = stateregistry.Default, defaultArguments(cfg)
	}
	backend, err := stateregistry.Open(b.Type, b.Arguments, r.env(dir))
	if err != nil {
		return place{}, nil, err
	}
	text, err := stateregistry.Encode(b.Type, b.Arguments)
	return place{b.Type, text, backend.Location()}, backend, err
}

func (r *Run) env(dir string) state.Env {
	return state.Env{Getenv: r.T.Getenv, Dir: r.dataDir(dir), Base: dir}
}

// former is where the state was kept before, if that is another place than cfg says: nil when it is not.
func (r *Run) former(cfg *lang.Config) (*place, *state.Store, error) {
	here, _, err := r.placed("", cfg)
	if err != nil {
		return nil, nil, err
	}
	u, err := r.readUsed()
	if err != nil {
		return nil, nil, err
	}
	last, known := u.Contexts[contextName(cfg)]
	if !known { // then where it is kept when nothing is said
		if isDefault(cfg, here) {
			return nil, nil, nil
		}
		text, err := stateregistry.Encode(stateregistry.Default, defaultArguments(cfg))
		if err != nil {
			return nil, nil, err
		}
		last = place{Type: stateregistry.Default, Arguments: text}
	}
	if last.same(here) {
		return nil, nil, nil
	}
	arguments, err := stateregistry.Decode(last.Type, last.Arguments)
	if err != nil {
		return nil, nil, err
	}
	backend, err := stateregistry.Open(last.Type, arguments, r.env(""))
	if err != nil {
		return nil, nil, err
	}
	if last.Location = backend.Location(); last.Location == here.Location {
		return nil, nil, nil // other arguments lead to the same place
	}
	return &last, r.storeOf(cfg, backend), nil
}

func (r *Run) storeOf(cfg *lang.Config, b state.Backend) *state.Store {
	return state.NewStore(b, state.Options{Keys: r.Keys(cfg), Version: api.StowageVersion, Context: contextName(cfg)})
}

// unmigrated is an error where the configuration names another backend than the one
// that was last used, and that one still holds a state.
func (r *Run) unmigrated(ctx context.Context, cfg *lang.Config) hcl.Diagnostics {
	last, store, err := r.former(cfg)
	if err != nil {
		return Diagnose("Cannot use the backend", err)
	}
	if last == nil {
		return nil
	}
	defer store.Close()
	standing, err := store.Standing(ctx)
	const advice = "Run \"stowage init -migrate-state\" to move it to where the configuration says now, or \"stowage init -reconfigure\" to go on with what is there and leave the other where it is."
	detail := fmt.Sprintf("The state was kept in %s (backend %q), and it is still there, with serial %d; the configuration names another place. %s",
		last.Location, last.Type, standing.Serial, advice)
	switch {
	case err != nil:
		detail = fmt.Sprintf("The state was kept in %s (backend %q), the configuration names another place, and the old one cannot be looked at: %s. %s", last.Location, last.Type, err, advice)
	case !standing.Exists:
		return nil
	}
	d := &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "The backend has changed", Detail: detail}
	if cfg.Settings.Backend.Range.Filename != "" {
		d.Subject = cfg.Settings.Backend.Range.Ptr()
	}
	return hcl.Diagnostics{d}
}

// defaultArguments are those of the default backend.
func defaultArguments(cfg *lang.Config) cty.Value {
	return cty.ObjectVal(map[string]cty.Value{"path": cty.StringVal(defaultState(cfg))})
}
