package pod

import (
	"encoding/json"
	"fmt"
	"sort"

	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/providers"
)

// Read compares with the cluster's object: its revision and placement are what an
// apply wrote. What the controllers and agents did since is healing, not drift.
func (Kind) Read(req providers.ReadRequest) providers.ReadResponse {
	if req.World == nil || req.World.Cluster == nil || providers.IsNull(req.Prior) {
		return providers.ReadResponse{Value: req.Prior}
	}
	name := req.Object
	obj := req.World.Object(api.KindPod, name)
	if obj == nil {
		return providers.ReadResponse{Value: cty.NullVal(req.Prior.Type())}
	}
	var spec api.PodSpec
	if err := json.Unmarshal(obj.Spec, &spec); err != nil {
		return providers.ReadResponse{Value: req.Prior, Diags: providers.Errorf("Damaged object",
			fmt.Sprintf("The cluster's object of %s cannot be read: %s.", req.Address, err))}
	}
	statuses := make([]api.ReplicaStatus, spec.Replicas)
	var healed []string
	for _, s := range req.World.Replicas(name) {
		if s.Slot < 0 || s.Slot >= spec.Replicas || s.Revision != spec.Revision || s.Node != spec.Placement[s.Slot] {
			continue
		}
		statuses[s.Slot] = s
		if s.Restarts > 0 {
			healed = append(healed, fmt.Sprintf("%s[%d] on node.%s was restarted %s because of %s", name, s.Slot, s.Node, times(s.Restarts), lastCause(s)))
		}
	}
	sort.Strings(healed)
	value := req.Prior
	if spec.Revision != providers.Str(req.Prior, "revision") {
		// Something else runs than what was recorded (an interrupted apply, a foreign
		// hand): no revision makes the plan put it right.
		value = providers.With(value, map[string]cty.Value{"revision": cty.NullVal(cty.String)})
	}
	return providers.ReadResponse{Value: withAddresses(value, spec, statuses), Healed: healed}
}

// withAddresses takes over new addresses, e.g. after a node's reboot.
func withAddresses(value cty.Value, spec api.PodSpec, statuses []api.ReplicaStatus) cty.Value {
	prior := providers.Strs(value, "addresses")
	addresses := make([]string, spec.Replicas)
	for i := range addresses {
		addresses[i] = statuses[i].IP
		if addresses[i] == "" && i < len(prior) {
			addresses[i] = prior[i]
		}
	}
	return providers.With(value, map[string]cty.Value{
		"addresses": stringList(addresses), "nodes": stringList(spec.Placement),
	})
}

func times(n int) string {
	if n == 1 {
		return "once,"
	}
	return fmt.Sprintf("%d times, last", n)
}

func lastCause(s api.ReplicaStatus) string {
	for _, c := range s.Containers {
		switch {
		case c.OOMKilled:
			return fmt.Sprintf("container %q exceeding its memory limit", c.Name)
		case c.Restarts > 0:
			return fmt.Sprintf("container %q ending with status %d", c.Name, c.ExitCode)
		}
	}
	return "an exit"
}
