package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/cluster/pki"
	"github.com/stowage-iac/stowage/cluster/store"
)

// statuses are the HTTP statuses of api.Error's codes.
var statuses = map[string]int{
	"not_found":     http.StatusNotFound,
	"conflict":      http.StatusConflict,
	"foreign_owner": http.StatusConflict,
	"invalid":       http.StatusBadRequest,
	"forbidden":     http.StatusForbidden,
	"unavailable":   http.StatusServiceUnavailable,
	"compacted":     http.StatusGone,
	"no_space":      http.StatusInsufficientStorage,
	"internal":      http.StatusInternalServerError,
}

// apiError finds the code of an error.
func apiError(err error) *api.Error {
	var e *api.Error
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &e):
		return e
	case errors.As(err, &large):
		return &api.Error{Code: "invalid", Message: fmt.Sprintf("the request has more than %d bytes", large.Limit)}
	case errors.Is(err, store.ErrNotFound):
		return &api.Error{Code: "not_found", Message: err.Error()}
	case errors.Is(err, store.ErrConflict):
		return &api.Error{Code: "conflict", Message: err.Error()}
	case errors.Is(err, store.ErrForeignOwner):
		return &api.Error{Code: "foreign_owner", Message: err.Error()}
	case errors.Is(err, store.ErrInvalid), errors.Is(err, pki.ErrRequest):
		return &api.Error{Code: "invalid", Message: err.Error()}
	case errors.Is(err, store.ErrCompacted):
		return &api.Error{Code: "compacted", Message: err.Error()}
	case errors.Is(err, store.ErrUnavailable), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return &api.Error{Code: "unavailable", Message: err.Error()}
	}
	return &api.Error{Code: "internal", Message: err.Error()}
}

func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	e := apiError(err)
	if e.Code == "internal" {
		s.o.Log.Error("api: a call failed", "call", r.Method+" "+r.URL.Path, "error", err)
	}
	respond(w, statuses[e.Code], e)
}

func respond(w http.ResponseWriter, status int, answer any) {
	b, err := json.Marshal(answer)
	if err != nil {
		status, b = http.StatusInternalServerError, []byte(`{"code":"internal","message":"the answer is no JSON"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(append(b, '\n')) // a lost answer is the client's to notice
}

// decode reads a request's body: one JSON value.
func decode(r *http.Request, into any) error {
	d := json.NewDecoder(r.Body)
	if err := d.Decode(into); err != nil {
		return refused(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return invalid("the request has more than one JSON value")
	}
	return nil
}

func refused(err error) error {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return err
	}
	return invalid("the request is not the JSON that is expected: " + err.Error())
}

func invalid(message string) error { return &api.Error{Code: "invalid", Message: message} }

// lines writes a stream of JSON values, one a line, each flushed.
type lines struct {
	w       http.ResponseWriter
	control *http.ResponseController
	buffer  bytes.Buffer
	started bool
}

func newLines(w http.ResponseWriter) *lines {
	return &lines{w: w, control: http.NewResponseController(w)}
}

// add puts a value into the next write.
func (l *lines) add(v any) error { return json.NewEncoder(&l.buffer).Encode(v) }

// flush sends what was added. A reader that does not take it in time ends the stream.
func (l *lines) flush() error {
	if !l.started {
		l.started = true
		l.w.Header().Set("Content-Type", "application/x-ndjson")
	}
	l.control.SetWriteDeadline(time.Now().Add(writeTimeout))
	// A stream may rest for long: on HTTP/2 a deadline that passes then would end it.
	defer l.control.SetWriteDeadline(time.Time{})
	if _, err := l.w.Write(l.buffer.Bytes()); err != nil {
		return err
	}
	l.buffer.Reset()
	return l.control.Flush()
}

// large tells when to flush within a long series.
func (l *lines) large() bool { return l.buffer.Len() > 256<<10 }

// fail ends a stream with the error as its last line.
func (l *lines) fail(err error) {
	if l.add(map[string]any{"error": apiError(err)}) == nil {
		l.flush() // the reader may be gone, which is why it ended
	}
}
