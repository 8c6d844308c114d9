package pod

import (
	"context"
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/image"
	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/providers"
	"github.com/stowage-iac/stowage/scheduler"
)

// Cargo is what the scheduler needs to know of a pod.
func (Kind) Cargo(id providers.Identity, value cty.Value) (providers.Cargo, bool, hcl.Diagnostics) {
	var cargo providers.Cargo
	value, _ = value.Unmark()
	if providers.IsNull(value) || !placeable(value) {
		return cargo, false, nil
	}
	s := schedulingOf(value)
	cargo.Replicas = int(providers.Int(value, "replicas"))
	if s.OnAll {
		cargo.Replicas = 0
	}
	cargo.Request = scheduler.Request{
		Pod: id.Object, Where: s.Where, Strategy: s.Strategy,
		OnAll: s.OnAll, OnePerNode: s.OnePer == "node", Tolerate: s.Tolerate,
	}
	var initCPU, initMemory int64
	for _, blocks := range [...]string{"init", "container"} {
		for _, c := range providers.Objects(value, blocks) {
			r, err := resourcesOf(c)
			if err != nil {
				return cargo, false, providers.Errorf("Resources not valid", fmt.Sprintf("%s: %s.", id.Address, err))
			}
			if blocks == "init" {
				initCPU, initMemory = max(initCPU, r.MilliCPU), max(initMemory, r.Memory)
			} else {
				cargo.Request.MilliCPU += r.MilliCPU
				cargo.Request.Memory += r.Memory
			}
			addPorts(&cargo, c)
			addImage(&cargo, c)
		}
	}
	cargo.Request.MilliCPU = max(cargo.Request.MilliCPU, initCPU)
	cargo.Request.Memory = max(cargo.Request.Memory, initMemory)
	return cargo, true, nil
}

// placeable reports whether everything that placement depends on is known.
func placeable(value cty.Value) bool {
	known := func(obj cty.Value, name string) bool {
		if _, simple := lang.Simple(obj, name); simple {
			return true
		}
		v, has := lang.Attribute(obj, name)
		return !has || lang.Plain(v) || v.IsWhollyKnown()
	}
	if !known(value, "replicas") || !known(value, "placement") {
		return false
	}
	for _, blocks := range [...]string{"init", "container"} {
		list, ok := lang.Listed(value, blocks)
		if !ok {
			if !value.GetAttr(blocks).IsKnown() {
				return false
			}
			list = providers.Objects(value, blocks)
		}
		for _, c := range list {
			if !c.IsKnown() || !known(c, "resources") || !known(c, "port") {
				return false
			}
		}
	}
	return true
}

func addPorts(cargo *providers.Cargo, c cty.Value) {
	for _, p := range providers.Objects(c, "port") {
		if host := providers.Int(p, "host"); host != 0 {
			cargo.Request.HostPorts = append(cargo.Request.HostPorts, fmt.Sprintf("%d/%s", host, providers.Str(p, "protocol")))
		}
	}
}

func addImage(cargo *providers.Cargo, c cty.Value) {
	ref := providers.Str(c, "ref")
	switch {
	case ref == "":
		cargo.UnknownImages++
	case !slices.Contains(cargo.Images, ref):
		cargo.Images = append(cargo.Images, ref)
	}
}

// Content opens an image that a container names by a registry reference.
func (Kind) Content(ctx context.Context, _ providers.Identity, value cty.Value, ref, _ string) (*image.Image, bool, error) {
	for _, blocks := range []string{"init", "container"} {
		for _, c := range providers.Objects(value, blocks) {
			if providers.Str(c, "ref") == ref && providers.Str(c, "image") != ref {
				img, err := image.Resolve(ctx, ref)
				return img, true, err
			}
		}
	}
	return nil, false, nil
}
