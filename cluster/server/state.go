package server

import (
	"net/http"
	"strings"

	"github.com/stowage-iac/stowage/api"
)

// maxStateObject is the largest request with a state's object of 1 MiB, in base64.
const maxStateObject = 2 << 20

// states are the calls by which the CLI keeps its states in the store: they are
// the operator's only, and nothing in the cluster reads what is in there.
func (s *Server) states(mux *http.ServeMux) {
	mux.Handle("GET /v1/states/{state}/objects", s.managed(maxRequest, (*Manager).stateObjects))
	mux.Handle("PUT /v1/states/{state}/objects", s.managed(maxStateObject, (*Manager).putStateObject))
	mux.Handle("POST /v1/states/{state}/delete", s.managed(maxStateObject, (*Manager).deleteStateObjects))
	mux.Handle("POST /v1/states/{state}/lock", s.managed(maxRequest, (*Manager).lockState))
	mux.Handle("POST /v1/states/{state}/renew", s.managed(maxRequest, (*Manager).renewState))
	mux.Handle("POST /v1/states/{state}/unlock", s.managed(maxRequest, (*Manager).unlockState))
}

func (m *Manager) stateObjects(r *http.Request) (any, error) {
	q := r.URL.Query()
	return m.Store.StateObjects(r.Context(), r.PathValue("state"), q.Get("prefix"), q.Get("after"), q.Get("keys") == "true")
}

func (m *Manager) putStateObject(r *http.Request) (any, error) {
	var o api.StateObject
	if err := decode(r, &o); err != nil {
		return nil, err
	}
	if o.Key == "" || o.Key == "lock" || strings.Contains(o.Key, "..") {
		return nil, invalid("the key of a state's object is missing, or reserved")
	}
	revision, err := m.Store.PutStateObject(r.Context(), r.PathValue("state"), o)
	return api.StateObject{Key: o.Key, Revision: revision}, err
}

func (m *Manager) deleteStateObjects(r *http.Request) (any, error) {
	var keys []string
	if err := decode(r, &keys); err != nil {
		return nil, err
	}
	return struct{}{}, m.Store.DeleteStateObjects(r.Context(), r.PathValue("state"), keys)
}

func stateLock(r *http.Request) (l api.StateLock, err error) {
	err = decode(r, &l)
	return l, err
}

func (m *Manager) lockState(r *http.Request) (any, error) {
	l, err := stateLock(r)
	if err != nil {
		return nil, err
	}
	l.Lease, err = m.Store.LockState(r.Context(), r.PathValue("state"), l.Info)
	return l, err
}

func (m *Manager) renewState(r *http.Request) (any, error) {
	l, err := stateLock(r)
	if err != nil {
		return nil, err
	}
	return struct{}{}, m.Store.RenewStateLock(r.Context(), r.PathValue("state"), l.Lease)
}

func (m *Manager) unlockState(r *http.Request) (any, error) {
	l, err := stateLock(r)
	if err != nil {
		return nil, err
	}
	return struct{}{}, m.Store.UnlockState(r.Context(), r.PathValue("state"), l)
}
