package client

import (
	"context"
	"net/http"

	"github.com/stowage-iac/stowage/api"
)

// Own hands an object over from the lineage that owns it to another, or to
// api.Nobody, without changing anything else of it: nothing is restarted. from is the
// precondition; ErrForeignOwner when somebody else owns it. ErrNotFound when there is
// no such object. It can be repeated.
func (c *Client) Own(ctx context.Context, kind api.Kind, name, from, to string) error {
	return c.call(ctx, http.MethodPost, objectPath(kind, name)+"/owner", api.Handover{From: from, To: to}, nil)
}
