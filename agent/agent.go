// Package agent is the loop of one node: it takes assignments, keeps a copy on
// disk, and makes containerd run exactly those pods, healing what dies.
//
// Each replica has one supervisor. What a supervisor does next is decided by a
// pure function (package replica) of what is desired, what is observed and the
// time; the goroutine around it does the I/O.
package agent

import (
	"cmp"
	"context"
	"log/slog"
	"net/netip"
	"path/filepath"
	"sync"
	"time"

	"filippo.io/age"

	"github.com/stowage-iac/stowage/agent/intake"
	"github.com/stowage-iac/stowage/agent/ocispec"
	"github.com/stowage-iac/stowage/agent/runtime"
	"github.com/stowage-iac/stowage/agent/runtime/containerd"
	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/network"
)

// Source gives the assignments of this node.
type Source interface {
	// Assignments calls put for each message of the node's stream, in order,
	// until the stream ends, put fails or ctx is done; it then returns why. The
	// agent calls it again, with back-off, for as long as it runs. Each call is a
	// new stream: everything is put again, then "synced".
	Assignments(ctx context.Context, put func(api.AssignmentUpdate) error) error
}

// Reporter takes what the agent says of its node to a manager.
type Reporter interface {
	// Report delivers r. After an error the agent sends everything again.
	Report(ctx context.Context, r api.StatusReport) error
}

// Options are what an agent needs.
type Options struct {
	Cluster string // cluster ID; on every container as api.LabelCluster
	Node    string // this node's name
	Version string // of stowaged

	Containerd string // socket; default api.ContainerdSock
	DataDir    string // default api.DataDir
	RunDir     string // default api.RunDir
	Bridge     string // default api.Bridge
	NftTable   string // default api.NftTable
	Namespace  string // in containerd; default api.ContainerdNamespace
	CgroupRoot string // parent of the pods' cgroups, absolute; default /stowage

	Source   Source
	Reporter Reporter
	// Identity opens sealed bundles; default: the age key file DataDir/pki/age.key,
	// read at every use.
	Identity func() (age.Identity, error)
	Log      *slog.Logger // default slog.Default()
}

func (o Options) withDefaults() Options {
	o.Containerd = cmp.Or(o.Containerd, api.ContainerdSock)
	o.DataDir = cmp.Or(o.DataDir, api.DataDir)
	o.RunDir = cmp.Or(o.RunDir, api.RunDir)
	o.Bridge = cmp.Or(o.Bridge, api.Bridge)
	o.NftTable = cmp.Or(o.NftTable, api.NftTable)
	o.Namespace = cmp.Or(o.Namespace, api.ContainerdNamespace)
	o.CgroupRoot = cmp.Or(o.CgroupRoot, "/stowage")
	if o.Identity == nil {
		o.Identity = keyFile(filepath.Join(o.DataDir, "pki", "age.key"))
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return o
}

func (o Options) network() network.Options {
	return network.Options{Bridge: o.Bridge, Table: o.NftTable, RunDir: o.RunDir, DataDir: o.DataDir, Supernet: netip.MustParsePrefix(api.PodSupernet)}
}

func (o Options) containerd() containerd.Options {
	return containerd.Options{Socket: o.Containerd, Namespace: o.Namespace, Scratch: filepath.Join(o.RunDir, "scratch")}
}

// daemon is what the agent asks the container runtime beside running containers.
type daemon interface {
	Ready() error
	Version(ctx context.Context) (string, error)
	// ContentRoot is the directory of its content store, if it adopts content that lies there.
	ContentRoot(ctx context.Context) (string, error)
	// ReapStrays ends what an agent that was killed has left half started,
	// except the containers that are busy.
	ReapStrays(ctx context.Context, busy func(id string) bool) error
	Close() error
}

// maxStarts bounds how many containers are started at the same time.
const maxStarts = 10

// Agent runs one node's pods. Make it with New, start it with Run.
type Agent struct {
	o       Options
	log     *slog.Logger
	runtime runtime.Runtime
	images  runtime.Images
	daemon  daemon
	intake  *intake.Intake
	network podNetwork
	copy    *diskCopy
	report  *report
	host    ocispec.Host
	boot    string
	slots   chan struct{}
	started time.Time
	// hostStops is whether the host is going down.
	hostStops func() bool
	// nodeKnown says that the copy has a new node.
	nodeKnown chan struct{}

	mu          sync.Mutex
	facts       api.NodeFacts
	refs        []string // images on the node
	unused      map[string]time.Time
	notReady    string // why the network is not up
	networkUp   bool
	starting    map[string]bool        // containers, by ID
	supervisors map[string]*supervisor // by Binding.Key
	found       map[string]leftBehind  // by Binding.Key, not yet given to a supervisor
	adopted     bool                   // supervisors may be made
	complete    bool                   // what is not assigned is not wanted
	wg          sync.WaitGroup
	ctx, io     context.Context
}

// New checks the options and reads the node's copy of its assignments. It needs
// no containerd and no manager: Run waits for both.
func New(o Options) (*Agent, error) {
	o = o.withDefaults()
	rt, err := containerd.New(o.containerd())
	if err != nil {
		return nil, err
	}
	a, err := assemble(o, rt, rt, rt, network.New(o.network()))
	if err != nil {
		return nil, err
	}
	return a, nil
}

// assemble makes an agent of its parts.
func assemble(o Options, rt runtime.Runtime, images runtime.Images, d daemon, n podNetwork) (*Agent, error) {
	c, err := openCopy(filepath.Join(o.DataDir, "agent"))
	if err != nil {
		return nil, err
	}
	a := &Agent{o: o, log: o.Log, runtime: rt, images: images, daemon: d, intake: intake.New(d.ContentRoot), network: n, copy: c, host: ocispec.ReadHost("/"), boot: bootID(),
		slots: make(chan struct{}, maxStarts), started: time.Now().UTC(), unused: map[string]time.Time{},
		hostStops: hostStops, nodeKnown: make(chan struct{}, 1), found: map[string]leftBehind{},
		starting: map[string]bool{}, supervisors: map[string]*supervisor{}, complete: c.complete, notReady: network.ErrNotStarted.Error()}
	a.report = newReport(o.Reporter, a.nodeStatus, a.log)
	return a, nil
}

// View is what the node's operator socket says of the node, without
// LocalView.Config, which is the caller's. Safe at any time.
func (a *Agent) View() api.LocalView {
	return api.LocalView{Node: a.nodeStatus(), Replicas: a.report.view()}
}

// Intake takes content in for this node's containerd.
func (a *Agent) Intake() *intake.Intake { return a.intake }

// takeSlot waits for one of the places to start a container in; it returns what frees it.
func (a *Agent) takeSlot(ctx context.Context) func() {
	select {
	case a.slots <- struct{}{}:
		return func() { <-a.slots }
	case <-ctx.Done():
		return func() {}
	}
}
