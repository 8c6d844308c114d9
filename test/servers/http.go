package servers

import (
	"crypto/md5"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// Whom an HTTP server knows.
const HTTPUser, HTTPPassword = "ann", "hunter2"

// HTTP is a server of Terraform's http protocol that forgives nothing: a state for
// each path, its lock at the path + "/lock". The zero value is ready.
type HTTP struct {
	mu            sync.Mutex
	states, locks map[string][]byte
}

// StartHTTP starts one and returns its URL.
func StartHTTP(t testing.TB) string {
	s := httptest.NewServer(&HTTP{})
	t.Cleanup(s.Close)
	return s.URL
}

// Locks is the number of locks that are held.
func (h *HTTP) Locks() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.locks)
}

func idOf(lock []byte) string {
	var l struct{ ID string }
	json.Unmarshal(lock, &l)
	return l.ID
}

// ServeHTTP answers GET, POST, LOCK and UNLOCK.
func (h *HTTP) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.states == nil {
		h.states, h.locks = map[string][]byte{}, map[string][]byte{}
	}
	if user, password, _ := r.BasicAuth(); user != HTTPUser || password != HTTPPassword {
		http.Error(w, "who are you?", http.StatusUnauthorized)
		return
	}
	body, _ := io.ReadAll(r.Body)
	sum := md5.Sum(body)
	if len(body) > 0 && r.Header.Get("Content-MD5") != base64.StdEncoding.EncodeToString(sum[:]) {
		http.Error(w, "damaged on its way", http.StatusBadRequest)
		return
	}
	name := strings.TrimSuffix(r.URL.Path, "/lock")
	lock := h.locks[name]
	switch r.Method {
	case "GET":
		if h.states[name] == nil {
			http.NotFound(w, r)
			return
		}
		w.Write(h.states[name])
	case "POST":
		if lock == nil || r.URL.Query().Get("ID") != idOf(lock) {
			w.WriteHeader(http.StatusConflict)
			w.Write(lock)
			return
		}
		if !json.Valid(body) && len(body) < 1000 {
			http.Error(w, "no JSON", http.StatusBadRequest)
			return
		}
		h.states[name] = body
	case "LOCK":
		if lock != nil {
			w.WriteHeader(http.StatusLocked)
			w.Write(lock)
			return
		}
		h.locks[name] = body
	case "UNLOCK":
		if lock == nil || idOf(lock) != idOf(body) {
			w.WriteHeader(http.StatusConflict)
			w.Write(lock)
			return
		}
		delete(h.locks, name)
	default:
		http.Error(w, "no", http.StatusMethodNotAllowed)
	}
}
