package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stowage-iac/stowage/api"
)

// serve runs a handler as a stowaged's socket and returns its client.
func serve(t *testing.T, h http.HandlerFunc) *Client {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	s := &http.Server{Handler: h, Protocols: protocols}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	return New(func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	})
}

func answer(w http.ResponseWriter, status int, body string) {
	w.Header().Set(versionHeader, fmt.Sprint(api.Version))
	w.WriteHeader(status)
	fmt.Fprintln(w, body)
}

// TestErrors: every code of api.Error has its sentinel, and keeps its message.
func TestErrors(t *testing.T) {
	for code, want := range sentinels {
		if want == ErrUnavailable {
			continue // repeated: see below
		}
		c := serve(t, func(w http.ResponseWriter, r *http.Request) {
			answer(w, 400, fmt.Sprintf(`{"code":%q,"message":"because"}`, code))
		})
		_, err := c.Get(t.Context(), api.KindPod, "web")
		var e *api.Error
		if !errors.Is(err, want) || !errors.As(err, &e) || e.Code != code || err.Error() != "because" {
			t.Errorf("%s: error %v", code, err)
		}
	}
	c := serve(t, func(w http.ResponseWriter, r *http.Request) { answer(w, 500, "<html>") })
	if _, err := c.View(t.Context()); err == nil || !strings.Contains(err.Error(), "500") {
		t.Errorf("an answer that is no JSON: %v", err)
	}
	c = serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(versionHeader, "99")
		fmt.Fprintln(w, "{}")
	})
	if _, err := c.View(t.Context()); !errors.Is(err, ErrVersion) || !strings.Contains(err.Error(), `"99"`) {
		t.Errorf("another version: %v", err)
	}
}

// TestRepeats: what is unavailable for a moment is no error; a deletion whose
// answer was lost is not an error when it is repeated.
func TestRepeats(t *testing.T) {
	var calls atomic.Int32
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch n := calls.Add(1); {
		case n < 3:
			answer(w, 503, `{"code":"unavailable","message":"starting"}`)
		case r.Method == http.MethodDelete:
			answer(w, 404, `{"code":"not_found","message":"no such pod"}`)
		default:
			answer(w, 200, `{"revision":7}`)
		}
	})
	if v, err := c.View(t.Context()); err != nil || v.Revision != 7 || calls.Load() != 3 {
		t.Errorf("after %d calls: %v, %v", calls.Load(), v, err)
	}
	if err := c.Delete(t.Context(), api.KindPod, "web", "o", 0); !errors.Is(err, ErrNotFound) {
		t.Errorf("a deletion that was not repeated: %v", err)
	}
	calls.Store(1)
	if err := c.Delete(t.Context(), api.KindPod, "web", "o", 0); err != nil {
		t.Errorf("a deletion that was repeated: %v", err)
	}
}

// TestUnreachable: with no stowaged there, calls end with the cause, at the
// context's end at the latest; a report is not repeated.
func TestUnreachable(t *testing.T) {
	var dialled atomic.Int32
	c := New(func(context.Context) (net.Conn, error) {
		dialled.Add(1)
		return nil, errors.New("host a: connection refused")
	})
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err := c.View(ctx)
	if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "host a: connection refused") {
		t.Errorf("error %v", err)
	}
	if dialled.Load() < 2 {
		t.Error("it was not tried again")
	}
	dialled.Store(0)
	if err := c.Report(t.Context(), api.StatusReport{}); !errors.Is(err, ErrUnavailable) || dialled.Load() > 1 {
		t.Errorf("a report: %v after %d attempts", err, dialled.Load())
	}
}

// TestWatchResumes: a stream that breaks goes on after the last complete
// revision; one whose history is gone ends saying so.
func TestWatchResumes(t *testing.T) {
	var from []string
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		from = append(from, r.URL.Query().Get("from"))
		switch len(from) {
		case 1:
			answer(w, 200, `{"revision":5,"object":{"kind":"pod","name":"a"}}
{"revision":5}
{"revision":6,"object":{"kind":"pod","name":"b"}}`) // and breaks before revision 6 is complete
		case 2:
			answer(w, 200, `{"revision":6,"object":{"kind":"pod","name":"b"}}
{"revision":6,"object":{"kind":"pod","name":"c"}}
{"revision":6}
{"error":{"code":"compacted","message":"gone"}}`)
		}
	})
	var got []string
	for change, err := range c.Watch(t.Context(), 4) {
		if err != nil {
			if !errors.Is(err, ErrCompacted) {
				t.Errorf("error %v", err)
			}
			break
		}
		got = append(got, change.Object.Name)
	}
	if strings.Join(got, " ") != "a b b c" || strings.Join(from, " ") != "4 5" {
		t.Errorf("saw %v, asked from %v", got, from)
	}
}
