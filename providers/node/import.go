package node

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/providers"
	"github.com/stowage-iac/stowage/ssh/bootstrap"
)

// Import takes over a host that is a node already: how to reach it is what the
// configuration says, the rest is what the host and the cluster's object say.
func (k Kind) Import(req providers.ImportRequest) providers.ImportResponse {
	h := req.World.Hosts[req.Object]
	if h != nil && h.Local == nil && h.Node != nil {
		return providers.NotThere(req, fmt.Sprintf("its host is the node %q of the cluster %s, and stowaged does not answer there. Start it (%s), then import.",
			h.Node.Name, h.Node.Cluster, "`"+bootstrap.HowToStart(h.Facts)+"`"))
	}
	if h == nil || h.Local == nil {
		return providers.NotThere(req, "its host does not run stowaged: it is no node. Leave the import out, and an apply makes it one.")
	}
	if name := h.Local.Config.Name; name != req.Object {
		return providers.NotThere(req, fmt.Sprintf("its host is the node %q and not %q. Import it with id = %q.", name, req.Object, name))
	}
	set := map[string]cty.Value{
		"role": cty.StringVal(h.Local.Config.Role), "facts": factsValue(h.Facts), "ready": cty.BoolVal(h.Local.Node.Ready),
		"version": cty.StringVal(h.Local.Node.Version),
	}
	if obj := req.World.Object(api.KindNode, req.Object); obj != nil {
		var spec api.NodeSpec
		if err := json.Unmarshal(obj.Spec, &spec); err != nil {
			return providers.ImportResponse{Diags: providers.Errorf("Damaged object", fmt.Sprintf("The cluster's object of %s cannot be read: %s.", req.Address, err))}
		}
		k.declared(req, spec, set)
	}
	return providers.ImportResponse{Value: providers.With(req.Planned, set)}
}

// declared compares what the cluster's object says with what is written.
func (k Kind) declared(req providers.ImportRequest, is api.NodeSpec, set map[string]cty.Value) {
	written, err := specOf(req.Object, req.Planned)
	if err != nil {
		return // Machine says so
	}
	if !maps.Equal(written.Labels, is.Labels) {
		set["labels"] = labelsValue(is.Labels)
	}
	if !req.Planned.GetAttr("schedulable").IsNull() {
		set["schedulable"] = cty.BoolVal(is.Schedulable)
	}
	ty := block.ImpliedType()
	if !slices.Equal(written.Taints, is.Taints) {
		var taints []cty.Value
		for _, t := range is.Taints {
			taints = append(taints, cty.ObjectVal(map[string]cty.Value{"key": cty.StringVal(t.Key), "effect": cty.StringVal(t.Effect)}))
		}
		set["taint"] = cty.ListValEmpty(ty.AttributeType("taint").ElementType())
		if len(taints) > 0 {
			set["taint"] = cty.ListVal(taints)
		}
	}
	if written.ReserveMilliCPU != is.ReserveMilliCPU || written.ReserveMemory != is.ReserveMemory {
		set["reserve"] = cty.ObjectVal(map[string]cty.Value{
			"cpu": cty.StringVal(strconv.FormatInt(is.ReserveMilliCPU, 10) + "m"), "memory": cty.StringVal(strconv.FormatInt(is.ReserveMemory, 10)),
		})
	}
}

func labelsValue(labels map[string]string) cty.Value {
	if len(labels) == 0 {
		return cty.NullVal(cty.Map(cty.String))
	}
	m := make(map[string]cty.Value, len(labels))
	for k, v := range labels {
		m[k] = cty.StringVal(v)
	}
	return cty.MapVal(m)
}
