package store_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/cluster/pki"
	"github.com/stowage-iac/stowage/cluster/store"
)

// options are of a store below dir, with a CA and keys of its own.
func options(t *testing.T, dir string) store.Options {
	t.Helper()
	keys := pki.Dir(filepath.Join(dir, "pki"))
	ca, err := pki.MakeAuthority(keys, "test")
	if err != nil {
		t.Fatal(err)
	}
	req, err := pki.Identify(keys, "a", api.RoleManager, "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	resp, err := ca.Sign(pki.Request{CSR: req.CSR, Name: "a", Role: api.RoleManager})
	if err != nil {
		t.Fatal(err)
	}
	if err := pki.Join(keys, *resp); err != nil {
		t.Fatal(err)
	}
	return store.Options{
		Dir: filepath.Join(dir, "etcd"), Name: "a", Cluster: "test", Address: "127.0.0.1",
		PeerListen: "127.0.0.1", PeerPort: freePort(t),
		CA: keys.CA(), Cert: keys.Cert(), Key: keys.Key(), ServerName: pki.ManagerName,
		Log: slog.New(slog.DiscardHandler),
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func open(t *testing.T, o store.Options) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func node(name string) api.Object {
	return object(api.KindNode, name, api.NodeSpec{Name: name, Address: "10.0.0.1", Role: api.RoleWorker})
}

func pod(name, env string, nodes ...string) api.Object {
	template := api.PodTemplate{Restart: "always", Containers: []api.Container{{
		Name: "c", Image: "x@sha256:0", Env: []api.EnvVar{{Name: "V", Value: env}},
	}}}
	return object(api.KindPod, name, api.PodSpec{
		Replicas: len(nodes), Placement: nodes, Template: template, Revision: api.TemplateRevision(template),
	})
}

func object(kind api.Kind, name string, spec any) api.Object {
	b, err := json.Marshal(spec)
	if err != nil {
		panic(err)
	}
	return api.Object{Kind: kind, Name: name, Owner: "mine", Spec: b}
}

func put(t *testing.T, s *store.Store, o api.Object) *api.Object {
	t.Helper()
	stored, err := s.Put(t.Context(), o)
	if err != nil {
		t.Fatalf("put %s.%s: %v", o.Kind, o.Name, err)
	}
	return stored
}

// TestObjects goes through the life of an object and every way to be refused.
func TestObjects(t *testing.T) {
	s := open(t, options(t, t.TempDir()))
	name := `web["a/b"]` // an index may hold anything
	first := put(t, s, pod(name, "1", "n"))
	if first.ModRevision == 0 {
		t.Fatal("a stored object has no revision")
	}
	again := put(t, s, pod(name, "1", "n"))
	if again.ModRevision != first.ModRevision {
		t.Errorf("writing what is there changed it: revision %d, was %d", again.ModRevision, first.ModRevision)
	}

	changed := pod(name, "2", "n")
	_, err := s.Put(t.Context(), changed)
	wantErr(t, "create what exists", err, store.ErrConflict)
	changed.ModRevision = first.ModRevision + 1000
	_, err = s.Put(t.Context(), changed)
	wantErr(t, "update another revision", err, store.ErrConflict)
	foreign := changed
	foreign.Owner = "other"
	_, err = s.Put(t.Context(), foreign)
	wantErr(t, "update another's", err, store.ErrForeignOwner)
	wantErr(t, "delete another's", s.Delete(t.Context(), api.KindPod, name, "other", 0), store.ErrForeignOwner)
	wantErr(t, "delete another revision", s.Delete(t.Context(), api.KindPod, name, "mine", 7), store.ErrConflict)

	changed.ModRevision = first.ModRevision
	second := put(t, s, changed)
	got, err := s.Get(t.Context(), api.KindPod, name)
	if err != nil || got.ModRevision != second.ModRevision || string(got.Spec) != string(changed.Spec) {
		t.Errorf("got %+v, %v; want what was put", got, err)
	}
	changed = pod(name, "3", "n")
	changed.ModRevision = store.AnyRevision
	put(t, s, changed)

	if err := s.Delete(t.Context(), api.KindPod, name, "mine", 0); err != nil {
		t.Fatal(err)
	}
	_, err = s.Get(t.Context(), api.KindPod, name)
	wantErr(t, "get what was deleted", err, store.ErrNotFound)
	wantErr(t, "delete it again", s.Delete(t.Context(), api.KindPod, name, "mine", 0), store.ErrNotFound)
	changed.ModRevision = second.ModRevision
	_, err = s.Put(t.Context(), changed)
	wantErr(t, "update what was deleted", err, store.ErrConflict)
}

func wantErr(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: error %v, want %v", what, err, want)
	}
}

// TestValidation: what cannot run is refused before it is stored, saying why.
func TestValidation(t *testing.T) {
	bad := func(change func(*api.PodSpec)) api.Object {
		o := pod("p", "1", "n")
		var spec api.PodSpec
		if err := json.Unmarshal(o.Spec, &spec); err != nil {
			t.Fatal(err)
		}
		change(&spec)
		return object(api.KindPod, "p", spec)
	}
	for _, c := range []struct {
		why    string
		object api.Object
	}{
		{"no such kind", object("volume", "v", struct{}{})},
		{"is no name", object(api.KindImage, "", api.ImageSpec{Ref: "x@sha256:0"})},
		{"cannot be printed", object(api.KindImage, "a\x00b", api.ImageSpec{Ref: "x@sha256:0"})},
		{"longer than", object(api.KindImage, strings.Repeat("x", 300), api.ImageSpec{Ref: "x@sha256:0"})},
		{"not what the kind needs", api.Object{Kind: api.KindPod, Name: "p", Owner: "mine", Spec: []byte(`[1]`)}},
		{"owner", api.Object{Kind: api.KindPod, Name: "p", Spec: []byte(`{}`)}},
		{"placements", bad(func(s *api.PodSpec) { s.Replicas = 3 })},
		{"no node", bad(func(s *api.PodSpec) { s.Placement[0] = "" })},
		{"not the hash", bad(func(s *api.PodSpec) { s.Revision = "0" })},
		{"needs a container", object(api.KindPod, "p", api.PodSpec{Revision: api.TemplateRevision(api.PodTemplate{})})},
		{"named", object(api.KindNode, "n", api.NodeSpec{Name: "m", Address: "x", Role: "worker"})},
		{"role", object(api.KindNode, "n", api.NodeSpec{Name: "n", Address: "x", Role: "boss"})},
		{"address", object(api.KindNode, "n", api.NodeSpec{Name: "n", Role: "worker"})},
		{"relative file name", object(api.KindConfig, "c", api.ConfigSpec{Version: "1", Files: map[string][]byte{"../x": nil}})},
		{"relative file name", object(api.KindConfig, "c", api.ConfigSpec{Version: "1", Files: map[string][]byte{"/x": nil}})},
		{"digest", object(api.KindImage, "i", api.ImageSpec{Ref: "x:latest"})},
	} {
		err := store.Validate(c.object)
		if !errors.Is(err, store.ErrInvalid) || !strings.Contains(err.Error(), c.why) {
			t.Errorf("%s.%s: error %v, want %q", c.object.Kind, c.object.Name, err, c.why)
		}
	}
}

// TestPodCIDR: a node gets the lowest free network once, keeps it and its
// recipient, and gives the network back when it is deleted.
func TestPodCIDR(t *testing.T) {
	s := open(t, options(t, t.TempDir()))
	spec := func(o *api.Object) (n api.NodeSpec) {
		if err := json.Unmarshal(o.Spec, &n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	first := object(api.KindNode, "a", api.NodeSpec{Name: "a", Address: "x", Role: "worker", Recipient: "age1a", PodCIDR: "192.168.0.0/24"})
	if got := spec(put(t, s, first)).PodCIDR; got != "10.210.0.0/24" {
		t.Errorf("the first node has %s", got)
	}
	if got := spec(put(t, s, node("b"))).PodCIDR; got != "10.210.1.0/24" {
		t.Errorf("the second node has %s", got)
	}
	again := object(api.KindNode, "a", api.NodeSpec{Name: "a", Address: "y", Role: "worker"})
	again.ModRevision = store.AnyRevision
	if got := spec(put(t, s, again)); got.PodCIDR != "10.210.0.0/24" || got.Recipient != "age1a" || got.Address != "y" {
		t.Errorf("after an update: %+v", got)
	}
	if err := s.Delete(t.Context(), api.KindNode, "a", "mine", 0); err != nil {
		t.Fatal(err)
	}
	if got := spec(put(t, s, node("c"))).PodCIDR; got != "10.210.0.0/24" {
		t.Errorf("a freed network is not given again: %s", got)
	}
}

// TestPodCIDRRace: nodes that join at once get different networks.
func TestPodCIDRRace(t *testing.T) {
	s := open(t, options(t, t.TempDir()))
	const n = 8
	got := make(chan string, n)
	for i := range n {
		go func() {
			o, err := s.Put(t.Context(), node(fmt.Sprint("n", i)))
			if err != nil {
				got <- err.Error()
				return
			}
			var spec api.NodeSpec
			json.Unmarshal(o.Spec, &spec)
			got <- spec.PodCIDR
		}()
	}
	seen := map[string]bool{}
	for range n {
		seen[<-got] = true
	}
	for i := range n {
		if cidr := fmt.Sprintf("10.210.%d.0/24", i); !seen[cidr] {
			t.Errorf("nobody got %s: %v", cidr, seen)
		}
	}
}

// TestRestart: a store that was closed, and one that was not, has everything.
func TestRestart(t *testing.T) {
	o := options(t, t.TempDir())
	s := open(t, o)
	stored := put(t, s, pod("web", "1", "n"))
	s.Close()
	s = open(t, o)
	got, err := s.Get(t.Context(), api.KindPod, "web")
	if err != nil || got.ModRevision != stored.ModRevision {
		t.Errorf("after a restart: %+v, %v", got, err)
	}
	_, err = store.Open(t.Context(), func() store.Options { p := o; p.Dir = "/proc/nowhere"; return p }())
	if err == nil || !strings.Contains(err.Error(), "/proc/nowhere") {
		t.Errorf("a directory that cannot be written: error %v", err)
	}
}

// TestWatch: changes come in order, grouped by revision; a watch from an
// earlier revision has all of them again.
func TestWatch(t *testing.T) {
	s := open(t, options(t, t.TempDir()))
	state, err := s.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	from := state.Revision
	put(t, s, node("n"))
	put(t, s, pod("web", "1", "n", "n"))
	p := put(t, s, pod("db", "1", "n"))
	moves := []store.Move{{To: &api.Binding{Pod: "db", Node: "n", Revision: "r"}}}
	last, err := s.Bind(t.Context(), "db", p.ModRevision, moves)
	if err != nil {
		t.Fatal(err)
	}
	follow(t, s, state, last)
	for range 2 { // a second follower from the start sees the same
		fresh, err := s.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		a, b := mustJSON(state.View("c")), mustJSON(fresh.View("c"))
		if a != b {
			t.Errorf("followed state:\n%s\nread state:\n%s", a, b)
		}
		state = store.NewState()
		state.Revision = from
		follow(t, s, state, last)
	}
}

// follow applies changes to state until it is at revision.
func follow(t *testing.T, s *store.Store, state *store.State, revision int64) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for c, err := range s.Watch(ctx, state.Revision) {
		if err != nil {
			t.Fatal(err)
		}
		if err := state.Apply(c); err != nil {
			t.Fatal(err)
		}
		if c.Complete() && c.Revision >= revision {
			return
		}
	}
}

func mustJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// TestBind: a move is refused as a whole when its pod or a binding changed.
func TestBind(t *testing.T) {
	s := open(t, options(t, t.TempDir()))
	p := put(t, s, pod("web", "1", "a", "a"))
	on := func(node string, slot int) *api.Binding {
		return &api.Binding{Pod: "web", Slot: slot, Node: node, Revision: "r"}
	}
	at, err := s.Bind(t.Context(), "web", p.ModRevision, []store.Move{{To: on("a", 0)}, {To: on("a", 1)}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Bind(t.Context(), "web", p.ModRevision, []store.Move{{To: on("a", 0)}})
	wantErr(t, "binding what is bound", err, store.ErrConflict)
	from := &store.Kept[api.Binding]{Value: *on("a", 0), ModRevision: at}
	_, err = s.Bind(t.Context(), "web", p.ModRevision+1, []store.Move{{From: from, To: on("b", 0)}})
	wantErr(t, "moving with another pod revision", err, store.ErrConflict)
	if _, err = s.Bind(t.Context(), "web", p.ModRevision, []store.Move{{From: from, To: on("b", 0)}}); err != nil {
		t.Fatal(err)
	}
	state, err := s.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if b, ok := state.Binding("web", 0); !ok || b.Value.Node != "b" || len(state.Bindings["a"]) != 1 {
		t.Errorf("after the move: %+v", state.Bindings)
	}
}

// TestReportWritesChangesOnly: a thousand equal reports leave no trace.
func TestReportWritesChangesOnly(t *testing.T) {
	s := open(t, options(t, t.TempDir()))
	put(t, s, node("n"))
	report := api.StatusReport{
		Node:     &api.NodeStatus{Name: "n", Ready: true, Facts: api.NodeFacts{DiskFree: 10 << 30}},
		Replicas: []api.ReplicaStatus{{Pod: "web", Slot: 1, Node: "n", Phase: api.PhaseRunning, Ready: true}},
	}
	send := func() int64 {
		t.Helper()
		if err := s.Report(t.Context(), "n", report); err != nil {
			t.Fatal(err)
		}
		state, err := s.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return state.Revision
	}
	first := send()
	for i := range 100 {
		report.Node.Facts.DiskFree -= int64(i) << 10
		if now := send(); now != first {
			t.Fatalf("report %d wrote: revision %d, was %d", i, now, first)
		}
	}
	report.Replicas[0].Ready = false
	if send() == first {
		t.Error("a change was not written")
	}
	report.Replicas, report.Gone = nil, []string{"web#1"}
	send()
	if state, _ := s.Load(t.Context()); len(state.Replicas) != 0 {
		t.Errorf("a replica that is gone is still there: %v", state.Replicas)
	}
	wantErr(t, "a report of another node", s.Report(t.Context(), "n", api.StatusReport{Node: &api.NodeStatus{Name: "m"}}), store.ErrInvalid)
	wantErr(t, "a report of no node", s.Report(t.Context(), "x", api.StatusReport{Node: &api.NodeStatus{Name: "x"}}), store.ErrNotFound)
}

// TestEventsAreBounded: the last ones of an object stay, in order, also across a restart.
func TestEventsAreBounded(t *testing.T) {
	o := options(t, t.TempDir())
	s := open(t, o)
	for i := range 50 {
		if err := s.Event(t.Context(), api.Event{Object: "pod.web[2]", Message: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	s.Close()
	s = open(t, o)
	if err := s.Event(t.Context(), api.Event{Object: "pod.web[2]", Message: "50"}, api.Event{Object: "pod.webber"}); err != nil {
		t.Fatal(err)
	}
	events, err := s.Events(t.Context(), "pod.web")
	if err != nil {
		t.Fatal(err)
	}
	if len(events) != 32 {
		t.Fatalf("%d events are kept", len(events))
	}
	for i, e := range events {
		if e.Message != fmt.Sprint(19+i) {
			t.Fatalf("event %d is %q", i, e.Message)
		}
	}
	if all, _ := s.Events(t.Context(), ""); len(all) != 33 {
		t.Errorf("%d events of all objects", len(all))
	}
}

// TestCompaction: who asks for history that is gone is told so; a follower that
// missed it reads everything anew.
func TestCompaction(t *testing.T) {
	s := open(t, options(t, t.TempDir()))
	var last *api.Object
	for i := range 5 {
		last = put(t, s, node(fmt.Sprint("n", i)))
	}
	if err := s.Compact(t.Context(), last.ModRevision); err != nil {
		t.Fatal(err)
	}
	for _, err := range s.Watch(t.Context(), 1) {
		if !errors.Is(err, store.ErrCompacted) {
			t.Fatalf("error %v", err)
		}
	}
	f := store.NewFollower(s)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go f.Run(ctx)
	if err := f.Synced(ctx); err != nil {
		t.Fatal(err)
	}
	f.Read(func(state *store.State) {
		if len(state.NodeSpecs()) != 5 {
			t.Errorf("the follower has %d nodes", len(state.NodeSpecs()))
		}
	})
}

// TestPeersAreManagers: a worker's certificate does not open the managers' own port.
func TestPeersAreManagers(t *testing.T) {
	o := options(t, t.TempDir())
	open(t, o)
	ca, err := pki.LoadAuthority(pki.Dir(filepath.Dir(o.CA)))
	if err != nil {
		t.Fatal(err)
	}
	for role, welcome := range map[string]bool{api.RoleManager: true, api.RoleWorker: false} {
		dir := pki.Dir(t.TempDir())
		req, err := pki.Identify(dir, "x", role, "127.0.0.1")
		if err != nil {
			t.Fatal(err)
		}
		resp, err := ca.Sign(pki.Request{CSR: req.CSR, Name: "x"})
		if err != nil {
			t.Fatal(err)
		}
		if err := pki.Join(dir, *resp); err != nil {
			t.Fatal(err)
		}
		config, err := pki.ClientConfig(dir)
		if err != nil {
			t.Fatal(err)
		}
		config.NextProtos = nil
		c := http.Client{Transport: &http.Transport{TLSClientConfig: config}}
		answer, err := c.Get(fmt.Sprintf("https://127.0.0.1:%d/members", o.PeerPort))
		if err == nil {
			answer.Body.Close()
		}
		if (err == nil) != welcome {
			t.Errorf("a %s at the managers' port: %v", role, err)
		}
	}
}

// TestFollowerSeesWholeRevisions: what one transaction wrote is seen together
// or not at all, however often one looks; an event is progress too.
func TestFollowerSeesWholeRevisions(t *testing.T) {
	s := open(t, options(t, t.TempDir()))
	f := store.NewFollower(s)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go f.Run(ctx)
	if err := f.Synced(ctx); err != nil {
		t.Fatal(err)
	}
	const pods = 300
	written := make(chan int64, 1)
	go func() {
		var last int64
		for i := range pods {
			if o, err := s.Put(ctx, pod(fmt.Sprint("p", i), "1", "n")); err == nil {
				last = o.ModRevision
			}
		}
		written <- last
	}()
	for seen := 0; seen < pods; {
		f.Read(func(state *store.State) {
			seen = len(state.Pods())
			if revisions := len(state.Revisions); revisions != seen {
				t.Fatalf("%d pods with %d revisions", seen, revisions)
			}
		})
	}
	if err := s.Event(ctx, api.Event{Object: "pod.p0"}); err != nil {
		t.Fatal(err)
	}
	timely, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := f.Reached(timely, <-written+1); err != nil {
		t.Errorf("the follower is not told of an event's revision: %v", err)
	}
}

// Own hands an object over and changes nothing else of it.
func TestOwn(t *testing.T) {
	s := open(t, options(t, t.TempDir()))
	ctx := t.Context()
	put, err := s.Put(ctx, api.Object{Kind: api.KindConfig, Name: "c", Owner: "one", Spec: json.RawMessage(`{"version":"v","files":{"a":"eA=="}}`)})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Own(ctx, api.KindConfig, "c", "two", "three"); !errors.Is(err, store.ErrForeignOwner) {
		t.Errorf("taken from somebody who does not own it: %v", err)
	}
	if err := s.Own(ctx, api.KindConfig, "none", "one", "two"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("taken although it is not there: %v", err)
	}
	for range 2 { // it can be repeated
		if err := s.Own(ctx, api.KindConfig, "c", "one", api.Nobody); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.Get(ctx, api.KindConfig, "c")
	if err != nil || got.Owner != api.Nobody || string(got.Spec) != string(put.Spec) || got.ModRevision == put.ModRevision {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := s.Put(ctx, api.Object{Kind: api.KindConfig, Name: "c", Owner: "one", ModRevision: store.AnyRevision, Spec: put.Spec}); !errors.Is(err, store.ErrForeignOwner) {
		t.Errorf("written by its former owner: %v", err)
	}
}
