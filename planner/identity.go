package planner

import (
	"fmt"

	"github.com/stowage-iac/stowage/providers"
	"github.com/stowage-iac/stowage/state"
)

// id is what the instance is called once the plan is done.
func (c *Change) id() providers.Identity {
	return providers.Identity{Address: c.Address, Object: c.Object}
}

// was is what the instance's present object is called.
func (c *Change) was() providers.Identity {
	if c.Old != "" {
		return providers.Identity{Address: c.Address, Object: c.Old}
	}
	return c.id()
}

// identityOf is that of a recorded instance.
func identityOf(inst *state.Instance) providers.Identity {
	if inst.Object != "" {
		return providers.Identity{Address: inst.Address, Object: inst.Object}
	}
	return providers.Identify(inst.Address)
}

// recordedName is what the state keeps of an object's name: nothing when it is the default.
func recordedName(id providers.Identity) string {
	if id.Object == providers.ObjectName(id.Address) {
		return ""
	}
	return id.Object
}

// names knows which objects have a name that is not the default of their instance's
// address, so that no other instance gets it.
type names map[string]string // kind.object → address

func takenNames(instances map[string]*state.Instance) names {
	n := names{}
	for address, inst := range instances {
		if inst.Object != "" {
			n[inst.Kind+"."+inst.Object] = address
		}
	}
	return n
}

// of is the identity of an instance: as recorded, else the default name, or one with
// a number behind it when an instance that was moved has that.
func (n names) of(kind, address string, rec *state.Instance) providers.Identity {
	if rec != nil {
		return identityOf(rec)
	}
	id := providers.Identify(address)
	if len(n) > 0 {
		id.Object = n.free(kind, address, "")
	}
	return id
}

// free is a name for a new object of an instance, other than the one that it has.
// "~" is in no default name.
func (n names) free(kind, address, other string) string {
	base := providers.ObjectName(address)
	for name, i := base, 1; ; name, i = fmt.Sprintf("%s~%d", base, i), i+1 {
		if by, taken := n[kind+"."+name]; name != other && (!taken || by == address) {
			return name
		}
	}
}

// ObjectName is the name of a recorded instance's object in the cluster, or of its host.
func ObjectName(inst *state.Instance) string { return identityOf(inst).Object }
