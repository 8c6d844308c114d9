package node

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/providers"
	"github.com/stowage-iac/stowage/ssh"
)

// Plan keeps the facts of a known host; a new host's are known after apply.
func (Kind) Plan(req providers.PlanRequest) providers.PlanResponse {
	var diags hcl.Diagnostics
	if addressless(req.Config) {
		diags = providers.Errorf("Node without an address", fmt.Sprintf(
			"%s has no address. Set address to the host's name or IP address, or connection = \"local\" for this machine.", req.Address))
	}
	role := req.Config.GetAttr("role")
	if role.IsNull() {
		role = cty.UnknownVal(cty.String).RefineNotNull()
	}
	facts, ready := cty.UnknownVal(factsType).RefineNotNull(), cty.UnknownVal(cty.Bool).RefineNotNull()
	if !providers.IsNull(req.Prior) {
		if v := req.Prior.GetAttr("facts"); !v.IsNull() {
			facts = v
		}
		if prior := req.Prior.GetAttr("role"); req.Config.GetAttr("role").IsNull() && !prior.IsNull() {
			role = prior
		}
		if providers.Bool(req.Prior, "ready") {
			ready = cty.True
		}
	}
	return providers.PlanResponse{
		Planned: providers.With(req.Config, map[string]cty.Value{
			"role": role, "facts": facts, "ready": ready, "version": cty.StringVal(api.StowageVersion),
		}),
		Diags: diags,
	}
}

// addressless reports whether nothing says where the host is.
func addressless(config cty.Value) bool {
	return config.GetAttr("address").IsNull() && providers.Str(config, "connection") != "local"
}

// Machine reads what the planner needs: how to reach the host, and what it offers.
func (Kind) Machine(id providers.Identity, value cty.Value) (providers.Machine, bool, hcl.Diagnostics) {
	value, _ = value.UnmarkDeep()
	if providers.IsNull(value) {
		return providers.Machine{}, false, nil
	}
	for name := range block.Attributes {
		if !block.Attributes[name].Computed && !value.GetAttr(name).IsWhollyKnown() {
			return providers.Machine{}, false, nil
		}
	}
	for name := range block.Blocks {
		if !value.GetAttr(name).IsWhollyKnown() {
			return providers.Machine{}, false, nil
		}
	}
	if addressless(value) {
		return providers.Machine{}, false, nil // Plan says so
	}
	spec, err := specOf(id.Object, value)
	if err != nil {
		return providers.Machine{}, false, providers.Errorf("Node not valid", fmt.Sprintf("%s: %s.", id.Address, err))
	}
	return providers.Machine{
		SSH:            sshOf(id.Object, value),
		Spec:           spec,
		SchedulableSet: !value.GetAttr("schedulable").IsNull(),
	}, true, nil
}

func sshOf(name string, v cty.Value) ssh.Config {
	c := ssh.Config{Name: name, Local: providers.Str(v, "connection") == "local", Address: providers.Str(v, "address")}
	if s, ok := providers.Object(v, "ssh"); ok {
		c.User = providers.Str(s, "user")
		c.Port = int(providers.Int(s, "port"))
		c.PrivateKey = providers.Str(s, "private_key")
		c.Key = ssh.Key(providers.Str(s, "private_key_wo"))
		c.HostKey = providers.Str(s, "host_key")
		c.KnownHosts = providers.Str(s, "known_hosts")
		c.AcceptNew = providers.Bool(s, "accept_new")
		c.Jump = providers.Str(s, "jump")
	}
	return c
}

func specOf(name string, v cty.Value) (api.NodeSpec, error) {
	spec := api.NodeSpec{
		Name: name, Address: providers.Str(v, "address"), Role: providers.Str(v, "role"),
		Schedulable: providers.Bool(v, "schedulable"), Labels: providers.StrMap(v, "labels"),
	}
	if spec.Address == "" {
		spec.Address = "127.0.0.1"
	}
	for _, t := range providers.Objects(v, "taint") {
		spec.Taints = append(spec.Taints, api.Taint{Key: providers.Str(t, "key"), Effect: providers.Str(t, "effect")})
	}
	if r, ok := providers.Object(v, "reserve"); ok {
		var err error
		if s := providers.Str(r, "cpu"); s != "" {
			if spec.ReserveMilliCPU, err = providers.MilliCPU(s); err != nil {
				return spec, err
			}
		}
		if s := providers.Str(r, "memory"); s != "" {
			if spec.ReserveMemory, err = providers.Bytes(s); err != nil {
				return spec, err
			}
		}
	}
	return spec, nil
}

// Read compares with what refresh found on the host.
func (Kind) Read(req providers.ReadRequest) providers.ReadResponse {
	if req.World == nil || providers.IsNull(req.Prior) {
		return providers.ReadResponse{Value: req.Prior}
	}
	h, ok := req.World.Hosts[req.Object]
	if !ok || h.Err != nil {
		return providers.ReadResponse{Value: req.Prior}
	}
	ready, version := h.Local != nil && h.Local.Node.Ready, req.Prior.GetAttr("version")
	if h.Local != nil && h.Local.Node.Version != "" {
		version = cty.StringVal(h.Local.Node.Version)
	}
	return providers.ReadResponse{Value: providers.With(req.Prior, map[string]cty.Value{
		"facts": factsValue(h.Facts), "ready": cty.BoolVal(ready), "version": version,
	})}
}

func factsValue(f api.NodeFacts) cty.Value {
	return cty.ObjectVal(map[string]cty.Value{
		"hostname": cty.StringVal(f.Hostname),
		"os":       cty.StringVal(f.OSName),
		"arch":     cty.StringVal(f.Arch),
		"kernel":   cty.StringVal(f.Kernel),
		"cpus":     cty.NumberIntVal(int64(f.CPUs)),
		"memory":   cty.NumberIntVal(f.Memory),
	})
}

// Overlap: a host is one node, and a node's name is in its certificate and in all
// bindings to it.
func (Kind) Overlap() (providers.Overlap, string) {
	return providers.NoOverlap, "a node keeps its name, which its certificate and its replicas carry, and a host cannot be two nodes"
}
