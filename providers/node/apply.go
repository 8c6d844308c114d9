package node

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/providers"
	"github.com/stowage-iac/stowage/ssh"
	"github.com/stowage-iac/stowage/ssh/bootstrap"
)

// readyTimeout bounds the wait for an agent that was started: the store of a
// manager is ready in about a second, containerd may need some.
const readyTimeout = 90 * time.Second

// Apply makes the host a node, in steps that can each be repeated: packages and
// agent, keys, certificate, configuration, start, the node's object, readiness.
func (k Kind) Apply(ctx context.Context, req providers.ApplyRequest) providers.ApplyResponse {
	if providers.IsNull(req.Planned) {
		return k.remove(ctx, req)
	}
	n := joining{Kind: k, req: req, name: req.Object}
	facts, err := n.join(ctx)
	if err != nil {
		return providers.ApplyResponse{Value: req.Prior, Diags: notJoined(req.Address, err), Passing: providers.Passing(err)}
	}
	return providers.ApplyResponse{Value: providers.With(req.Planned, map[string]cty.Value{
		"role": cty.StringVal(n.spec.Role), "facts": factsValue(facts), "ready": cty.True,
		"version": cty.StringVal(api.StowageVersion),
	})}
}

// joining is one host on its way to being a node.
type joining struct {
	Kind
	req  providers.ApplyRequest
	name string
	spec api.NodeSpec
	host ssh.Host
}

func (n *joining) join(ctx context.Context) (facts api.NodeFacts, err error) {
	managers, err := n.settle()
	if err != nil {
		return facts, err
	}
	if n.host, err = n.req.Env.Host(ctx, n.name); err != nil {
		return facts, err
	}
	n.req.Progress("reading facts")
	if facts, err = ssh.Facts(ctx, n.host); err != nil {
		return facts, err
	}
	err = bootstrap.Prepare(ctx, n.host, facts, bootstrap.Options{Stowaged: n.req.Env.Stowaged, Progress: n.req.Progress})
	if err != nil {
		return facts, err
	}
	identity, err := bootstrap.Identity(ctx, n.host, n.name)
	if err != nil {
		return facts, err
	}
	n.spec.Recipient = identity.Recipient
	if err := n.start(ctx, facts, managers, identity); err != nil {
		return facts, err
	}
	return ssh.Facts(ctx, n.host)
}

// settle finds the node's role among all nodes, and the managers' addresses.
func (n *joining) settle() (managers []string, err error) {
	machines := map[string]providers.Machine{}
	for name, value := range n.req.Env.Nodes() {
		m, known, diags := n.Machine(providers.Identity{Address: "node." + name, Object: name}, value)
		if diags.HasErrors() {
			return nil, diags
		}
		if known {
			machines[name] = m
		}
	}
	specs, diags := providers.Topology(machines)
	if diags.HasErrors() {
		return nil, diags
	}
	var ok bool
	if n.spec, ok = specs[n.name]; !ok {
		return nil, fmt.Errorf("an argument of %s is still unknown although everything it refers to was applied", n.req.Address)
	}
	for _, s := range specs {
		if s.Role == api.RoleManager {
			managers = append(managers, net.JoinHostPort(s.Address, strconv.Itoa(api.NodePort)))
		}
	}
	return managers, nil
}

func (n *joining) start(ctx context.Context, facts api.NodeFacts, managers []string, identity *api.JoinRequest) error {
	config := api.NodeConfig{
		Cluster: n.req.Env.ClusterID(), Name: n.name, Role: n.spec.Role, Address: n.spec.Address,
		Context: n.req.Context, Managers: managers, Supervise: facts.Init != "systemd",
	}
	var signed *api.JoinResponse
	if n.spec.Role != api.RoleManager {
		c, err := n.req.Env.Cluster(ctx)
		if err != nil {
			return err
		}
		n.req.Progress("signing the node's certificate")
		request := *identity
		request.Role, request.Address = n.spec.Role, n.spec.Address
		if signed, err = c.Sign(ctx, request); err != nil {
			return err
		}
	}
	if err := bootstrap.WriteNode(ctx, n.host, config, signed); err != nil {
		return err
	}
	n.req.Progress("starting stowaged")
	if err := bootstrap.Start(ctx, n.host); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	if err := bootstrap.WaitHealthy(ctx, n.host); err != nil {
		return err
	}
	if err := providers.PutObject(ctx, n.req.Env, api.KindNode, n.name, n.spec); err != nil {
		return err
	}
	c, err := n.req.Env.Cluster(ctx)
	if err != nil {
		return err
	}
	n.req.Progress("waiting for the node to be ready")
	_, err = c.WaitNode(ctx, n.name)
	return err
}

// remove gives the host back. The manager goes last, and with it the store.
func (Kind) remove(ctx context.Context, req providers.ApplyRequest) providers.ApplyResponse {
	name := req.Object
	if providers.Str(req.Prior, "address") == "" && providers.Str(req.Prior, "connection") != "local" {
		return forget(ctx, req, name)
	}
	host, err := req.Env.Host(ctx, name)
	if err != nil {
		return providers.ApplyResponse{Value: req.Prior, Diags: notRemoved(req.Address, err), Passing: providers.Passing(err)}
	}
	if providers.Str(req.Prior, "role") != api.RoleManager {
		if err := providers.DeleteObject(ctx, req.Env, api.KindNode, name); err != nil {
			return providers.ApplyResponse{Value: req.Prior, Diags: notRemoved(req.Address, err), Passing: providers.Passing(err)}
		}
	}
	if err := bootstrap.Remove(ctx, host, req.Progress); err != nil {
		return providers.ApplyResponse{Value: req.Prior, Diags: notRemoved(req.Address, err), Passing: providers.Passing(err)}
	}
	return providers.ApplyResponse{Value: cty.NullVal(block.ImpliedType())}
}

// forget deletes the object of a node that the state knows nothing of (any more):
// how to reach its host is lost, and with `state rm` was given up.
func forget(ctx context.Context, req providers.ApplyRequest, name string) providers.ApplyResponse {
	if err := providers.DeleteObject(ctx, req.Env, api.KindNode, name); err != nil {
		return providers.ApplyResponse{Value: req.Prior, Diags: notRemoved(req.Address, err), Passing: providers.Passing(err)}
	}
	return providers.ApplyResponse{Value: cty.NullVal(block.ImpliedType()), Diags: hcl.Diagnostics{{
		Severity: hcl.DiagWarning, Summary: "Host not given back",
		Detail: fmt.Sprintf("%s was taken out of the cluster. The state does not say how to reach its host, so whatever Stowage installed there stays; `stowaged teardown` on the host ends the pods.", req.Address),
	}}}
}

func notJoined(address string, err error) hcl.Diagnostics {
	return providers.Errorf("Host not joined", fmt.Sprintf(
		"%s could not become a node: %s. What was installed stays recorded on the host; apply again to go on from here.", address, err))
}

func notRemoved(address string, err error) hcl.Diagnostics {
	return providers.Errorf("Node not removed", fmt.Sprintf("%s could not be given back: %s.", address, err))
}
