package server

import (
	"context"
	"net/http"
	"strconv"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/cluster/pki"
	"github.com/stowage-iac/stowage/cluster/store"
)

// operator is the side of the socket that only root can open.
func (s *Server) operator() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /healthz", s.call(maxRequest, s.healthz))
	mux.Handle("GET /v1/local", s.call(maxRequest, func(*http.Request) (any, error) { return s.o.Local(), nil }))
	mux.Handle("GET /v1/view", s.managed(maxRequest, (*Manager).view))
	mux.Handle("GET /v1/objects/{kind}", s.managed(maxRequest, (*Manager).list))
	mux.Handle("GET /v1/objects/{kind}/{name}", s.managed(maxRequest, (*Manager).get))
	mux.Handle("PUT /v1/objects/{kind}/{name}", s.managed(maxObject, (*Manager).put))
	mux.Handle("DELETE /v1/objects/{kind}/{name}", s.managed(maxRequest, (*Manager).remove))
	mux.Handle("POST /v1/objects/{kind}/{name}/owner", s.managed(maxRequest, (*Manager).own))
	mux.Handle("GET /v1/events", s.managed(maxRequest, (*Manager).events))
	mux.Handle("POST /v1/pki/sign", s.managed(maxRequest, (*Manager).sign))
	mux.Handle("GET /v1/store/dump", s.streaming(s.dump))
	mux.Handle("GET /v1/watch", s.streaming(s.watch))
	s.states(mux)
	s.content(mux)
	mux.Handle("/", s.call(maxRequest, unknown))
	return mux
}

func unknown(r *http.Request) (any, error) {
	return nil, invalid("there is no such call: " + r.Method + " " + strconv.Quote(r.URL.Path))
}

// managed is a call that needs the manager's side.
func (s *Server) managed(limit int64, h func(*Manager, *http.Request) (any, error)) http.HandlerFunc {
	return s.call(limit, func(r *http.Request) (any, error) {
		m, err := s.current()
		if err != nil {
			return nil, err
		}
		return h(m, r)
	})
}

func (s *Server) healthz(*http.Request) (any, error) {
	view := s.o.Local()
	if view.Config.Role == api.RoleManager {
		if _, err := s.current(); err != nil {
			return nil, err
		}
	}
	return map[string]string{"status": "ok"}, nil
}

func (m *Manager) view(r *http.Request) (any, error) {
	view, err := m.Store.View(r.Context(), m.Cluster)
	if err != nil {
		return nil, err
	}
	for i := range view.Nodes {
		m.Presence.complete(&view.Nodes[i])
	}
	return view, nil
}

func (m *Manager) list(r *http.Request) (any, error) {
	return m.Store.List(r.Context(), api.Kind(r.PathValue("kind")))
}

func (m *Manager) get(r *http.Request) (any, error) {
	return m.Store.Get(r.Context(), api.Kind(r.PathValue("kind")), r.PathValue("name"))
}

func (m *Manager) put(r *http.Request) (any, error) {
	var o api.Object
	if err := decode(r, &o); err != nil {
		return nil, err
	}
	if o.Kind != api.Kind(r.PathValue("kind")) || o.Name != r.PathValue("name") {
		return nil, invalid("the object's kind and name are not those of the path")
	}
	return m.Store.Put(r.Context(), o)
}

func (m *Manager) remove(r *http.Request) (any, error) {
	q := r.URL.Query()
	revision, err := strconv.ParseInt(q.Get("mod_revision"), 10, 64)
	if err != nil && q.Has("mod_revision") {
		return nil, invalid("mod_revision must be a number")
	}
	if q.Get("owner") == "" {
		return nil, invalid("the owner (the state's lineage) is missing")
	}
	return struct{}{}, m.Store.Delete(r.Context(), api.Kind(r.PathValue("kind")), r.PathValue("name"), q.Get("owner"), revision)
}

func (m *Manager) own(r *http.Request) (any, error) {
	var h api.Handover
	if err := decode(r, &h); err != nil {
		return nil, err
	}
	return struct{}{}, m.Store.Own(r.Context(), api.Kind(r.PathValue("kind")), r.PathValue("name"), h.From, h.To)
}

func (m *Manager) events(r *http.Request) (any, error) {
	return m.Store.Events(r.Context(), r.URL.Query().Get("object"))
}

func (m *Manager) sign(r *http.Request) (any, error) {
	var req api.JoinRequest
	if err := decode(r, &req); err != nil {
		return nil, err
	}
	return m.signed(pki.Request{CSR: req.CSR, Name: req.Name, Role: req.Role, Address: req.Address})
}

func (m *Manager) signed(req pki.Request) (any, error) {
	if m.Authority == nil {
		return nil, &api.Error{Code: "unavailable", Message: "this manager does not hold the CA's key; ask another manager"}
	}
	return m.Authority.Sign(req)
}

// dump streams the store as one JSON array.
func (s *Server) dump(out *lines, r *http.Request) error {
	m, err := s.current()
	if err != nil {
		return err
	}
	separator := byte('[')
	err = m.Store.Dump(r.Context(), func(key string, value []byte) error {
		out.buffer.WriteByte(separator)
		separator = ','
		if err := out.add(struct {
			Key   string `json:"key"`
			Value []byte `json:"value"`
		}{key, value}); err != nil || !out.large() {
			return err
		}
		return out.flush()
	})
	if err != nil {
		return err
	}
	if separator == '[' {
		out.buffer.WriteByte('[')
	}
	out.buffer.WriteByte(']')
	return out.flush()
}

// watch streams changes after the revision "from". A message with a revision
// only says that everything up to it was sent.
func (s *Server) watch(out *lines, r *http.Request) error {
	from, err := strconv.ParseInt(r.URL.Query().Get("from"), 10, 64)
	if err != nil || from < 0 {
		return invalid("from must be a revision")
	}
	m, err := s.current()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	if err := out.flush(); err != nil {
		return err
	}
	for change, err := range m.Store.Watch(ctx, from) {
		if err != nil {
			return err
		}
		if err := m.Follower.Reached(ctx, change.Revision); err != nil {
			return err
		}
		if message, ok := m.message(change); ok {
			if err := out.add(message); err != nil {
				return err
			}
		}
		if change.Complete() || out.large() {
			if err := out.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (m *Manager) message(change store.Change) (message api.Change, ok bool) {
	m.Follower.Read(func(s *store.State) { message, ok = change.Message(s) })
	if message.Node != nil && !message.Deleted {
		m.Presence.complete(message.Node)
	}
	return message, ok
}
