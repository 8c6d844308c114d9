package planner_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/planner"
	"github.com/stowage-iac/stowage/providers"
	"github.com/stowage-iac/stowage/ssh"
)

// thisMachine is this machine as a host, with a stowaged of the test's own: none,
// or one that serves what it is told.
type thisMachine struct {
	ssh.Host
	socket string // "": nothing listens
	node   string // what /etc/stowage/node.json has; "": there is none
}

// Run hides whether this machine is a node: another test may make it one meanwhile.
func (m thisMachine) Run(ctx context.Context, c ssh.Command) (ssh.Output, error) {
	out, err := m.Host.Run(ctx, c)
	var lines strings.Builder
	for line := range strings.Lines(out.Stdout) {
		switch {
		case strings.HasPrefix(line, "node "):
		case line == "end ok\n" && m.node != "":
			lines.WriteString("node " + m.node + "\n" + line)
		default:
			lines.WriteString(line)
		}
	}
	out.Stdout = lines.String()
	return out, err
}

func (m thisMachine) Dial(ctx context.Context, path string) (net.Conn, error) {
	if m.socket == "" {
		return nil, fmt.Errorf("%s: %w", path, ssh.ErrNoSocket)
	}
	return new(net.Dialer).DialContext(ctx, "unix", m.socket)
}

// stowaged serves the part of the operator API that refresh reads.
func stowaged(t *testing.T, local api.LocalView, view api.ClusterView) (socket string) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	answer := func(v any) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			if err := json.NewEncoder(w).Encode(v); err != nil {
				t.Error(err)
			}
		}
	}
	mux.HandleFunc("GET /v1/local", answer(local))
	mux.HandleFunc("GET /v1/view", answer(view))
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	versioned := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Stowage-Api", strconv.Itoa(api.Version))
		mux.ServeHTTP(w, r)
	})
	srv := &http.Server{Handler: versioned, Protocols: protocols}
	done := make(chan struct{})
	go func() { srv.Serve(l); close(done) }()
	t.Cleanup(func() { srv.Close(); <-done })
	return socket
}

// hosts is a Dial for addresses like "up" (this machine) and "down".
func (l *lab) refresh(t *testing.T, socket string) (*providers.World, hcl.Diagnostics, *atomic.Int32) {
	t.Helper()
	return l.refreshFrom(t, thisMachine{socket: socket})
}

// refreshFrom is refresh of hosts that are like up, but for its Host.
func (l *lab) refreshFrom(t *testing.T, up thisMachine) (*providers.World, hcl.Diagnostics, *atomic.Int32) {
	t.Helper()
	dials := new(atomic.Int32)
	fleet := planner.NewFleet(planner.FleetOptions{Dial: func(_ context.Context, c ssh.Config, _ ssh.Options) (ssh.Host, error) {
		dials.Add(1)
		if strings.HasPrefix(c.Address, "up") {
			up := up
			up.Host = ssh.Local(ssh.Config{Name: c.Name, Local: true})
			return up, nil
		}
		return nil, fmt.Errorf("%s: %w: connection timed out", c.Address, ssh.ErrUnreachable)
	}})
	t.Cleanup(func() {
		if err := fleet.Close(); err != nil {
			t.Error(err)
		}
	})
	var cfg *lang.Config
	if l.files != nil {
		cfg = l.load()
	}
	loaded := l.state()
	world, diags := planner.Refresh(t.Context(), planner.RefreshInput{
		Config: cfg, State: loaded.State, Cut: loaded.Interrupted, Kinds: l.world.kinds(), Fleet: fleet, Destroy: l.destroy, Patience: 100 * time.Millisecond,
		Data: l.data.Read,
	})
	return world, diags, dials
}

func errorsOf(diags hcl.Diagnostics) (out []string) {
	for _, d := range diags {
		if d.Severity == hcl.DiagError {
			out = append(out, d.Summary+": "+d.Detail)
		}
	}
	return out
}

// All hosts that cannot be reached are told at once, with cause and advice, and
// one connection is made to each of those that can.
func TestRefreshReadsAllHosts(t *testing.T) {
	l := newLab(t).write(`
variable "ip" { default = "up" }
node "m" {
  address = var.ip
  role    = "manager"
}
node "w" {
  for_each = toset(["down-1", "down-2"])
  address  = each.key
}
config "c" { text = "x" }
node "late" { address = config.c.version }
`)
	world, diags, dials := l.refresh(t, "")
	var unreachable []string
	for _, e := range errorsOf(diags) {
		if strings.HasPrefix(e, "Host not reachable: ") {
			unreachable = append(unreachable, e)
		}
	}
	if len(unreachable) != 2 || !strings.Contains(unreachable[0], `node.w["down-1"] (down-1): down-1: host unreachable: connection timed out. Check that the host is up`) ||
		!strings.Contains(unreachable[1], "down-2") {
		t.Errorf("%q", unreachable)
	}
	if h := world.Hosts["m"]; h == nil || h.Err != nil || h.Facts.CPUs != runtime.NumCPU() || h.Local != nil {
		t.Errorf("%+v", h)
	}
	if world.Hosts["late"] != nil {
		t.Error("a node whose address is known only after apply was read")
	}
	if dials.Load() != 3 {
		t.Errorf("%d connections to 3 hosts", dials.Load())
	}
}

const oneUp = "node \"m\" { address = \"up\" }\nconfig \"c\" { text = \"x\" }\n"

// The cluster is read through its manager; where it does not answer nothing is
// planned, because everything would seem to be gone; where its end or its
// beginning was interrupted, it need not answer.
func TestRefreshReadsTheCluster(t *testing.T) {
	l := newLab(t, "m").write(oneUp)
	l.apply()
	id := l.state().State.ClusterID
	view := api.ClusterView{Cluster: id, Revision: 7, Objects: []api.Object{{Kind: "config", Name: "c"}}}
	local := api.LocalView{Config: api.NodeConfig{Cluster: id, Name: "m"}, Node: api.NodeStatus{Ready: true, Images: []string{"i"}}}

	t.Run("it answers", func(t *testing.T) {
		world, diags, _ := l.refresh(t, stowaged(t, local, view))
		if diags.HasErrors() {
			t.Fatal(text(diags))
		}
		if world.Cluster == nil || world.Cluster.Revision != 7 {
			t.Errorf("%+v", world.Cluster)
		}
	})
	t.Run("it does not", func(t *testing.T) {
		_, diags, _ := l.refresh(t, "")
		if e := errorsOf(diags); len(e) != 1 || !strings.Contains(e[0], "node.m (up) is recorded as the cluster's manager and can be reached, but stowaged does not answer there") {
			t.Errorf("%q", e)
		}
	})
	t.Run("its node was not finished", func(t *testing.T) {
		half := newLab(t, "m").write(oneUp)
		half.world.fail["node.m"] = errDead
		half.tryApply(t.Context())
		if half.state().State.Instances["node.m"] == nil {
			t.Fatal("a host that may have something of ours is not recorded")
		}
		world, diags, _ := half.refresh(t, "")
		if e := errorsOf(diags); len(e) != 0 || world.Cluster != nil {
			t.Errorf("%q", e)
		}
		delete(half.world.fail, "node.m")
		half.settled()
	})
	t.Run("a recorded node that is not declared any more", func(t *testing.T) {
		gone := newLab(t, "m", "w").write("node \"m\" {\n address = \"up\"\n role = \"manager\"\n}\nnode \"w\" { address = \"down\" }\n")
		gone.apply()
		gone.write("node \"m\" {\n address = \"up\"\n role = \"manager\"\n}\n")
		_, diags, _ := gone.refresh(t, "")
		if e := errorsOf(diags); len(e) != 1 || !strings.Contains(e[0], "not in the configuration any more") {
			t.Errorf("%q", e)
		}
	})
}

// A host that belongs to another cluster is not taken over.
func TestRefreshRefusesAnothersNode(t *testing.T) {
	l := newLab(t, "m").write(oneUp)
	socket := stowaged(t, api.LocalView{Config: api.NodeConfig{Cluster: "theirs", Name: "n1"}}, api.ClusterView{})
	_, diags, _ := l.refresh(t, socket)
	if e := errorsOf(diags); len(e) != 1 || !strings.Contains(e[0], `is the node "n1" of the cluster theirs already`) {
		t.Errorf("%q", e)
	}
}

// It stays another cluster's while its stowaged does not run.
func TestRefreshRefusesAnothersNodeThatDoesNotRun(t *testing.T) {
	l := newLab(t, "m").write(oneUp)
	_, diags, _ := l.refreshFrom(t, thisMachine{node: `{"cluster": "theirs", "name": "n1"}`})
	if e := errorsOf(diags); len(e) != 1 || !strings.Contains(e[0], `is the node "n1" of the cluster theirs already`) {
		t.Errorf("%q", e)
	}
}

// A host of another context is not taken over, and the context is named.
func TestRefreshRefusesAnotherContextsNode(t *testing.T) {
	l := newLab(t, "m").write("context \"dev\" {}\n" + oneUp)
	socket := stowaged(t, api.LocalView{Config: api.NodeConfig{Cluster: "theirs", Name: "n1", Context: "prod"}}, api.ClusterView{})
	_, diags, _ := l.refresh(t, socket)
	if e := errorsOf(diags); len(e) != 1 || !strings.Contains(e[0], `is the node "n1" of the context "prod" (cluster theirs) already`) {
		t.Errorf("%q", e)
	}
}
