package source

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

var old = time.Unix(0, 0)

// newLogin is a server that wants a login for everything.
func newLogin(t *testing.T) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
		w.WriteHeader(http.StatusUnauthorized)
	}))
	t.Cleanup(s.Close)
	return s.URL
}
