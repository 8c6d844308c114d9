package servers

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

// S3 starts a store in memory with a bucket "states" that keeps conditions on
// PUT, and returns its URL. It takes any credentials. wrap, when not nil, stands
// before it, for faults.
func S3(t testing.TB, wrap func(http.Handler) http.Handler, o ...gofakes3.Option) string {
	t.Helper()
	memory := s3mem.New()
	if err := memory.CreateBucket("states"); err != nil {
		t.Fatal(err)
	}
	o = append(o, gofakes3.WithLogger(gofakes3.DiscardLog()))
	var h http.Handler = gofakes3.New(memory, o...).Server()
	if wrap != nil {
		h = wrap(h)
	}
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL
}
