package providers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/cluster/client"
)

// PutObject writes a desired object under the state's lineage, over whatever the
// same lineage wrote before: apply runs under the state's lock, so that nobody
// else of this lineage writes.
func PutObject(ctx context.Context, env Env, kind api.Kind, name string, spec any) error {
	c, err := env.Cluster(ctx)
	if err != nil {
		return err
	}
	raw, err := json.Marshal(spec)
	if err != nil {
		return fmt.Errorf("encoding %s.%s: %w", kind, name, err)
	}
	_, err = c.Put(ctx, api.Object{Kind: kind, Name: name, Owner: env.Lineage(), ModRevision: client.AnyRevision, Spec: raw})
	return err
}

// DeleteObject deletes a desired object; one that is gone already is no error.
func DeleteObject(ctx context.Context, env Env, kind api.Kind, name string) error {
	c, err := env.Cluster(ctx)
	if err != nil {
		return err
	}
	if err := c.Delete(ctx, kind, name, env.Lineage(), client.AnyRevision); err != nil && !errors.Is(err, client.ErrNotFound) {
		return err
	}
	return nil
}
