// Package server is stowaged's API: JSON over HTTP/2. The operator's side is
// served on a unix socket that only root can open (the CLI comes in through
// SSH); the agents' side on a port that needs a certificate of the cluster's CA,
// whose name decides what its owner may see and write.
package server

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/cluster/pki"
	"github.com/stowage-iac/stowage/cluster/store"
)

// versionHeader carries api.Version in both directions.
const versionHeader = "Stowage-Api"

// Limits on what a request may cost.
const (
	maxObject     = 3 << 20 // bytes of an object: it is stored twice, below etcd's limit
	maxReport     = 4 << 20
	maxRequest    = 64 << 10
	readTimeout   = 20 * time.Second
	writeTimeout  = 20 * time.Second // one message of a stream
	callTimeout   = 20 * time.Second // a call's work
	eventsPerNode = 20               // a second, in the long run
	eventsBurst   = 200

	// For a node that is not a member yet: it is made one after its agent starts.
	streamPatience = 20 * time.Second
	reportPatience = 2 * time.Second
)

// Manager is what a manager serves beside what every node does.
type Manager struct {
	Cluster   string // ID
	Store     *store.Store
	Follower  *store.Follower
	Presence  *Presence
	Authority *pki.Authority // nil on a manager without the CA's key

	images   []string // of the state at imagesAt; guarded by Follower.Read
	imagesAt int64
}

// Options are what the API serves.
type Options struct {
	// Local is what the node says of itself.
	Local func() api.LocalView
	// Content takes content in for the node's containerd; without it there are no such calls.
	Content Content
	Log     *slog.Logger
}

// Server serves one node's API.
type Server struct {
	o Options

	mu      sync.Mutex
	manager *Manager
	reason  string // why there is no manager (yet)
	limits  map[string]*bucket
}

// New makes a server. reason says why it serves no manager's calls: what a
// worker says, or a manager before SetManager.
func New(o Options, reason string) *Server {
	return &Server{o: o, reason: reason, limits: map[string]*bucket{}}
}

// SetManager serves the manager's calls from now on; with nil no longer, for the reason.
func (s *Server) SetManager(m *Manager, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.manager, s.reason = m, reason
}

func (s *Server) current() (*Manager, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.manager == nil {
		return nil, &api.Error{Code: "unavailable", Message: s.reason}
	}
	return s.manager, nil
}

// ServeOperator serves the operator's side on l until ctx ends.
func (s *Server) ServeOperator(ctx context.Context, l net.Listener) error {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	return s.serve(ctx, l, &http.Server{Handler: s.operator(), Protocols: protocols})
}

// ServeNodes serves the agents' side on l until ctx ends.
func (s *Server) ServeNodes(ctx context.Context, l net.Listener, config *tls.Config) error {
	protocols := new(http.Protocols)
	protocols.SetHTTP2(true)
	return s.serve(ctx, tls.NewListener(l, config), &http.Server{Handler: s.nodes(), Protocols: protocols, TLSConfig: config})
}

func (s *Server) serve(ctx context.Context, l net.Listener, h *http.Server) error {
	h.ReadHeaderTimeout = 10 * time.Second
	h.IdleTimeout = 5 * time.Minute
	h.MaxHeaderBytes = 32 << 10
	h.HTTP2 = &http.HTTP2Config{
		MaxConcurrentStreams: 1000,
		SendPingTimeout:      5 * time.Second,
		PingTimeout:          5 * time.Second,
	}
	h.ErrorLog = slog.NewLogLogger(s.o.Log.Handler(), slog.LevelDebug)
	h.BaseContext = func(net.Listener) context.Context { return ctx }
	stop := context.AfterFunc(ctx, func() { h.Close() })
	defer stop()
	err := h.Serve(l)
	if ctx.Err() != nil || errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// handler does a request's work; what it returns becomes the answer.
type handler func(r *http.Request) (any, error)

// stream does its own writing.
type stream func(out *lines, r *http.Request) error

// call wraps a handler: version, size limit, timeouts, JSON and errors.
func (s *Server) call(limit int64, h handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !s.begin(w, r) {
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), callTimeout)
		defer cancel()
		control := http.NewResponseController(w)
		control.SetReadDeadline(time.Now().Add(readTimeout)) // not every connection has deadlines; the context has
		r.Body = http.MaxBytesReader(w, r.Body, limit)
		answer, err := h(r.WithContext(ctx))
		if err != nil {
			s.fail(w, r, err)
			return
		}
		respond(w, http.StatusOK, answer)
	}
}

// streaming wraps a stream.
func (s *Server) streaming(h stream) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !s.begin(w, r) {
			return
		}
		out := newLines(w)
		err := h(out, r)
		if err == nil || r.Context().Err() != nil {
			return
		}
		if !out.started {
			s.fail(w, r, err)
			return
		}
		out.fail(err)
	}
}

// begin checks the version; false when the answer was given.
func (s *Server) begin(w http.ResponseWriter, r *http.Request) bool {
	w.Header().Set(versionHeader, strconv.Itoa(api.Version))
	if v := r.Header.Get(versionHeader); v != "" && v != strconv.Itoa(api.Version) {
		respond(w, http.StatusBadRequest, api.Error{Code: "invalid", Message: "this stowaged speaks API version " + strconv.Itoa(api.Version) + ", the request " + strconv.Quote(v) + "; upgrade the older one"})
		return false
	}
	return true
}
