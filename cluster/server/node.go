package server

import (
	"fmt"
	"net/http"
	"time"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/cluster/pki"
	"github.com/stowage-iac/stowage/cluster/store"
)

// nodes is the side that needs a certificate. A node's name is never taken from
// a request.
func (s *Server) nodes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /v1/assignments", s.streaming(s.assignments))
	mux.Handle("POST /v1/status", s.managed(maxReport, s.status))
	mux.Handle("POST /v1/pki/renew", s.managed(maxRequest, renew))
	mux.Handle("/", s.call(maxRequest, forbidden))
	return mux
}

func forbidden(r *http.Request) (any, error) {
	return nil, &api.Error{Code: "forbidden", Message: "an agent may not call " + r.Method + " " + r.URL.Path}
}

// member is the node of the request's certificate, if it is part of the cluster.
func (m *Manager) member(r *http.Request) (pki.Peer, error) {
	peer, err := pki.PeerOf(r.TLS)
	if err != nil {
		return peer, &api.Error{Code: "forbidden", Message: err.Error()}
	}
	if err := m.Follower.Synced(r.Context()); err != nil {
		return peer, err
	}
	known := false
	m.Follower.Read(func(s *store.State) { _, known = s.NodeSpecs()[peer.Name] })
	if !known {
		return peer, notMember(peer.Name)
	}
	return peer, nil
}

func notMember(name string) error {
	return &api.Error{Code: "forbidden", Message: fmt.Sprintf("node.%s is not part of the cluster (yet, or any more)", name)}
}

// awaitMember gives a node that is just being set up a moment to become a member.
func (m *Manager) awaitMember(r *http.Request, moment time.Duration) (pki.Peer, error) {
	patience := time.After(moment)
	for {
		changed := m.Follower.Changed()
		peer, err := m.member(r)
		if peer.Name == "" || err == nil {
			return peer, err
		}
		select {
		case <-changed:
		case <-patience:
			return peer, err
		case <-r.Context().Done():
			return peer, r.Context().Err()
		}
	}
}

// concern reads what concerns a node now. The images, the same for every node,
// are collected once per change of an object.
func (m *Manager) concern(node string) (c concern) {
	m.Follower.Read(func(s *store.State) {
		if m.images == nil || m.imagesAt != s.ObjectsRevision {
			m.images, m.imagesAt = images(s), s.ObjectsRevision
		}
		c = concernOf(s, node, m.images)
	})
	return c
}

// assignments streams what concerns the node, see api.AssignmentUpdate.
func (s *Server) assignments(out *lines, r *http.Request) error {
	m, err := s.current()
	if err != nil {
		return err
	}
	peer, err := m.awaitMember(r, streamPatience)
	if err != nil {
		return err
	}
	sent := newSent()
	for {
		changed := m.Follower.Changed()
		c := m.concern(peer.Name)
		if c.node == nil {
			return notMember(peer.Name)
		}
		for _, update := range sent.diff(c) {
			if err := out.add(update); err != nil {
				return err
			}
			if out.large() {
				if err := out.flush(); err != nil {
					return err
				}
			}
		}
		if out.buffer.Len() > 0 {
			if err := out.flush(); err != nil {
				return err
			}
		}
		select {
		case <-changed:
		case <-r.Context().Done():
			return r.Context().Err()
		}
	}
}

// status takes a report. The node's replicas and status are named after the
// certificate; a report that names another node is refused.
func (s *Server) status(m *Manager, r *http.Request) (any, error) {
	peer, err := m.awaitMember(r, reportPatience)
	if err != nil {
		return nil, err
	}
	var report api.StatusReport
	if err := decode(r, &report); err != nil {
		return nil, err
	}
	if err := own(&report, peer.Name); err != nil {
		return nil, err
	}
	m.Presence.heard(peer.Name, report.Node)
	if err := m.Store.Report(r.Context(), peer.Name, report); err != nil {
		return nil, err
	}
	if n := s.allowed(peer.Name, len(report.Events)); n > 0 {
		return struct{}{}, m.Store.Event(r.Context(), report.Events[:n]...)
	}
	return struct{}{}, nil
}

// own checks that a report is about its sender and fills its name in.
func own(report *api.StatusReport, node string) error {
	foreign := func(name *string) bool {
		if *name == "" {
			*name = node
		}
		return *name != node
	}
	bad := report.Node != nil && foreign(&report.Node.Name)
	for i := range report.Replicas {
		bad = bad || foreign(&report.Replicas[i].Node)
	}
	for i := range report.Events {
		bad = bad || foreign(&report.Events[i].Node)
	}
	if bad {
		return &api.Error{Code: "forbidden", Message: fmt.Sprintf("node.%s may report of itself only", node)}
	}
	return nil
}

// renew signs the node's key again for what its certificate says.
func renew(m *Manager, r *http.Request) (any, error) {
	peer, err := m.member(r)
	if err != nil {
		return nil, err
	}
	var req api.JoinRequest
	if err := decode(r, &req); err != nil {
		return nil, err
	}
	return m.signed(pki.Request{CSR: req.CSR, Name: peer.Name, Role: peer.Role, Address: req.Address})
}

// bucket bounds how many events a node may write.
type bucket struct {
	left float64
	at   time.Time
}

// allowed is how many of n events are within the node's rate; the rest is dropped.
func (s *Server) allowed(node string, n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	b := s.limits[node]
	if b == nil {
		b = &bucket{left: eventsBurst, at: now}
		s.limits[node] = b
	}
	b.left = min(eventsBurst, b.left+now.Sub(b.at).Seconds()*eventsPerNode)
	b.at = now
	n = min(n, int(b.left))
	b.left -= float64(n)
	return n
}
