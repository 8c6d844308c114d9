package planner

import (
	"context"
	"errors"
	"sort"

	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/cluster/client"
	"github.com/stowage-iac/stowage/providers"
	"github.com/stowage-iac/stowage/scheduler"
	"github.com/stowage-iac/stowage/ssh"
)

const labelCluster = api.LabelCluster

// env is what one step of an apply may reach.
type env struct {
	*executor
	// leaving is the name of the node that the step removes, whose host is that of
	// the prior value: a replaced node may be declared with another one.
	leaving string
	prior   ssh.Config
}

var _ providers.Env = env{}

func (x *executor) env(k *kindInfo, c *Change, req providers.ApplyRequest) providers.Env {
	e := env{executor: x}
	if k.carrier != nil && req.Planned.IsNull() {
		if m, known, _ := k.carrier.Machine(c.was(), req.Prior); known {
			e.leaving, e.prior = c.was().Object, m.SSH
		}
	}
	return e
}

// topology finds the nodes that there will be, and the manager; when everything
// goes, the manager that there was.
func (x *executor) topology() {
	machines, before := map[string]providers.Machine{}, map[string]providers.Machine{}
	x.pods = map[string]*Change{}
	for _, c := range x.plan.Changes {
		k := x.kinds[c.Kind]
		if k.carried != nil && !c.Action.ends() {
			x.pods[c.Object] = c
		}
		if k.carrier == nil {
			continue
		}
		name := c.Object
		v, ok := x.value(c.Address)
		if !ok {
			continue
		}
		m, known, _ := k.carrier.Machine(c.id(), v)
		if !known {
			continue
		}
		if c.Action.ends() {
			before[name] = m
		} else {
			machines[name] = m
		}
		if x.Fleet != nil {
			x.Fleet.Add(name, m.SSH)
		}
	}
	x.specs, _ = providers.Topology(machines)
	if x.manager = managerOf(x.specs); x.manager == "" {
		was, _ := providers.Topology(before)
		x.manager = managerOf(was)
	}
	if x.Fleet != nil {
		x.Fleet.SetManager(x.manager)
	}
}

// Lineage of the state.
func (x *executor) Lineage() string { return x.plan.Lineage }

// ClusterID names the cluster.
func (x *executor) ClusterID() string { return x.clusterID }

var errNoFleet = errors.New("there is no connection to any host")

// Host connects to a node's host, once per run.
func (e env) Host(ctx context.Context, node string) (ssh.Host, error) {
	if e.Fleet == nil {
		return nil, errNoFleet
	}
	if node == e.leaving {
		return e.Fleet.connect(ctx, e.prior)
	}
	e.reach(node)
	return e.Fleet.Host(ctx, node)
}

// reach tells the fleet about a node whose address has become known by now.
func (x *executor) reach(node string) {
	for _, c := range x.plan.Changes {
		k := x.kinds[c.Kind]
		if k.carrier == nil || c.Object != node || c.Settled {
			continue
		}
		if v, ok := x.value(c.Address); ok {
			if m, known, _ := k.carrier.Machine(c.id(), v); known {
				x.Fleet.Add(node, m.SSH)
			}
		}
	}
}

// Cluster is the operator API of the manager.
func (x *executor) Cluster(ctx context.Context) (*client.Client, error) {
	if x.Fleet == nil {
		return nil, errNoFleet
	}
	return x.Fleet.Cluster(ctx)
}

// Object is the name of another resource's object.
func (x *executor) Object(address string) string {
	if c := x.changes[address]; c != nil {
		return c.Object
	}
	return providers.ObjectName(address)
}

// Nodes are the nodes as declared, by name.
func (x *executor) Nodes() map[string]cty.Value {
	nodes := map[string]cty.Value{}
	for _, c := range x.plan.Changes {
		if x.kinds[c.Kind].carrier == nil || c.Action.ends() {
			continue
		}
		if v, ok := x.value(c.Address); ok {
			nodes[c.Object] = v
		}
	}
	return nodes
}

// Eligible lists the nodes that may run the pod, sorted.
func (x *executor) Eligible(pod string) []string {
	c := x.pods[pod]
	if c == nil {
		return nil
	}
	v, ok := x.value(c.Address)
	if !ok {
		return nil
	}
	cargo, known, _ := x.kinds[c.Kind].carried.Cargo(c.id(), v)
	if !known {
		return nil
	}
	var names []string
	for name, spec := range x.specs {
		if scheduler.Eligible(candidate(spec), cargo.Request) {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	return names
}

// Stowaged finds the agent's binary.
func (e env) Stowaged(arch string) (string, error) { return e.executor.ApplyInput.Stowaged(arch) }
