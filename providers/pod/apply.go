package pod

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"filippo.io/age"
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/cluster/client"
	"github.com/stowage-iac/stowage/providers"
	"github.com/stowage-iac/stowage/providers/config"
)

// Apply writes the pod's object and follows the rollout until every replica is
// ready where the plan put it, or until one says that it never will be.
func (k Kind) Apply(ctx context.Context, req providers.ApplyRequest) providers.ApplyResponse {
	if providers.IsNull(req.Planned) {
		return k.remove(ctx, req)
	}
	spec, err := specOf(ctx, req)
	if err != nil {
		return failed(err, req.Prior, "Pod not compiled", fmt.Sprintf("%s: %s.", req.Address, err))
	}
	name := req.Object
	if err := providers.PutObject(ctx, req.Env, api.KindPod, name, spec); err != nil {
		return failed(err, req.Prior, "Pod not written", fmt.Sprintf("%s could not be written to the cluster: %s.", req.Address, err))
	}
	c, err := req.Env.Cluster(ctx)
	if err != nil {
		return failed(err, req.Prior, "Cluster not reached", fmt.Sprintf("%s was written, but the cluster cannot be reached any more: %s.", req.Address, err))
	}
	rollout, err := c.WaitPod(ctx, name, func(r client.Rollout) {
		req.Progress(fmt.Sprintf("%d of %d replicas ready", r.Ready, r.Replicas))
	})
	value := valueOf(req.Planned, spec.Revision, spec.Placement, rollout.Statuses)
	if err != nil {
		return providers.ApplyResponse{Value: value, Diags: notReady(req.Address, rollout, err), Passing: providers.Passing(err)}
	}
	return providers.ApplyResponse{Value: value}
}

func specOf(ctx context.Context, req providers.ApplyRequest) (*api.PodSpec, error) {
	c, err := compile(req.Planned, req.HashKey, req.Env, config.Files)
	if err != nil {
		return nil, err
	}
	name := req.Object
	spec := &api.PodSpec{
		Replicas: len(req.Placement), Template: c.template, Revision: api.TemplateRevision(c.template),
		Placement: req.Placement, Scheduling: c.scheduling,
	}
	if len(c.bundle) == 0 {
		return spec, nil
	}
	spec.SealedFor = req.Env.Eligible(name)
	keys, err := nodeKeys(ctx, req.Env)
	if err != nil {
		return nil, err
	}
	for _, n := range spec.Placement {
		if keys[n] == "" {
			return nil, fmt.Errorf("node.%s has no key to seal secrets to: it has not joined the cluster", n)
		}
	}
	// A node that is still joining gets its share with the next change of the pod.
	spec.SealedFor = slices.DeleteFunc(spec.SealedFor, func(n string) bool { return keys[n] == "" })
	spec.Sealed, err = seal(c.bundle, spec.SealedFor, keys)
	return spec, err
}

// nodeKeys are the recipients of the nodes in the cluster, by name.
func nodeKeys(ctx context.Context, env providers.Env) (map[string]string, error) {
	c, err := env.Cluster(ctx)
	if err != nil {
		return nil, err
	}
	objects, err := c.List(ctx, api.KindNode)
	if err != nil {
		return nil, err
	}
	keys := make(map[string]string, len(objects))
	for _, o := range objects {
		var n api.NodeSpec
		if err := json.Unmarshal(o.Spec, &n); err != nil {
			return nil, fmt.Errorf("node.%s cannot be read from the cluster: %w", o.Name, err)
		}
		keys[o.Name] = n.Recipient
	}
	return keys, nil
}

// seal encrypts the bundle to the nodes that may run the pod.
func seal(bundle api.SealedBundle, nodes []string, keys map[string]string) ([]byte, error) {
	recipients := make([]age.Recipient, 0, len(nodes))
	for _, n := range nodes {
		r, err := age.ParseX25519Recipient(keys[n])
		if err != nil {
			return nil, fmt.Errorf("the key of node.%s is damaged: %w", n, err)
		}
		recipients = append(recipients, r)
	}
	plain, err := json.Marshal(bundle)
	if err != nil {
		return nil, err
	}
	var sealed bytes.Buffer
	w, err := age.Encrypt(&sealed, recipients...)
	if err != nil {
		return nil, err
	}
	if _, err := io.Copy(w, bytes.NewReader(plain)); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return sealed.Bytes(), nil
}

func (Kind) remove(ctx context.Context, req providers.ApplyRequest) providers.ApplyResponse {
	name := req.Object
	if err := providers.DeleteObject(ctx, req.Env, api.KindPod, name); err != nil {
		return failed(err, req.Prior, "Pod not deleted", fmt.Sprintf("%s could not be deleted from the cluster: %s.", req.Address, err))
	}
	c, err := req.Env.Cluster(ctx)
	if err == nil {
		err = c.WaitPodGone(ctx, name, func(r client.Rollout) {
			req.Progress(fmt.Sprintf("%d replicas left", len(r.Old)))
		})
	}
	if err != nil {
		return failed(err, req.Prior, "Pod not stopped", fmt.Sprintf("%s was deleted, but its replicas have not stopped: %s.", req.Address, err))
	}
	return providers.ApplyResponse{Value: cty.NullVal(block.ImpliedType())}
}

// valueOf fills in what is known after the rollout.
func valueOf(planned cty.Value, revision string, placement []string, statuses []api.ReplicaStatus) cty.Value {
	addresses := make([]string, len(placement))
	for i := range addresses {
		if i < len(statuses) {
			addresses[i] = statuses[i].IP
		}
	}
	return providers.With(planned, map[string]cty.Value{
		"addresses": stringList(addresses), "nodes": stringList(placement), "revision": cty.StringVal(revision),
	})
}

func stringList(list []string) cty.Value {
	if len(list) == 0 {
		return cty.ListValEmpty(cty.String)
	}
	vals := make([]cty.Value, len(list))
	for i, s := range list {
		vals[i] = cty.StringVal(s)
	}
	return cty.ListVal(vals)
}

func failed(err error, value cty.Value, summary, detail string) providers.ApplyResponse {
	return providers.ApplyResponse{Value: value, Diags: providers.Errorf(summary, detail), Passing: providers.Passing(err)}
}

// notReady says of each failed replica where it is and why.
func notReady(address string, r client.Rollout, err error) hcl.Diagnostics {
	if len(r.Failed) == 0 {
		detail := fmt.Sprintf("%d of %d replicas of %s are ready: %s.", r.Ready, r.Replicas, address, err)
		if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
			detail += " The cluster goes on with the rollout; the next apply waits for it again."
		}
		return providers.Errorf("Pod not ready", detail)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d of %d replicas of %s are ready.", r.Ready, r.Replicas, address)
	for _, s := range r.Failed {
		fmt.Fprintf(&b, "\n  replica %d on node.%s: %s", s.Slot, s.Node, s.Message)
	}
	b.WriteString("\nWhat ran before keeps running. Mend the cause and apply again.")
	return providers.Errorf("Pod not ready", b.String())
}
