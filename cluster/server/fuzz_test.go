package server

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/cluster/pki"
	"github.com/stowage-iac/stowage/cluster/store"
)

// manager makes a server with a real store, without sockets.
func manager(t testing.TB) *Server {
	t.Helper()
	dir := t.TempDir()
	keys := pki.Dir(filepath.Join(dir, "pki"))
	ca, err := pki.MakeAuthority(keys, "c1")
	if err != nil {
		t.Fatal(err)
	}
	req, err := pki.Identify(keys, "m", api.RoleManager, "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	resp, err := ca.Sign(pki.Request{CSR: req.CSR, Name: "m"})
	if err != nil {
		t.Fatal(err)
	}
	if err := pki.Join(keys, *resp); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	s, err := store.Open(context.Background(), store.Options{
		Dir: filepath.Join(dir, "etcd"), Name: "m", Cluster: "c1", Address: "127.0.0.1", PeerListen: "127.0.0.1",
		CA: keys.CA(), Cert: keys.Cert(), Key: keys.Key(), ServerName: pki.ManagerName, Log: log,
	})
	if err != nil {
		t.Fatal(err)
	}
	f := store.NewFollower(s)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		f.Run(ctx)
		close(ended)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
		s.Close()
	})
	srv := New(Options{Local: func() api.LocalView { return api.LocalView{} }, Log: log}, "")
	srv.SetManager(&Manager{Cluster: "c1", Store: s, Follower: f, Presence: NewPresence(), Authority: ca}, "")
	return srv
}

// FuzzOperator: whatever an operator's connection sends is answered in JSON,
// what is wrong with an error of the sender's, never with a panic or "internal".
func FuzzOperator(f *testing.F) {
	h := manager(f).operator()
	node := `{"kind":"node","name":"a","owner":"o","spec":{"name":"a","address":"x","role":"worker"}}`
	for _, s := range [][3]string{
		{"GET", "/v1/view", ""},
		{"PUT", "/v1/objects/node/a", node},
		{"PUT", "/v1/objects/pod/web%5B%22a%2Fb%22%5D", `{"kind":"pod","name":"web[\"a/b\"]","owner":"o","spec":{}}`},
		{"GET", "/v1/objects/node", ""},
		{"DELETE", "/v1/objects/node/a?owner=o&mod_revision=x", ""},
		{"GET", "/v1/watch?from=0", ""},
		{"GET", "/v1/events?object=pod.web", ""},
		{"POST", "/v1/pki/sign", `{"name":"w","csr":"x"}`},
		{"GET", "/v1/store/dump", ""},
		{"PUT", "/v1/objects/config/c", `{"kind":"config","name":"c","owner":"o","spec":{"version":"1","files":{"f":"AAAA"}}}{}`},
	} {
		f.Add(s[0], s[1], s[2])
	}
	f.Fuzz(func(t *testing.T, method, target, body string) {
		if _, err := url.ParseRequestURI(target); err != nil || strings.ContainsAny(method+target, " \r\n\t") || method == "" || target == "*" {
			t.Skip("not even HTTP")
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		if !strings.Contains(target, "watch") {
			ctx, cancel = context.WithTimeout(t.Context(), 10*time.Second)
		}
		defer cancel()
		r := httptest.NewRequest("GET", target, strings.NewReader(body)).WithContext(ctx)
		r.Method = method
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code/100 == 3 { // the router cleans paths
			return
		}
		if w.Code/100 == 2 {
			for d := json.NewDecoder(w.Body); d.More(); {
				var v any
				if err := d.Decode(&v); err != nil {
					t.Fatalf("%s %s: status %d with %q: %v", method, target, w.Code, w.Body, err)
				}
			}
			return
		}
		var e api.Error
		if err := json.Unmarshal(w.Body.Bytes(), &e); err != nil || statuses[e.Code] != w.Code || e.Code == "internal" {
			t.Errorf("%s %s: status %d with %q", method, target, w.Code, w.Body)
		}
	})
}

// FuzzReport: whatever a node reports is stored below its own name or refused.
func FuzzReport(f *testing.F) {
	s := manager(f)
	m, err := s.current()
	if err != nil {
		f.Fatal(err)
	}
	spec := json.RawMessage(`{"name":"a","address":"x","role":"worker"}`)
	if _, err := m.Store.Put(context.Background(), api.Object{Kind: api.KindNode, Name: "a", Owner: "o", Spec: spec}); err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(`{"node":{"name":"a","ready":true},"replicas":[{"pod":"web","slot":1}],"gone":["web#1"],"events":[{"object":"pod.web[1]"}]}`))
	f.Add([]byte(`{"node":{"name":"b"}}`))
	f.Add([]byte(`{"gone":["x","#","a#-1","../b/node#0"]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var report api.StatusReport
		r := httptest.NewRequest("POST", "/v1/status", strings.NewReader(string(body)))
		if decode(r, &report) != nil || own(&report, "a") != nil {
			return
		}
		if err := m.Store.Report(t.Context(), "a", report); err != nil && apiError(err).Code == "internal" {
			t.Errorf("%s: %v", body, err)
		}
		state, err := m.Store.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for node := range state.Nodes {
			if node != "a" {
				t.Errorf("%s wrote a status of node %q", body, node)
			}
		}
		for node := range state.Replicas {
			if node != "a" {
				t.Errorf("%s wrote a replica of node %q", body, node)
			}
		}
	})
}
