package providers

import (
	"strings"

	"github.com/stowage-iac/stowage/lang"
)

// Identity is what an instance is called.
type Identity struct {
	// Address is that of the configuration and the state: pod.web["a"]. It changes
	// when the block is renamed (moved).
	Address string
	// Object is the name in the cluster, given when the object is made and kept for
	// its life: by default the address without its kind.
	Object string
}

// Identify is the identity of an instance whose object has the default name.
func Identify(address string) Identity {
	return Identity{Address: address, Object: ObjectName(address)}
}

// ObjectName is the default name of an object, an address without its kind:
// pod.web["a"] becomes web["a"], and module.app[0].pod.web becomes module.app[0].web.
// Instances of one kind with different addresses have different names. An object may
// have another name: see Identity.
func ObjectName(address string) string {
	module := lang.ModuleOf(address)
	_, name, ok := strings.Cut(address[modulePrefix(module):], ".")
	switch {
	case !ok:
		return address
	case module == "":
		return name
	}
	return module + "." + name
}

// AddressOf is the address of the instance of a kind whose object has the name by default.
func AddressOf(kind, name string) string {
	at := modulePrefix(lang.ModuleOf(name))
	return name[:at] + kind + "." + name[at:]
}

func modulePrefix(module string) int {
	if module == "" {
		return 0
	}
	return len(module) + 1
}
