package providers

import (
	"context"

	"filippo.io/age"
	"github.com/zclconf/go-cty/cty"
)

// Outside is what is read beyond files, variables of the environment and programs:
// keys and other states. The CLI implements it.
type Outside interface {
	// Identities are the age identities at hand, those that open the state, and the
	// names of the places that were looked at.
	Identities() (identities []age.Identity, tried []string, err error)
	// Outputs reads the outputs of another state, without a lock. Sensitive ones are marked.
	Outputs(ctx context.Context, of StateRef) (map[string]cty.Value, error)
}

// StateRef names another state: that of a configuration, or a file.
type StateRef struct {
	// Directory of a configuration; its stowage block says where its state is. "" with Path.
	Directory string
	// Context of that configuration; "" is the one of this run.
	Context string
	// Path of a state file of Stowage, Terraform or OpenTofu.
	Path string
}
