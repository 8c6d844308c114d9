package cluster_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/cluster"
	"github.com/stowage-iac/stowage/cluster/client"
	"github.com/stowage-iac/stowage/cluster/pki"
	"github.com/stowage-iac/stowage/cluster/server"
)

// lab is a manager in this process: real etcd, real sockets, real TLS. Agents
// are the test's own clients.
type lab struct {
	t       testing.TB
	dir     string
	options cluster.Options
	op      *client.Client // the operator

	stop  context.CancelFunc
	ended sync.WaitGroup
}

func newLab(t testing.TB) *lab {
	t.Helper()
	l := &lab{t: t, dir: t.TempDir()}
	l.options = cluster.Options{
		Config:  api.NodeConfig{Cluster: "c1", Name: "m", Role: api.RoleManager, Address: "127.0.0.1"},
		DataDir: filepath.Join(l.dir, "m"), NodeListen: freeAddress(t), PeerListen: "127.0.0.1", PeerPort: port(freeAddress(t)),
		Log: slog.New(slog.DiscardHandler),
	}
	l.op = client.New(func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", filepath.Join(l.dir, "s"))
	})
	l.start()
	t.Cleanup(l.end)
	return l
}

// start starts the manager and waits until it serves.
func (l *lab) start() {
	l.t.Helper()
	l.options.Server = server.New(server.Options{
		Local: func() api.LocalView { return api.LocalView{Config: l.options.Config} }, Log: l.options.Log,
	}, "starting")
	os.Remove(filepath.Join(l.dir, "s"))
	socket, err := net.Listen("unix", filepath.Join(l.dir, "s"))
	if err != nil {
		l.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	l.stop = cancel
	l.ended.Go(func() { l.options.Server.ServeOperator(ctx, socket) })
	l.ended.Go(func() {
		if err := cluster.Run(ctx, l.options); err != nil {
			l.t.Errorf("the manager: %v", err)
		}
	})
	if err := l.op.WaitHealthy(within(l.t, 20*time.Second)); err != nil {
		l.t.Fatal(err)
	}
}

// end stops the manager.
func (l *lab) end() {
	l.stop()
	l.ended.Wait()
}

// agent joins a node and returns its client.
func (l *lab) agent(name string) *client.Client {
	l.t.Helper()
	l.put(api.KindNode, name, api.NodeSpec{Name: name, Address: "127.0.0.1", Role: api.RoleWorker})
	return l.identified(name)
}

// identified has a node's key signed, whether it is part of the cluster or not.
func (l *lab) identified(name string) *client.Client {
	l.t.Helper()
	dir := pki.Dir(filepath.Join(l.dir, name))
	req, err := pki.Identify(dir, name, "", "")
	if err != nil {
		l.t.Fatal(err)
	}
	req.Role = api.RoleWorker
	resp, err := l.op.Sign(l.t.Context(), *req)
	if err != nil {
		l.t.Fatal(err)
	}
	if err := pki.Join(dir, *resp); err != nil {
		l.t.Fatal(err)
	}
	config, err := pki.ClientConfig(dir)
	if err != nil {
		l.t.Fatal(err)
	}
	return client.NewTLS([]string{l.options.NodeListen}, config)
}

func (l *lab) put(kind api.Kind, name string, spec any) *api.Object {
	l.t.Helper()
	b, err := json.Marshal(spec)
	if err != nil {
		l.t.Fatal(err)
	}
	o, err := l.op.Put(l.t.Context(), api.Object{Kind: kind, Name: name, Owner: "mine", ModRevision: client.AnyRevision, Spec: b})
	if err != nil {
		l.t.Fatalf("put %s.%s: %v", kind, name, err)
	}
	return o
}

// pod is a spec whose template depends on what.
func pod(what string, nodes ...string) api.PodSpec {
	t := api.PodTemplate{Restart: "always", Containers: []api.Container{{
		Name: "c", Image: "x@sha256:0", Env: []api.EnvVar{{Name: "WHAT", Value: what}},
	}}}
	return api.PodSpec{Replicas: len(nodes), Placement: nodes, Template: t, Revision: api.TemplateRevision(t)}
}

// obey is an agent that reports each of its replicas ready as soon as it is
// assigned, until the test ends.
func (l *lab) obey(name string, c *client.Client) {
	ctx, cancel := context.WithCancel(context.Background())
	var ended sync.WaitGroup
	l.t.Cleanup(func() {
		cancel()
		ended.Wait()
	})
	report := func(r api.StatusReport) {
		if err := c.Report(ctx, r); err != nil && ctx.Err() == nil {
			l.t.Logf("%s reports: %v", name, err)
		}
	}
	ended.Go(func() {
		for ctx.Err() == nil {
			report(api.StatusReport{Node: &api.NodeStatus{Name: name, Ready: true}})
			for u, err := range c.Assignments(ctx) {
				if err != nil {
					break
				}
				switch {
				case u.Replica != nil:
					report(api.StatusReport{Replicas: []api.ReplicaStatus{{
						Pod: u.Replica.Pod, Slot: u.Replica.Slot, Node: name, Revision: u.Replica.Revision,
						Phase: api.PhaseRunning, Ready: true,
					}}})
				case u.Type == "delete":
					if key, ok := cut(u.Key, "replica/"); ok {
						report(api.StatusReport{Gone: []string{key}})
					}
				}
			}
		}
	})
	ended.Go(func() {
		beat := time.NewTicker(time.Second)
		defer beat.Stop()
		for {
			select {
			case <-beat.C:
				report(api.StatusReport{})
			case <-ctx.Done():
				return
			}
		}
	})
}

func cut(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || s[:len(prefix)] != prefix {
		return s, false
	}
	return s[len(prefix):], true
}

func within(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func port(address string) (n int) {
	_, p, _ := net.SplitHostPort(address)
	fmt.Sscan(p, &n)
	return n
}

func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}
