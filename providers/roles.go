package providers

import (
	"context"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/image"
	"github.com/stowage-iac/stowage/scheduler"
	"github.com/stowage-iac/stowage/ssh"
)

// Two kinds have a part in planning beyond their own diff: nodes carry, pods are
// carried. The planner asks for these roles by type assertion, so that it knows
// no kind by name.

// Carrier is a kind whose instances are hosts (node).
type Carrier interface {
	Kind
	// Machine reads a planned or recorded value. known is false while an argument
	// that it needs is unknown; the instance is then refreshed during apply only.
	Machine(id Identity, value cty.Value) (m Machine, known bool, diags hcl.Diagnostics)
}

// Machine is what the planner needs to know of a node.
type Machine struct {
	SSH ssh.Config
	// Spec as declared. Role is "" and Schedulable meaningless where the user left
	// them to the rule of Topology.
	Spec           api.NodeSpec
	SchedulableSet bool
}

// Carried is a kind whose instances have replicas that need a place (pod).
type Carried interface {
	Kind
	// Cargo reads a planned or recorded value. known is false while replicas,
	// requests or placement arguments are unknown.
	Cargo(id Identity, value cty.Value) (c Cargo, known bool, diags hcl.Diagnostics)
}

// Cargo is what the planner needs to know of a pod.
type Cargo struct {
	// Request without Slots and Previous; its Pod is the object's name (web["a"]), not the address.
	Request  scheduler.Request
	Replicas int // 0 with Request.OnAll: as many as nodes fit
	// Images are the distinct images of all containers in containerd's naming
	// (NAME@sha256:…); UnknownImages counts those that only apply will know.
	Images        []string
	UnknownImages int
}

// Imager is a kind whose instances are images (image), or that names images (pod,
// with a registry reference instead of an image block): it finds the content of a ref.
type Imager interface {
	Kind
	// Content opens what Push sends, for a ref among Cargo.Images. ok is false when
	// the value does not hold that ref.
	Content(ctx context.Context, id Identity, value cty.Value, ref, baseDir string) (img *image.Image, ok bool, err error)
}

// Topology settles roles: a lone node is the manager and carries pods; with
// several, exactly one must have role = "manager" (3, 5, 7 come later) and carries
// pods only if it says schedulable = true. The result is by node name.
func Topology(machines map[string]Machine) (map[string]api.NodeSpec, hcl.Diagnostics) {
	return topology(machines)
}
