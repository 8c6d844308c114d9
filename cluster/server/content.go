package server

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"time"
)

// stall is for how long the sender of content may send nothing.
const stall = 30 * time.Second

// Content takes content in for the node's containerd.
type Content interface {
	// Parts maps digests to how many bytes of theirs have arrived.
	Parts(ctx context.Context) (map[string]int64, error)
	// Take brings a blob of size bytes to containerd; r gives those from offset on.
	Take(ctx context.Context, digest string, size, offset int64, r io.Reader) error
}

// content are the calls by which a push brings content here past containerd.
func (s *Server) content(mux *http.ServeMux) {
	if s.o.Content != nil {
		mux.Handle("GET /v1/content", s.call(maxRequest, s.contentParts))
		mux.HandleFunc("PUT /v1/content/{digest}", s.takeContent)
	}
}

func (s *Server) contentParts(r *http.Request) (any, error) { return s.o.Content.Parts(r.Context()) }

// takeContent has no limit but the size that it is told, and takes as long as it takes.
func (s *Server) takeContent(w http.ResponseWriter, r *http.Request) {
	if !s.begin(w, r) {
		return
	}
	q := r.URL.Query()
	offset, err := strconv.ParseInt(q.Get("offset"), 10, 64)
	if err != nil || offset < 0 || r.ContentLength < 0 {
		s.fail(w, r, invalid("the offset or the length of the content is missing"))
		return
	}
	body := &patient{r.Body, http.NewResponseController(w)}
	if err := s.o.Content.Take(r.Context(), r.PathValue("digest"), offset+r.ContentLength, offset, body); err != nil {
		s.fail(w, r, err)
		return
	}
	respond(w, http.StatusOK, struct{}{})
}

// patient reads a body whose sender may take long, but not fall silent: its
// connection may be gone without anybody having said so.
type patient struct {
	body    io.Reader
	control *http.ResponseController
}

func (p *patient) Read(b []byte) (int, error) {
	p.control.SetReadDeadline(time.Now().Add(stall))
	return p.body.Read(b)
}
