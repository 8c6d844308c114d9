package server

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stowage-iac/stowage/api"
)

// taken is a Content that remembers what came.
type taken struct {
	digest       string
	size, offset int64
	body         string
	err          error
}

func (c *taken) Parts(context.Context) (map[string]int64, error) {
	return map[string]int64{"sha256:ab": 7}, nil
}

func (c *taken) Take(_ context.Context, digest string, size, offset int64, r io.Reader) error {
	if c.err != nil {
		return c.err
	}
	b, err := io.ReadAll(r)
	c.digest, c.size, c.offset, c.body = digest, size, offset, string(b)
	return err
}

func TestContent(t *testing.T) {
	c := &taken{}
	h := New(Options{Content: c, Log: slog.New(slog.DiscardHandler)}, "").operator()
	ask := func(method, path string, body io.Reader) (int, string) {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, path, body))
		return w.Code, w.Body.String()
	}
	if status, answer := ask("GET", "/v1/content", nil); status != http.StatusOK || strings.TrimSpace(answer) != `{"sha256:ab":7}` {
		t.Errorf("parts: %d %s", status, answer)
	}
	if status, answer := ask("PUT", "/v1/content/sha256:ab?offset=7", strings.NewReader("rest")); status != http.StatusOK {
		t.Errorf("take: %d %s", status, answer)
	}
	if want := (taken{digest: "sha256:ab", size: 11, offset: 7, body: "rest"}); *c != want {
		t.Errorf("took %+v, want %+v", *c, want)
	}
	for _, path := range []string{"/v1/content/sha256:ab", "/v1/content/sha256:ab?offset=x", "/v1/content/sha256:ab?offset=-1"} {
		if status, answer := ask("PUT", path, strings.NewReader("rest")); status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", path, status, answer)
		}
	}
	if status, answer := ask("PUT", "/v1/content/sha256:ab?offset=0", io.MultiReader(strings.NewReader("x"))); status != http.StatusBadRequest {
		t.Errorf("without a length: %d %s", status, answer)
	}
	c.err = &api.Error{Code: "no_space", Message: "full"}
	if status, answer := ask("PUT", "/v1/content/sha256:ab?offset=0", strings.NewReader("x")); status != http.StatusInsufficientStorage || !strings.Contains(answer, "full") {
		t.Errorf("a full disk: %d %s", status, answer)
	}
}

// pipes is a listener whose connections are given to it.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	if c, ok := <-p; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}
func (p pipes) Close() error   { return nil }
func (p pipes) Addr() net.Addr { return &net.UnixAddr{} }

// A sender may take its time, but one that has fallen silent is given up: nobody
// may ever say that its connection is gone.
func TestContentStalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &taken{}
		ctx, cancel := context.WithCancel(t.Context())
		l := make(pipes)
		var server, sender sync.WaitGroup
		server.Go(func() {
			New(Options{Content: c, Log: slog.New(slog.DiscardHandler)}, "").ServeOperator(ctx, l)
		})
		for _, test := range []struct {
			pause time.Duration
			code  int
		}{{stall - time.Second, http.StatusOK}, {stall + time.Second, http.StatusInternalServerError}} {
			here, there := net.Pipe()
			l <- there
			sender.Go(func() {
				fmt.Fprint(here, "PUT /v1/content/sha256:ab?offset=0 HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n")
				for _, b := range []string{"a", "b", "c", "d"} {
					time.Sleep(test.pause)
					if _, err := io.WriteString(here, b); err != nil {
						return
					}
				}
			})
			resp, err := http.ReadResponse(bufio.NewReader(here), nil)
			if err != nil {
				t.Fatal(err)
			}
			var refused api.Error
			json.NewDecoder(resp.Body).Decode(&refused)
			if resp.StatusCode != test.code {
				t.Errorf("a byte every %v: %d %s, came %q", test.pause, resp.StatusCode, refused.Message, c.body)
			}
			here.Close()
			sender.Wait()
		}
		cancel()
		close(l)
		server.Wait()
	})
}
