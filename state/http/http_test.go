package http_test

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stowage-iac/stowage/state"
	"github.com/stowage-iac/stowage/state/crashtest"
	backend "github.com/stowage-iac/stowage/state/http"
	"github.com/stowage-iac/stowage/state/statetest"
	"github.com/stowage-iac/stowage/test/servers"
)

func options(url, dir string) backend.Options {
	return backend.Options{Address: url, UpdateMethod: "POST", LockAddress: url + "/lock", LockMethod: "LOCK",
		UnlockAddress: url + "/lock", UnlockMethod: "UNLOCK", Username: servers.HTTPUser, Password: servers.HTTPPassword, Dir: dir,
		RetryMin: time.Millisecond, RetryMax: 5 * time.Millisecond}
}

func open(t *testing.T, o backend.Options) state.Backend {
	t.Helper()
	b, err := backend.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestConformance(t *testing.T) {
	url := servers.StartHTTP(t)
	statetest.Run(t, func(t *testing.T) func() state.Backend {
		o := options(url+"/"+strings.ReplaceAll(t.Name(), " ", "_"), t.TempDir())
		return func() state.Backend { return open(t, o) }
	})
}

func TestKilledAtEveryCall(t *testing.T) {
	url := servers.StartHTTP(t)
	crashtest.Run(t, crashtest.Child{Type: "http", Arguments: map[string]any{
		"address": url + "/crash", "lock_address": url + "/crash/lock", "username": servers.HTTPUser},
		Env: []string{"STOWAGE_HTTP_PASSWORD=" + servers.HTTPPassword}})
}

// Another machine is kept out, is told who is in, and gets in by force only.
func TestTwoMachines(t *testing.T) {
	url := servers.StartHTTP(t) + "/s"
	info := state.LockInfo{ID: "1", Operation: "apply", Who: "ann@desk", PID: 7, Created: time.Unix(1_700_000_000, 0).UTC(), Path: url}
	here, there := open(t, options(url, t.TempDir())), open(t, options(url, t.TempDir()))
	s, err := here.Lock(t.Context(), info, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = there.Lock(t.Context(), state.LockInfo{ID: "2", Who: "bob@laptop"}, 0)
	if err == nil || !strings.Contains(err.Error(), "ann@desk (process 7) for apply") || !strings.Contains(err.Error(), "force-unlock 1") {
		t.Errorf("got %v", err)
	}
	if holder, held, err := there.Holder(t.Context()); !held || holder != info || err != nil {
		t.Errorf("%+v %v %v", holder, held, err)
	}
	if err := there.Break(t.Context(), "1"); err != nil {
		t.Fatal(err)
	}
	next, err := there.Lock(t.Context(), state.LockInfo{ID: "2", Who: "bob@laptop"}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := next.Replace(t.Context(), 0, []byte("{\"format_version\":1,\"lineage\":\"l\",\"serial\":1,\n\"x\":1}\n")); err != nil {
		t.Fatal(err)
	}
	err = s.Replace(t.Context(), 1, []byte("{\"format_version\":1,\"lineage\":\"l\",\"serial\":2,\n\"x\":1}\n"))
	if err == nil || !strings.Contains(err.Error(), "the lock was lost") {
		t.Errorf("the broken one wrote: %v", err)
	}
	if err := s.Unlock(); err != nil {
		t.Error(err)
	}
	if _, held, _ := there.Holder(t.Context()); !held {
		t.Error("the broken one's Unlock took the other's lock")
	}
	next.Unlock()
	// What another machine wrote is kept as an earlier version here when it is replaced.
	if s, err = here.Lock(t.Context(), info, 0); err != nil {
		t.Fatal(err)
	}
	defer s.Unlock()
	if err := s.Replace(t.Context(), 1, []byte("{\"format_version\":1,\"lineage\":\"l\",\"serial\":2,\n\"x\":1}\n")); err != nil {
		t.Fatal(err)
	}
	if v, err := here.Version(t.Context(), 1); err != nil || !bytes.Contains(v, []byte(`"serial":1`)) {
		t.Errorf("%q %v", v, err)
	}
}

func TestErrors(t *testing.T) {
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		want    string
	}{
		"unauthorized": {answering(401, "who are you?"), "STOWAGE_HTTP_PASSWORD"},
		"forbidden":    {answering(403, ""), "may not"},
		"redirect":     {answering(302, ""), "use the address that it redirects to"},
		"too large":    {answering(413, ""), "raise its limit"},
		"broken":       {answering(500, "oh no"), "\"oh no\": the server has a problem of its own"},
		"truncated": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "1000")
			io.WriteString(w, "{")
		}, "broke off"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(test.handler)
			defer server.Close()
			_, err := open(t, options(server.URL, t.TempDir())).Read(t.Context())
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), server.URL) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func answering(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

// A server that recovers is asked again; a lock whose answer was lost is our own.
func TestRetries(t *testing.T) {
	strict := &servers.HTTP{}
	var calls atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch calls.Add(1) % 3 {
		case 1:
			w.WriteHeader(502)
		case 2: // done, and the answer is lost
			strict.ServeHTTP(httptest.NewRecorder(), r)
			w.WriteHeader(500)
		default:
			strict.ServeHTTP(w, r)
		}
	}))
	defer server.Close()
	o := options(server.URL+"/s", t.TempDir())
	o.Retries = 3
	s, err := open(t, o).Lock(t.Context(), state.LockInfo{ID: "1"}, 0)
	if err != nil {
		t.Fatal(err)
	}
	for serial := range uint64(3) {
		next := fmt.Appendf(nil, "{\"format_version\":1,\"lineage\":\"l\",\"serial\":%d,\n\"x\":1}\n", serial+1)
		if err := s.Replace(t.Context(), serial, next); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Unlock(); err != nil {
		t.Error(err)
	}
	if strict.Locks() != 0 {
		t.Error("the lock is left")
	}
}

func TestTLS(t *testing.T) {
	strict := &servers.HTTP{}
	server := httptest.NewTLSServer(strict)
	defer server.Close()
	o := options(server.URL+"/s", t.TempDir())
	if _, err := open(t, o).Read(t.Context()); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("an unknown certificate: %v", err)
	}
	o.CA = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	if _, err := open(t, o).Read(t.Context()); err != nil {
		t.Error(err)
	}
	o.CA = "nonsense"
	if _, err := backend.New(o); err == nil {
		t.Error("a CA that is none")
	}
}
