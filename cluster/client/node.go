package client

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/stowage-iac/stowage/api"
)

// Local is what the node says of itself; it works on every node, with or without a manager.
func (c *Client) Local(ctx context.Context) (*api.LocalView, error) {
	var view api.LocalView
	if err := c.call(ctx, http.MethodGet, "/v1/local", nil, &view); err != nil {
		return nil, err
	}
	return &view, nil
}

// Healthy asks once whether stowaged serves: nil, or ErrUnavailable with the
// reason (not reachable, or a manager whose store is not ready yet).
func (c *Client) Healthy(ctx context.Context) error {
	return c.once(ctx, http.MethodGet, "/healthz", nil, nil)
}

// WaitHealthy waits until stowaged serves or the context ends; its error then
// names the last cause.
func (c *Client) WaitHealthy(ctx context.Context) error {
	for {
		err := c.Healthy(ctx)
		if err == nil || !errors.Is(err, ErrUnavailable) || backOff(100*time.Millisecond).sleep(ctx) != nil {
			return err
		}
	}
}

// Sign has the cluster's CA sign a node's key. req.Role and req.Address say
// what the certificate is for; empty means what the CSR says.
func (c *Client) Sign(ctx context.Context, req api.JoinRequest) (*api.JoinResponse, error) {
	var resp api.JoinResponse
	if err := c.call(ctx, http.MethodPost, "/v1/pki/sign", req, &resp); err != nil {
		return nil, err
	}
	return &resp, nil
}

// Events lists what happened to an object ("pod.web[2]", "node.a"; "" everything),
// oldest first. A prefix that ends before an index includes its instances: "pod.web"
// has the events of "pod.web[2]". Events are kept for about an hour.
func (c *Client) Events(ctx context.Context, object string) ([]api.Event, error) {
	var events []api.Event
	err := c.call(ctx, http.MethodGet, "/v1/events?object="+url.QueryEscape(object), nil, &events)
	return events, err
}

// KeyValue is one raw entry of the store.
type KeyValue struct {
	Key   string `json:"key"`
	Value []byte `json:"value"`
}

// Dump reads the whole store as it is on disk, for backups and tests.
func (c *Client) Dump(ctx context.Context) ([]KeyValue, error) {
	var all []KeyValue
	err := c.call(ctx, http.MethodGet, "/v1/store/dump", nil, &all)
	return all, err
}

// Assignments streams what concerns the node of the client's certificate
// (see api.AssignmentUpdate). It does not reconnect: the error that ends it is
// yielded last, and the next stream begins with everything again.
func (c *Client) Assignments(ctx context.Context) Stream[api.AssignmentUpdate] {
	return stream[api.AssignmentUpdate](ctx, c, "/v1/assignments")
}

// Report sends the node's status, once: the caller repeats it. The node's name
// comes from the certificate.
func (c *Client) Report(ctx context.Context, r api.StatusReport) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return c.once(ctx, http.MethodPost, "/v1/status", r, nil)
}

// Renew has the CA sign the node's key again; name and role stay as in the client's certificate.
func (c *Client) Renew(ctx context.Context, req api.JoinRequest) (*api.JoinResponse, error) {
	var resp api.JoinResponse
	if err := c.call(ctx, http.MethodPost, "/v1/pki/renew", req, &resp); err != nil {
		return nil, err
	}
	return &resp, nil
}
