// Package registry lists the kinds of resources and the sources of data. A new one
// is a folder under providers or providers/data and a line here.
package registry

import (
	"github.com/stowage-iac/stowage/lang/schema"
	"github.com/stowage-iac/stowage/providers"
	"github.com/stowage-iac/stowage/providers/config"
	"github.com/stowage-iac/stowage/providers/data"
	"github.com/stowage-iac/stowage/providers/data/age"
	"github.com/stowage-iac/stowage/providers/data/environment"
	"github.com/stowage-iac/stowage/providers/data/external"
	"github.com/stowage-iac/stowage/providers/data/file"
	"github.com/stowage-iac/stowage/providers/data/outputs"
	"github.com/stowage-iac/stowage/providers/data/sops"
	"github.com/stowage-iac/stowage/providers/image"
	"github.com/stowage-iac/stowage/providers/node"
	"github.com/stowage-iac/stowage/providers/pod"
	"github.com/stowage-iac/stowage/providers/secret"
)

// Kinds are the kinds by name: the block type, or data.TYPE for a source.
func Kinds() map[string]providers.Kind {
	kinds := map[string]providers.Kind{}
	for _, k := range []providers.Kind{config.Kind{}, image.Kind{}, node.Kind{}, pod.Kind{}, secret.Kind{}} {
		kinds[k.Name()] = k
	}
	for _, s := range []data.Source{age.Source{}, environment.Source{}, external.Source{}, file.Source{}, outputs.Source{}, sops.Source{}} {
		k := data.Kind{Source: s}
		kinds[k.Name()] = k
	}
	return kinds
}

// Schemas are the kinds' schemas by name, for lang.Load.
func Schemas() map[string]*schema.Block {
	schemas := map[string]*schema.Block{}
	for name, k := range Kinds() {
		schemas[name] = k.Schema()
	}
	return schemas
}

// Later are block types that this version refuses, with what to do instead.
func Later() map[string]string {
	const soon = "It comes with a later version of Stowage."
	return map[string]string{
		"service":   soon + " Give a container's port a host port to reach the pod from outside of its node.",
		"ingress":   soon + " Give a container's port a host port.",
		"volume":    soon + " Mount a directory of the host: mount \"/data\" { host = \"/srv/data\" }.",
		"job":       soon + " Use a pod with restart { policy = \"on_failure\" }.",
		"policy":    soon,
		"ephemeral": "A variable with ephemeral = true gives a value that is kept nowhere; a program or a file gives one with sensitive data.",
		"provider":  "Stowage has no provider blocks: hosts are declared with node.",
		"resource":  "Stowage's blocks carry their kind as the block type: write pod \"web\" { … } instead of resource \"pod\" \"web\" { … }.",
		"terraform": "Use a stowage block for settings.",
	}
}
