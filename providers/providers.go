// Package providers is the contract of a kind of resource (node, pod, secret …)
// and what all kinds share. One folder below it holds all that a user can say
// about one kind; providers/registry lists them.
package providers

import (
	"context"
	"sync"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/cluster/client"
	"github.com/stowage-iac/stowage/lang/schema"
	"github.com/stowage-iac/stowage/ssh"
)

// Kind is a kind of resource. Values are objects of Schema().ImpliedType().
// Deletion is an Apply with a null Planned value.
type Kind interface {
	// Name is the block type: node, pod, secret, config, image.
	Name() string
	Schema() *schema.Block
	// Plan is pure: from the configuration and the prior value (null when there is
	// none) to the planned value, in which what only apply can know is unknown.
	Plan(PlanRequest) PlanResponse
	// Read compares the prior value with the world and returns it as it is now:
	// null when it is gone. It does no I/O of its own: the planner read the World once.
	Read(ReadRequest) ReadResponse
	// Apply makes it so and returns the value with everything known. It is
	// idempotent: called again after a crash at any point it ends in the same world.
	Apply(context.Context, ApplyRequest) ApplyResponse
}

// PlanRequest is the input of Plan.
type PlanRequest struct {
	Identity
	Prior cty.Value // null when there is none; never unknown
	// Config has every argument, defaults filled in; computed attributes are null;
	// values may be unknown or marked sensitive.
	Config cty.Value
	// Fresh: nobody else has Config and the objects of its blocks. A kind may make the
	// planned value of them with lang.Overwrite; nobody looks at Config afterwards.
	Fresh bool
	// HashKey is a secret of the state with which versions of sensitive values are hashed.
	HashKey []byte
	// BaseDir is the directory that relative paths are relative to.
	BaseDir string
	// Resolve turns a registry reference into NAME@sha256:…, asking the registry once
	// per run. nil where nothing may be asked: a prior resolution then stands.
	Resolve func(ref string) (string, error)
	// Outside has the keys of encrypted files; may be nil.
	Outside Outside
	// Context ends what planning waits for, such as a program; nil: nothing does.
	Context context.Context
}

// PlanResponse is the output of Plan.
type PlanResponse struct {
	Planned cty.Value
	// Replace names attributes whose change needs a replacement for a reason that the schema cannot tell.
	Replace []Cause
	Diags   hcl.Diagnostics
}

// Cause is why something happens: a field and a clause.
type Cause struct {
	Path string `json:"path"` // container.nginx.image
	Why  string `json:"why"`
	// Dependency is the address of the resource, or block, whose change is the cause.
	Dependency string `json:"dependency,omitempty"`
}

// World is what refresh read, once, for all resources. Fields are nil where nothing was there to read.
type World struct {
	// Cluster is what the manager's store holds; nil before there is a cluster.
	Cluster *api.ClusterView
	// Hosts maps a node's name to what its host is; absent when it could not be reached.
	Hosts map[string]*HostWorld

	index, podIndex sync.Once // of the lookups below: linear, once
	objects         map[objectKey]*api.Object
	replicas        map[string][]api.ReplicaStatus
}

// HostWorld is what refresh read from one host.
type HostWorld struct {
	Facts api.NodeFacts
	// Local is stowaged's own view; nil when it does not run there.
	Local *api.LocalView
	// Node is what the host was made by an apply, whether stowaged runs or not; nil
	// when it is no node.
	Node *api.NodeConfig
	Err  error // why the host could not be read; Facts is then zero
}

// ReadRequest is the input of Read.
type ReadRequest struct {
	Identity
	Prior cty.Value
	World *World
}

// ReadResponse is the output of Read.
type ReadResponse struct {
	Value cty.Value // null: gone
	// Healed says what controllers changed (moved, restarted): not drift.
	Healed []string
	Diags  hcl.Diagnostics
}

// ApplyRequest is the input of Apply.
type ApplyRequest struct {
	Identity
	Prior   cty.Value // null: create
	Planned cty.Value // null: delete; wholly known but for computed attributes
	HashKey []byte
	BaseDir string
	Env     Env
	// Placement maps each slot of a pod to the node that the plan chose.
	Placement []string
	// Context is the selected one; "" where none is declared.
	Context string
	// Progress reports one short clause of what is going on, e.g. "waiting for 2 of 3 replicas".
	Progress func(string)
}

// ApplyResponse is the output of Apply.
type ApplyResponse struct {
	// Value is the new value, without unknowns; null after a delete. With error
	// diagnostics it is what is there now, as far as known (null: nothing).
	Value cty.Value
	Diags hcl.Diagnostics
	// Passing is why it failed, where that may pass by itself: Apply is then called
	// again after a while, some times. See the function Passing.
	Passing error
}

// Env is what Apply may reach. Implemented by the planner's executor and by fakes in tests.
type Env interface {
	// Lineage of the state: the owner of the objects.
	Lineage() string
	// ClusterID names the cluster; made by the first apply and kept in the state.
	ClusterID() string
	// Host connects to a declared or recorded node's host, once per run.
	Host(ctx context.Context, node string) (ssh.Host, error)
	// Cluster is the operator API of the manager, through its host.
	Cluster(ctx context.Context) (*client.Client, error)
	// Instance gives the present value of another resource, e.g. "secret.db", with what
	// was given to its write-only arguments for this run.
	Instance(address string) (cty.Value, bool)
	// Object is the name of another resource's object in the cluster.
	Object(address string) string
	// Nodes are the nodes of the cluster as declared, by name (role, labels, address).
	Nodes() map[string]cty.Value
	// Eligible lists the nodes that may run the pod (its filters pass there), sorted.
	Eligible(pod string) []string
	// Stowaged opens the stowaged binary for GOARCH arch.
	Stowaged(arch string) (path string, err error)
}

// Object finds an object in the cluster's store, nil when it is not there.
func (w *World) Object(kind api.Kind, name string) *api.Object {
	if w == nil || w.Cluster == nil {
		return nil
	}
	w.index.Do(func() {
		w.objects = make(map[objectKey]*api.Object, len(w.Cluster.Objects))
		for i := range w.Cluster.Objects {
			o := &w.Cluster.Objects[i]
			w.objects[objectKey{o.Kind, o.Name}] = o
		}
	})
	return w.objects[objectKey{kind, name}]
}

// Replicas are the statuses of a pod's replicas, in no particular order.
func (w *World) Replicas(pod string) []api.ReplicaStatus {
	if w == nil || w.Cluster == nil {
		return nil
	}
	w.podIndex.Do(func() {
		w.replicas = map[string][]api.ReplicaStatus{}
		for _, r := range w.Cluster.Replicas {
			w.replicas[r.Pod] = append(w.replicas[r.Pod], r)
		}
	})
	return w.replicas[pod]
}

type objectKey struct {
	kind api.Kind
	name string
}
