package planner

import (
	"errors"
	"fmt"

	"github.com/hashicorp/hcl/v2"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/cluster/client"
)

// forget takes an instance out of the state and leaves what it stands for as it is.
// Its object in the cluster belongs to nobody then: it would else count as left behind
// by an interrupted apply.
func (x *executor) forget(c *Change) (ok bool, diags hcl.Diagnostics, fatal error) {
	if err := x.Journal.Begin(c.Address, string(Forget)); err != nil {
		return false, nil, err
	}
	if c.ModRevision != 0 {
		if err := x.release(c); err != nil {
			return false, hcl.Diagnostics{x.problem(c, "Not forgotten", fmt.Sprintf(
				"The object of %s could not be given up: %s. The state still records it; apply again.", c.Address, err))}, x.Journal.Fail(c.Address)
		}
	}
	if err := x.Journal.Done(c.Address, nil); err != nil {
		return false, nil, err
	}
	return true, nil, nil
}

func (x *executor) release(c *Change) error {
	if x.Own == nil {
		return errNoFleet
	}
	err := x.Own(x.Hard, api.Kind(c.Kind), c.Object, x.Lineage(), api.Nobody)
	if errors.Is(err, client.ErrNotFound) {
		return nil
	}
	return err
}
