package client

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"

	"github.com/stowage-iac/stowage/api"
)

// AnyRevision as a ModRevision means: whatever is there now, if anything.
const AnyRevision int64 = -1

// View reads everything that a plan needs, at one revision of the store.
func (c *Client) View(ctx context.Context) (*api.ClusterView, error) {
	var view api.ClusterView
	if err := c.call(ctx, http.MethodGet, "/v1/view", nil, &view); err != nil {
		return nil, err
	}
	return &view, nil
}

// Get reads one object; ErrNotFound when there is none.
func (c *Client) Get(ctx context.Context, kind api.Kind, name string) (*api.Object, error) {
	var o api.Object
	if err := c.call(ctx, http.MethodGet, objectPath(kind, name), nil, &o); err != nil {
		return nil, err
	}
	return &o, nil
}

// List reads all objects of a kind, sorted by name.
func (c *Client) List(ctx context.Context, kind api.Kind) ([]api.Object, error) {
	var all []api.Object
	err := c.call(ctx, http.MethodGet, "/v1/objects/"+url.PathEscape(string(kind)), nil, &all)
	return all, err
}

// Put writes an object and returns it as it was stored (ModRevision set, a
// node's PodCIDR given). o.ModRevision is the precondition: 0 the object must
// not exist, AnyRevision none, else it must have that revision; ErrConflict
// otherwise. Writing what is already there succeeds in every case and changes
// nothing, so that an apply can be repeated. ErrForeignOwner when another
// lineage owns it.
func (c *Client) Put(ctx context.Context, o api.Object) (*api.Object, error) {
	var stored api.Object
	if err := c.call(ctx, http.MethodPut, objectPath(o.Kind, o.Name), o, &stored); err != nil {
		return nil, err
	}
	return &stored, nil
}

// Delete removes an object that the lineage owner owns. modRevision is the
// precondition as in Put (0 is taken as AnyRevision). ErrNotFound when there is none.
func (c *Client) Delete(ctx context.Context, kind api.Kind, name, owner string, modRevision int64) error {
	q := url.Values{"owner": {owner}, "mod_revision": {strconv.FormatInt(modRevision, 10)}}
	repeated, err := c.repeat(ctx, func() error {
		return c.once(ctx, http.MethodDelete, objectPath(kind, name)+"?"+q.Encode(), nil, nil)
	})
	if repeated && errors.Is(err, ErrNotFound) {
		return nil // the attempt whose answer was lost did it
	}
	return err
}

func objectPath(kind api.Kind, name string) string {
	return "/v1/objects/" + url.PathEscape(string(kind)) + "/" + url.PathEscape(name)
}
