// Package agent is the loop of one node: it takes assignments, keeps a copy on
// disk, and makes containerd run exactly those pods, healing what dies.
//
// Each replica has one supervisor. What a supervisor does next is decided by a
// pure function of what is desired, what is observed and the time; the
// goroutine around it does the I/O.
package agent

import (
	"context"
	"errors"
	"log/slog"

	"filippo.io/age"

	"github.com/stowage-iac/stowage/api"
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

// Agent runs one node's pods. Make it with New, start it with Run.
type Agent struct{ o Options }

// New checks the options and prepares the directories. It needs no containerd
// and no manager: Run waits for both.
func New(o Options) (*Agent, error) { return &Agent{o: o}, nil }

// Run keeps the node's pods as assigned until ctx is done. It begins with the
// copy on disk, so it needs no manager. When ctx ends it returns nil and leaves
// every container running.
func (a *Agent) Run(ctx context.Context) error { return errors.New("agent: not built yet") }

// View is what the node's operator socket says of the node, without
// LocalView.Config, which is the caller's. Safe at any time.
func (a *Agent) View() api.LocalView { return api.LocalView{} }

// Teardown stops and removes every container, snapshot, image, namespace, mount,
// log and network device that the agent made on this host, and nothing else.
// No agent may run meanwhile; o.Source and o.Reporter are not used. It is
// idempotent. With containerd down it removes what it can and its error says
// what remains.
func Teardown(ctx context.Context, o Options) error { return errors.New("agent: not built yet") }
