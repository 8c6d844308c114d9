package ssh

import (
	"context"
	"errors"

	"github.com/stowage-iac/stowage/api"
)

// Facts reads what a host is, in one round trip.
func Facts(ctx context.Context, host Host) (api.NodeFacts, error) {
	return api.NodeFacts{}, errors.New("facts are not there")
}
