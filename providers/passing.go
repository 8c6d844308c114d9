package providers

import (
	"errors"

	"github.com/stowage-iac/stowage/cluster/client"
	"github.com/stowage-iac/stowage/image"
	"github.com/stowage-iac/stowage/ssh"
)

// passing are causes that may be gone a moment later: a connection that dropped, a
// host or a manager that restarts, a registry that is overloaded.
var passing = []error{ssh.ErrConnectionLost, ssh.ErrUnreachable, client.ErrUnavailable, image.ErrUnreachable}

// Passing returns err if its cause may pass by itself, else nil.
func Passing(err error) error {
	for _, p := range passing {
		if errors.Is(err, p) {
			return err
		}
	}
	return nil
}
