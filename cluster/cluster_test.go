package cluster_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/cluster"
	"github.com/stowage-iac/stowage/cluster/client"
	"github.com/stowage-iac/stowage/cluster/pki"
)

// TestRollout: a pod is bound as its spec says, follows a change one replica at
// a time, and leaves nothing behind when it is deleted.
func TestRollout(t *testing.T) {
	l := newLab(t)
	for _, name := range []string{"a", "b"} {
		l.obey(name, l.agent(name))
		if _, err := l.op.WaitNode(within(t, 10*time.Second), name); err != nil {
			t.Fatal(err)
		}
	}
	l.put(api.KindPod, "web", pod("1", "a", "b", "a"))
	first, err := l.op.WaitPod(within(t, 10*time.Second), "web", nil)
	if err != nil {
		t.Fatal(err)
	}
	for slot, node := range []string{"a", "b", "a"} {
		if s := first.Statuses[slot]; s.Node != node || !s.Ready || s.Revision != first.Revision {
			t.Errorf("slot %d: %+v", slot, s)
		}
	}
	var said []string
	l.put(api.KindPod, "web", pod("2", "b", "b", "a"))
	second, err := l.op.WaitPod(within(t, 20*time.Second), "web", func(r client.Rollout) { said = append(said, r.String()) })
	if err != nil {
		t.Fatal(err)
	}
	if second.Revision == first.Revision || second.Statuses[0].Node != "b" {
		t.Errorf("after the change: %+v", second)
	}
	if len(said) == 0 || said[len(said)-1] != "3 of 3 replicas ready" {
		t.Errorf("progress: %q", said)
	}
	if err := l.op.Delete(t.Context(), api.KindPod, "web", "mine", 0); err != nil {
		t.Fatal(err)
	}
	if err := l.op.WaitPodGone(within(t, 10*time.Second), "web", nil); err != nil {
		t.Fatal(err)
	}
	view, err := l.op.View(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(view.Bindings) != 0 || len(view.Replicas) != 0 || len(view.Objects) != 2 || view.Cluster != "c1" {
		t.Errorf("left behind: %+v", view)
	}
}

// TestFailedRollout: the waiter is told which replica failed and why; the
// replicas that worked go on with the old revision.
func TestFailedRollout(t *testing.T) {
	l := newLab(t)
	a := l.agent("a")
	report := func(slot int, revision, phase, message string) {
		t.Helper()
		err := a.Report(t.Context(), api.StatusReport{
			Node:     &api.NodeStatus{Name: "a", Ready: true},
			Replicas: []api.ReplicaStatus{{Pod: "web", Slot: slot, Revision: revision, Phase: phase, Ready: phase == api.PhaseRunning, Message: message}},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	good, bad := pod("good", "a", "a"), pod("bad", "a", "a")
	l.put(api.KindPod, "web", good)
	report(0, good.Revision, api.PhaseRunning, "")
	report(1, good.Revision, api.PhaseRunning, "")
	if _, err := l.op.WaitPod(within(t, 10*time.Second), "web", nil); err != nil {
		t.Fatal(err)
	}
	l.put(api.KindPod, "web", bad)
	report(0, bad.Revision, api.PhaseFailed, "the image x is missing on the node")
	_, err := l.op.WaitPod(within(t, 10*time.Second), "web", nil)
	if !errors.Is(err, client.ErrFailed) || !strings.Contains(err.Error(), "pod.web slot 0 on a: the image x is missing") {
		t.Errorf("error %v", err)
	}
	view, err := l.op.View(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if view.Bindings[1].Revision != good.Revision {
		t.Errorf("the second replica was replaced although the first failed: %+v", view.Bindings)
	}
}

// TestSilentNode: a node that says nothing for three seconds is not ready, and
// is again when it is heard of; a deleted one leaves no trace.
func TestSilentNode(t *testing.T) {
	l := newLab(t)
	a := l.agent("a")
	beat := func() {
		t.Helper()
		if err := a.Report(t.Context(), api.StatusReport{Node: &api.NodeStatus{Name: "a", Ready: true}}); err != nil {
			t.Fatal(err)
		}
	}
	beat()
	if _, err := l.op.WaitNode(within(t, 5*time.Second), "a"); err != nil {
		t.Fatal(err)
	}
	status := func(c api.Change) *api.NodeStatus { return c.Node }
	silent := l.await(func(c api.Change) bool { return status(c) != nil && !c.Node.Ready })
	if !strings.Contains(silent.Node.Message, "has not been heard of for more than 3s") || silent.Node.SeenAt.IsZero() {
		t.Errorf("the silent node: %+v", silent.Node)
	}
	beat()
	if _, err := l.op.WaitNode(within(t, 5*time.Second), "a"); err != nil {
		t.Fatal(err)
	}
	events, err := l.op.Events(t.Context(), "node.a")
	if err != nil || len(events) != 2 || events[0].Reason != "NodeSilent" || events[1].Reason != "NodeReady" {
		t.Errorf("events %+v, %v", events, err)
	}
	if err := l.op.Delete(t.Context(), api.KindNode, "a", "mine", 0); err != nil {
		t.Fatal(err)
	}
	l.await(func(c api.Change) bool { return c.Node != nil && c.Deleted })
}

// await watches from the beginning of history for a change, its latest state being met.
func (l *lab) await(met func(api.Change) bool) api.Change {
	l.t.Helper()
	view, err := l.op.View(l.t.Context())
	if err != nil {
		l.t.Fatal(err)
	}
	for c, err := range l.op.Watch(within(l.t, 10*time.Second), view.Revision) {
		if err != nil {
			l.t.Fatal(err)
		}
		if met(c) {
			return c
		}
	}
	panic("unreachable")
}

// TestAuthorization: a certificate opens what concerns its own node, and nothing else.
func TestAuthorization(t *testing.T) {
	l := newLab(t)
	a, b := l.agent("a"), l.agent("b")
	l.put(api.KindConfig, "site", api.ConfigSpec{Version: "v1", Files: map[string][]byte{"f": []byte("for a")}})
	spec := pod("1", "a")
	spec.Template.Containers[0].Mounts = []api.Mount{{Path: "/etc", Config: "site", Version: "v1"}}
	spec.Revision = api.TemplateRevision(spec.Template)
	spec.Sealed, spec.SealedFor = []byte("ciphertext"), []string{"a"}
	l.put(api.KindPod, "web", spec)
	l.put(api.KindImage, "web", api.ImageSpec{Ref: "kept@sha256:1"})

	got := l.collect(a, func(u api.AssignmentUpdate) bool { return u.Replica != nil })
	if _, config := got["config/site@v1"]; !config || string(got["replica/web#0"].Replica.Sealed) != "ciphertext" {
		t.Errorf("a got %+v", got)
	}
	got = l.collect(b, func(u api.AssignmentUpdate) bool { return u.Type == "synced" })
	for key := range got {
		if key != "node/b" && key != "synced" {
			t.Errorf("b got %s, which does not concern it", key)
		}
	}
	if keep := got["synced"].KeepImages; strings.Join(keep, " ") != "kept@sha256:1 x@sha256:0" {
		t.Errorf("images to keep: %v", keep)
	}

	for what, err := range map[string]error{
		"report as another node":      b.Report(t.Context(), api.StatusReport{Node: &api.NodeStatus{Name: "a"}}),
		"report another's replica":    b.Report(t.Context(), api.StatusReport{Replicas: []api.ReplicaStatus{{Pod: "web", Node: "a"}}}),
		"report another's event":      b.Report(t.Context(), api.StatusReport{Events: []api.Event{{Node: "a", Object: "pod.web[0]"}}}),
		"read the view":               second(b.View(t.Context())),
		"read an object":              second(b.Get(t.Context(), api.KindPod, "web")),
		"write an object":             second(b.Put(t.Context(), api.Object{Kind: api.KindPod, Name: "web", Owner: "mine", Spec: []byte("{}")})),
		"delete an object":            b.Delete(t.Context(), api.KindPod, "web", "mine", 0),
		"dump the store":              second(b.Dump(t.Context())),
		"have a certificate signed":   second(b.Sign(t.Context(), api.JoinRequest{Name: "m"})),
		"report without being a node": l.identified("stranger").Report(t.Context(), api.StatusReport{}),
	} {
		if !errors.Is(err, client.ErrForbidden) {
			t.Errorf("%s: error %v, want forbidden", what, err)
		}
	}
	for _, err := range b.Watch(t.Context(), 0) {
		if !errors.Is(err, client.ErrForbidden) {
			t.Errorf("watch: error %v, want forbidden", err)
		}
	}
	bare := client.NewTLS([]string{l.options.NodeListen}, &tls.Config{InsecureSkipVerify: true})
	if err := bare.Report(t.Context(), api.StatusReport{}); !errors.Is(err, client.ErrUnavailable) {
		t.Errorf("without a certificate: error %v", err)
	}
}

func second[T any](_ T, err error) error { return err }

// collect reads a stream until done, by key.
func (l *lab) collect(c *client.Client, done func(api.AssignmentUpdate) bool) map[string]api.AssignmentUpdate {
	l.t.Helper()
	got := map[string]api.AssignmentUpdate{}
	for u, err := range c.Assignments(within(l.t, 10*time.Second)) {
		if err != nil {
			l.t.Fatal(err)
		}
		switch {
		case u.Replica != nil:
			got["replica/"+u.Replica.Key()] = u
		case u.Config != nil:
			got["config/"+u.Config.Name+"@"+u.Config.Version] = u
		case u.Node != nil:
			got["node/"+u.Node.Name] = u
		default:
			got[u.Type] = u
		}
		if done(u) {
			break
		}
	}
	return got
}

// TestForeignCA: a node of another cluster is not let in, and does not let itself in.
func TestForeignCA(t *testing.T) {
	l := newLab(t)
	dir := pki.Dir(t.TempDir())
	ca, err := pki.MakeAuthority(dir, "other")
	if err != nil {
		t.Fatal(err)
	}
	req, err := pki.Identify(dir, "a", api.RoleWorker, "")
	if err != nil {
		t.Fatal(err)
	}
	resp, err := ca.Sign(pki.Request{CSR: req.CSR, Name: "a"})
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
	err = client.NewTLS([]string{l.options.NodeListen}, config).Report(t.Context(), api.StatusReport{})
	if !errors.Is(err, client.ErrUnavailable) || !strings.Contains(err.Error(), "unknown authority") {
		t.Errorf("error %v", err)
	}
	config.InsecureSkipVerify = true // even if it does not care whom it talks to
	if err = client.NewTLS([]string{l.options.NodeListen}, config).Report(t.Context(), api.StatusReport{}); err == nil {
		t.Error("a certificate of another CA was accepted")
	}
}

// TestStreamsResume: a manager restarts; the watch goes on without a gap, the
// assignments begin anew, and writes made meanwhile succeed when it is back.
func TestStreamsResume(t *testing.T) {
	l := newLab(t)
	a := l.agent("a")
	view, err := l.op.View(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	seen := make(chan string, 100)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		for c, err := range l.op.Watch(ctx, view.Revision) {
			if err != nil {
				return
			}
			if c.Object != nil {
				seen <- c.Object.Name
			}
		}
	}()
	l.put(api.KindPod, "p0", pod("1", "a"))
	expect(t, seen, "p0")
	l.collect(a, func(u api.AssignmentUpdate) bool { return u.Replica != nil })

	l.end()
	written := make(chan error, 1)
	go func() { // repeated until the manager is back
		o := api.Object{Kind: api.KindPod, Name: "p1", Owner: "mine", Spec: mustJSON(pod("1", "a"))}
		_, err := l.op.Put(ctx, o)
		written <- err
	}()
	l.start()
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	l.put(api.KindPod, "p2", pod("1", "a"))
	expect(t, seen, "p1")
	expect(t, seen, "p2")
	got := map[string]bool{}
	l.collect(a, func(u api.AssignmentUpdate) bool {
		if u.Replica != nil {
			got[u.Replica.Pod] = true
		}
		return got["p0"] && got["p1"] && got["p2"]
	})
}

func expect(t *testing.T, seen <-chan string, want string) {
	t.Helper()
	for {
		select {
		case got := <-seen:
			if got == want {
				return
			}
			t.Logf("also saw %s", got) // a revision may come again
		case <-time.After(20 * time.Second):
			t.Fatalf("did not see %s", want)
		}
	}
}

// TestHeartbeatsDoNotGrowTheStore: equal reports change no revision.
func TestHeartbeatsDoNotGrowTheStore(t *testing.T) {
	l := newLab(t)
	a := l.agent("a")
	report := api.StatusReport{
		Node:     &api.NodeStatus{Name: "a", Ready: true, Facts: api.NodeFacts{DiskFree: 1 << 40}},
		Replicas: []api.ReplicaStatus{{Pod: "web", Phase: api.PhaseRunning, Ready: true}},
	}
	if err := a.Report(t.Context(), report); err != nil {
		t.Fatal(err)
	}
	before, err := l.op.View(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i := range 500 {
		report.Node.Facts.DiskFree = 1<<40 - int64(i)
		if err := a.Report(t.Context(), report); err != nil {
			t.Fatal(err)
		}
	}
	after, err := l.op.View(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if after.Revision != before.Revision {
		t.Errorf("500 heartbeats wrote %d times", after.Revision-before.Revision)
	}
	if node := after.Nodes[0]; !node.SeenAt.After(before.Nodes[0].SeenAt) || node.Facts.DiskFree != 1<<40-499 {
		t.Errorf("the view is not fresh: %+v", node)
	}
}

// TestOneConnection: a burst of calls shares one connection, since each may be
// a session of sshd, which allows ten.
func TestOneConnection(t *testing.T) {
	l := newLab(t)
	var dialled atomic.Int32
	c := client.New(func(ctx context.Context) (net.Conn, error) {
		dialled.Add(1)
		var d net.Dialer
		return d.DialContext(ctx, "unix", filepath.Join(l.dir, "s"))
	})
	errs := make(chan error)
	for i := range 200 {
		go func() {
			_, err := c.Put(t.Context(), api.Object{
				Kind: api.KindPod, Name: fmt.Sprint("p", i), Owner: "mine", Spec: mustJSON(pod("1", "a")),
			})
			errs <- err
		}()
	}
	for range 200 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if n := dialled.Load(); n > 2 {
		t.Errorf("%d connections for 200 calls at once", n)
	}
}

// TestDump: the dump holds every byte that was written, and nothing sealed in plain.
func TestDump(t *testing.T) {
	l := newLab(t)
	l.put(api.KindConfig, "site", api.ConfigSpec{Version: "v1", Files: map[string][]byte{"f": []byte("needle")}})
	all, err := l.op.Dump(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, kv := range all {
		if strings.Contains(string(kv.Value), `"f":"bmVlZGxl"`) { // base64 of needle
			found++
		}
	}
	if found != 2 {
		t.Errorf("found the content %d times in %d entries, want in the object and in its version", found, len(all))
	}
}

// TestIdentity: the first manager makes the CA once; one that joined another's cluster makes none.
func TestIdentity(t *testing.T) {
	dir := cluster.PKI(t.TempDir())
	config := api.NodeConfig{Cluster: "c", Name: "m", Role: api.RoleManager, Address: "10.0.0.1"}
	first, err := cluster.Identity(dir, config)
	if err != nil || first == nil || !dir.Joined() {
		t.Fatalf("first start: %v, %v", first, err)
	}
	if due, err := pki.RenewDue(dir, api.RoleManager, time.Now()); due || err != nil {
		t.Errorf("a new certificate is due: %v, %v", due, err)
	}
	if due, _ := pki.RenewDue(dir, api.RoleManager, time.Now().AddDate(1, 6, 0)); !due {
		t.Error("a certificate of which a quarter is left is not due")
	}
	joined := pki.Dir(t.TempDir())
	req, err := pki.Identify(joined, "m2", api.RoleManager, "")
	if err != nil {
		t.Fatal(err)
	}
	resp, err := first.Sign(pki.Request{CSR: req.CSR, Name: "m2"})
	if err != nil {
		t.Fatal(err)
	}
	if err := pki.Join(joined, *resp); err != nil {
		t.Fatal(err)
	}
	config.Name = "m2"
	if a, err := cluster.Identity(joined, config); a != nil || err != nil {
		t.Errorf("a manager that joined: %v, %v", a, err)
	}
}
