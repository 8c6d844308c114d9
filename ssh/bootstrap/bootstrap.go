// Package bootstrap turns a bare host into a node and back: pre-flight, packages,
// the agent and its unit, keys. Every step is idempotent and can be repeated after
// a crash at any point; what it installs is recorded on the host before it is done.
package bootstrap

import (
	"context"
	"errors"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/ssh"
)

// Options of Prepare.
type Options struct {
	// Stowaged gives the path of the stowaged binary for a GOARCH.
	Stowaged func(arch string) (path string, err error)
	// Progress reports what is going on, one short clause; may be nil.
	Progress func(string)
}

var errNotYet = errors.New("bootstrap is not there")

// Prepare installs containerd, runc and stowaged where they are missing or differ.
// Nothing of the cluster runs yet afterwards. facts are those of the same run.
func Prepare(ctx context.Context, host ssh.Host, facts api.NodeFacts, o Options) error { return errNotYet }

// Identity makes the node's keys if they are missing and returns the public halves.
func Identity(ctx context.Context, host ssh.Host, name string) (*api.JoinRequest, error) {
	return nil, errNotYet
}

// WriteNode writes the node's configuration, and its certificate where it has been
// signed (nil for the first manager, which makes the cluster's CA itself).
func WriteNode(ctx context.Context, host ssh.Host, config api.NodeConfig, signed *api.JoinResponse) error {
	return errNotYet
}

// Start starts stowaged, or restarts it where the binary, the unit or the
// configuration changed since it was started.
func Start(ctx context.Context, host ssh.Host) error { return errNotYet }

// WaitHealthy waits until stowaged answers on its socket (on a manager: with its
// store ready). The error holds the last lines of its log.
func WaitHealthy(ctx context.Context, host ssh.Host) error { return errNotYet }

// Remove takes everything back that Prepare and the node's life put on the host.
func Remove(ctx context.Context, host ssh.Host, progress func(string)) error { return errNotYet }
