package run

import (
	"context"
	"io"
	"slices"
	"strings"

	"github.com/stowage-iac/stowage/cmd/stowage/internal/cli"
	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/state"
	stateregistry "github.com/stowage-iac/stowage/state/registry"
)

// Completions come from what there is in the working directory. Where that has
// mistakes, or cannot be read at once, there are none.

// ContextNames are the declared contexts.
func ContextNames() []string {
	cfg, _ := lang.Load(".", lang.Options{})
	return Names(cfg)
}

// VariableNames are the declared variables, each with the equals sign of -var.
func VariableNames() []string {
	cfg, _ := lang.Load(".", lang.Options{})
	var names []string
	for _, name := range Sorted(cfg.Variables) {
		names = append(names, name+"=")
	}
	return names
}

// AddressNames are the recorded instances and their blocks, escaped for a shell.
func AddressNames() []string {
	s := nearby()
	if s == nil {
		return nil
	}
	var names []string
	for _, address := range Addresses(s) {
		if block, _, keyed := strings.Cut(address, "["); keyed && !slices.Contains(names, block) {
			names = append(names, block)
		}
		names = append(names, escape.Replace(address))
	}
	return names
}

// OutputNames are the recorded outputs.
func OutputNames() []string {
	s := nearby()
	if s == nil {
		return nil
	}
	return Sorted(s.Outputs)
}

var escape = strings.NewReplacer("[", `\[`, "]", `\]`, `"`, `\"`)

// nearby is the state, if it is on this machine and can be read without a question; else nil.
func nearby() *state.State {
	t := cli.Process()
	t.Input, t.Out, t.Err = false, io.Discard, io.Discard
	r := New(t)
	cfg, _ := r.Load()
	if b := cfg.Settings.Backend.Type; !cfg.StateKnown || b != "" && b != stateregistry.Default {
		return nil
	}
	store, diags := r.Store(cfg)
	if diags.HasErrors() {
		return nil
	}
	loaded, err := store.Load(context.Background())
	if err != nil {
		return nil
	}
	return loaded.State
}
