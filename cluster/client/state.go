package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/stowage-iac/stowage/api"
)

// State is a state that the CLI keeps in the cluster's store: objects under keys,
// and a lock. Writes are sent once: ErrUnavailable leaves open whether they were done.
type State struct {
	c    *Client
	path string
}

// State is the state of that name. Nothing is read yet.
func (c *Client) State(name string) State {
	return State{c, "/v1/states/" + url.PathEscape(name)}
}

// Objects reads the objects whose keys begin with prefix, sorted by key; with
// keysOnly without their data.
func (s State) Objects(ctx context.Context, prefix string, keysOnly bool) (all []api.StateObject, err error) {
	q := url.Values{"prefix": {prefix}}
	if keysOnly {
		q.Set("keys", "true")
	}
	for {
		var page api.StatePage
		if err := s.c.call(ctx, http.MethodGet, s.path+"/objects?"+q.Encode(), nil, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Objects...)
		if !page.More || len(page.Objects) == 0 {
			return all, nil
		}
		q.Set("after", all[len(all)-1].Key)
	}
}

// Put writes an object if what is there has o's revision (0: there is none), and
// returns the new revision; else it is ErrConflict.
func (s State) Put(ctx context.Context, o api.StateObject) (int64, error) {
	var stored api.StateObject
	err := s.c.once(ctx, http.MethodPut, s.path+"/objects", o, &stored)
	return stored.Revision, err
}

// Delete removes objects; those that are gone already are no error.
func (s State) Delete(ctx context.Context, keys []string) error {
	return s.c.call(ctx, http.MethodPost, s.path+"/delete", keys, nil)
}

// Lock takes the lock, or fails with ErrConflict. It ends api.StateLease seconds
// after the last Renew.
func (s State) Lock(ctx context.Context, info []byte) (api.StateLock, error) {
	var l api.StateLock
	err := s.c.once(ctx, http.MethodPost, s.path+"/lock", api.StateLock{Info: info}, &l)
	return l, err
}

// Renew keeps the lock; ErrNotFound when it was lost.
func (s State) Renew(ctx context.Context, l api.StateLock) error {
	return s.c.once(ctx, http.MethodPost, s.path+"/renew", l, nil)
}

// Unlock gives the lock back, or with lease 0 takes it from the holder that gave
// info; ErrNotFound when it is not there.
func (s State) Unlock(ctx context.Context, l api.StateLock) error {
	return s.c.call(ctx, http.MethodPost, s.path+"/unlock", l, nil)
}
