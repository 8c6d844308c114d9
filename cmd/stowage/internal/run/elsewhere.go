package run

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/hashicorp/hcl/v2"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/providers"
	"github.com/stowage-iac/stowage/providers/registry"
	"github.com/stowage-iac/stowage/ssh"
	stateregistry "github.com/stowage-iac/stowage/state/registry"
)

// LoadDir loads the configuration of a directory: that of the working directory as
// every command does, that of another for a test that needs it beside.
func (r *Run) LoadDir(dir string) (*lang.Config, hcl.Diagnostics) {
	if filepath.Clean(dir) == "." {
		return r.Load()
	}
	cfg, diags := lang.Load(dir, lang.Options{
		Schemas: r.Schemas, Backends: stateregistry.Schemas(), Later: registry.Later(), Version: api.StowageVersion,
		Module: r.modules(dir).Find,
	})
	for name, f := range cfg.Files {
		r.files[name] = f
	}
	return cfg, diags
}

// Outside is what the sources of a configuration's data may reach.
func (r *Run) Outside(cfg *lang.Config) providers.Outside { return outside{r, cfg} }

// SSH is how hosts are reached where nothing else is shown meanwhile.
func (r *Run) SSH() ssh.Options {
	return ssh.Options{Passphrase: func(_ context.Context, path string) ([]byte, error) {
		return r.T.Secret(fmt.Sprintf("Passphrase of %s: ", path))
	}}
}

// Resolver asks registries for digests.
func Resolver(ctx context.Context) func(string) (string, error) { return resolver(ctx) }
