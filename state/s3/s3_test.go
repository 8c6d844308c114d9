package s3_test

import (
	"context"
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
	"github.com/stowage-iac/stowage/state/s3"
	"github.com/stowage-iac/stowage/state/statetest"
	"github.com/stowage-iac/stowage/test/servers"
)

func options(url, key string) s3.Options {
	return s3.Options{Bucket: "states", Key: key, Region: "us-east-1", Endpoint: url, PathStyle: true,
		AccessKey: "AKIAEXAMPLE", SecretKey: "hunter2"}
}

func open(t *testing.T, o s3.Options) state.Backend {
	t.Helper()
	b, err := s3.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestConformance(t *testing.T) {
	url := servers.S3(t, nil)
	statetest.Run(t, func(t *testing.T) func() state.Backend {
		key := t.Name()
		return func() state.Backend { return open(t, options(url, key)) }
	})
}

func TestKilledAtEveryCall(t *testing.T) {
	url := servers.S3(t, nil)
	crashtest.Run(t, crashtest.Child{Type: "s3", Arguments: map[string]any{"bucket": "states", "key": "crash", "endpoint": url},
		Env: []string{"AWS_ACCESS_KEY_ID=AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY=hunter2"}})
}

var info = state.LockInfo{ID: "1", Operation: "apply", Who: "ann@desk"}

// A lock is renewed by its holder, and free when it is not: by the store's clock.
func TestLockOfADeadHolder(t *testing.T) {
	var late atomic.Int64 // seconds by which the store's answers are in the future
	url := servers.S3(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Date", time.Now().Add(time.Duration(late.Load())*time.Second).UTC().Format(http.TimeFormat))
			next.ServeHTTP(w, r)
		})
	})
	o := options(url, "k")
	o.Beat, o.Stale = time.Hour, time.Minute // this holder never renews
	old, err := open(t, o).Lock(t.Context(), info, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, o).Lock(t.Context(), state.LockInfo{ID: "2"}, 0); err == nil || !strings.Contains(err.Error(), "force-unlock 1") {
		t.Errorf("while it is fresh: %v", err)
	}
	late.Store(61)
	if _, held, err := open(t, o).Holder(t.Context()); held || err != nil {
		t.Errorf("held %v, %v", held, err)
	}
	next, err := open(t, o).Lock(t.Context(), state.LockInfo{ID: "2"}, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer next.Unlock()
	if err := old.Replace(t.Context(), 0, []byte("{\"format_version\":1,\"lineage\":\"l\",\"serial\":1,\n\"x\":1}\n")); err == nil {
		t.Error("the dead one wrote")
	}
	if err := old.Unlock(); err != nil {
		t.Error(err)
	}
	late.Store(0)
	if _, held, err := open(t, o).Holder(t.Context()); !held || err != nil {
		t.Errorf("the old one's Unlock took the new one's lock: %v", err)
	}
}

func TestLockIsRenewed(t *testing.T) {
	var beats atomic.Int64
	renewed := make(chan struct{})
	url := servers.S3(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(w, r)
			if r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, "/lock") && beats.Add(1) == 6 {
				close(renewed)
			}
		})
	})
	o := options(url, "k")
	o.Beat, o.Stale = time.Millisecond, time.Minute
	s, err := open(t, o).Lock(t.Context(), info, 0)
	if err != nil {
		t.Fatal(err)
	}
	<-renewed
	if err := s.Replace(t.Context(), 0, []byte("{\"format_version\":1,\"lineage\":\"l\",\"serial\":1,\n\"x\":1}\n")); err != nil {
		t.Error(err)
	}
	if err := s.Unlock(); err != nil {
		t.Error(err)
	}
}

// A store that ignores conditions is refused.
func TestConditionsIgnored(t *testing.T) {
	url := servers.S3(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.Header.Del("If-None-Match")
			r.Header.Del("If-Match")
			next.ServeHTTP(w, r)
		})
	})
	if _, err := open(t, options(url, "k")).Lock(t.Context(), info, 0); err == nil || !strings.Contains(err.Error(), "ignores If-None-Match") {
		t.Error(err)
	}
}

func TestErrors(t *testing.T) {
	answer := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(status)
			io.WriteString(w, body)
		}
	}
	code := func(c string) string {
		return fmt.Sprintf("<?xml version=\"1.0\"?><Error><Code>%s</Code><Message>no</Message></Error>", c)
	}
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		want    string
	}{
		"no bucket":       {answer(404, code("NoSuchBucket")), "there is no bucket \"states\""},
		"denied":          {answer(403, code("AccessDenied")), "need GetObject"},
		"wrong key":       {answer(403, code("SignatureDoesNotMatch")), "AWS_SECRET_ACCESS_KEY"},
		"another region":  {answer(400, code("AuthorizationHeaderMalformed")), "set region"},
		"broken":          {answer(501, "oh no"), "problem of its own"},
		"a truncated one": {truncated, "broke off"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(test.handler)
			defer server.Close()
			_, err := open(t, options(server.URL, "k")).Read(t.Context())
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), server.URL) {
				t.Errorf("got %v", err)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the key is in %v", err)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := open(t, options("http://127.0.0.1:1", "k")).Read(ctx); err == nil {
		t.Error("read with an ended context")
	}
}

func truncated(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Length", "1000")
	w.Header().Set("Last-Modified", time.Now().UTC().Format(http.TimeFormat))
	w.Header().Set("ETag", "\"x\"")
	io.WriteString(w, "{")
}
