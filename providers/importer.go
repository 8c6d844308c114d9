package providers

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/api"
)

// Importer is a kind that can take over what exists and is not in the state. A kind
// without it cannot be imported.
type Importer interface {
	Kind
	// Import finds what the identity's object is in the world, and returns it as if it had
	// been recorded. It does no I/O of its own, and changes nothing.
	Import(ImportRequest) ImportResponse
}

// ImportRequest is the input of Import.
type ImportRequest struct {
	Identity // Object is the ID that the user gave
	// Planned is what the kind plans for the configuration: where what is there
	// compares as equal to it, it is to be returned as it is written.
	Planned cty.Value
	World   *World
	HashKey []byte
	// Others gives other resources as they are planned.
	Others interface {
		Instance(address string) (cty.Value, bool)
		Object(address string) string
	}
}

// ImportResponse is the output of Import.
type ImportResponse struct {
	Value cty.Value // wholly known
	Diags hcl.Diagnostics
}

// NotThere is the error for an object that an import does not find.
func NotThere(req ImportRequest, what string) ImportResponse {
	return ImportResponse{Diags: Errorf("Nothing to import", req.Address+" is to be imported, and "+what)}
}

// NoObject is the error for an object that the cluster does not have; it tells which ones it has.
func NoObject(req ImportRequest, kind api.Kind, hint string) ImportResponse {
	var names []string
	if w := req.World; w != nil && w.Cluster != nil {
		for i := range w.Cluster.Objects {
			if o := &w.Cluster.Objects[i]; o.Kind == kind {
				names = append(names, fmt.Sprintf("%q", o.Name))
			}
		}
	}
	slices.Sort(names)
	has := "it has none"
	if n := len(names); n > few {
		has = fmt.Sprintf("it has %s and %d more", strings.Join(names[:few], ", "), n-few)
	} else if n > 0 {
		has = "it has " + strings.Join(names, ", ")
	}
	return NotThere(req, fmt.Sprintf("the cluster has no %s %q; %s.%s", kind, req.Object, has, hint))
}

// few is how many names an error lists.
const few = 8
