// Package registry is the explicit list of the state backends. Each has a folder
// beside it; nothing of a backend runs, and nothing is dialled, before it is used.
package registry

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang/schema"
	"github.com/stowage-iac/stowage/state"
	"github.com/stowage-iac/stowage/state/cluster"
	"github.com/stowage-iac/stowage/state/etcd"
	"github.com/stowage-iac/stowage/state/http"
	"github.com/stowage-iac/stowage/state/local"
	"github.com/stowage-iac/stowage/state/postgres"
	"github.com/stowage-iac/stowage/state/s3"
)

// Default is the backend of a configuration that names none.
const Default = "local"

// backend is one type of backend: what it takes, and how it is made from that.
type backend struct {
	schema func() *schema.Block
	open   func(arguments cty.Value, env state.Env) (state.Backend, error)
}

var all = map[string]backend{
	"cluster":  {cluster.Schema, cluster.Open},
	"etcd":     {etcd.Schema, etcd.Open},
	"http":     {http.Schema, http.Open},
	"local":    {local.Schema, local.Open},
	"postgres": {postgres.Schema, postgres.Open},
	"s3":       {s3.Schema, s3.Open},
}

// Names are the types of backends, sorted.
func Names() []string { return slices.Sorted(maps.Keys(all)) }

// Schemas are those of the arguments, by type of backend.
func Schemas() map[string]*schema.Block {
	out := make(map[string]*schema.Block, len(all))
	for name, b := range all {
		out[name] = b.schema()
	}
	return out
}

// Open makes a backend of the arguments that its schema describes; "" is Default
// with its defaults. Nothing is read or dialled yet.
func Open(name string, arguments cty.Value, env state.Env) (state.Backend, error) {
	if name == "" {
		name, arguments = Default, cty.NilVal
	}
	b, ok := all[name]
	if !ok {
		return nil, fmt.Errorf("there is no backend %q; there are %s", name, strings.Join(Names(), ", "))
	}
	if arguments == cty.NilVal {
		arguments = defaults(b.schema())
	}
	return b.open(arguments, env)
}

// defaults are the arguments where none is given.
func defaults(s *schema.Block) cty.Value {
	values := map[string]cty.Value{}
	for name, a := range s.Attributes {
		values[name] = cty.NullVal(a.Type)
		if a.Default != cty.NilVal {
			values[name] = a.Default
		}
	}
	return cty.ObjectVal(values)
}
