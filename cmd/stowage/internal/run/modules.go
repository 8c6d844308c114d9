package run

import (
	"context"

	"github.com/hashicorp/hcl/v2"

	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/lang/source"
)

// Install brings the modules that the configuration calls from git, with upgrade at
// what their refs are now, and writes the lock file. found is told of each source
// once. changed reports whether the lock file was written. What was installed
// before an error stays.
func (r *Run) Install(ctx context.Context, upgrade bool, found func(source.Installed)) (cfg *lang.Config, changed bool, diags hcl.Diagnostics) {
	type answer struct {
		tree lang.Tree
		err  error
	}
	store, known, used := r.modules("."), map[string]answer{}, map[string]bool{}
	cfg, diags = r.loadWith(nil, func(from string) (lang.Tree, error) {
		if a, ok := known[from]; ok {
			return a.tree, a.err
		}
		tree, done, err := store.Install(ctx, from, upgrade && !used[lockName(from)])
		known[from] = answer{tree, err}
		if err == nil && !used[done.Source] {
			used[done.Source] = true
			found(done)
		}
		return tree, err
	})
	if diags.HasErrors() {
		used = nil // what was not reached may be needed
	}
	changed, err := store.Save(used)
	if err != nil {
		diags = append(diags, Diagnose("Cannot write the lock file", err)...)
	}
	return cfg, changed, diags
}

func lockName(from string) string {
	a, err := source.Parse(from)
	if err != nil {
		return ""
	}
	return a.Lock()
}
