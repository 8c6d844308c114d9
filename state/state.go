// Package state is what the last apply recorded, and how it survives: an
// atomically replaced snapshot, an append-only journal of an apply's finished
// steps, a lock that names its holder, and encryption of everything as soon as
// one value is sensitive. Subpackages are the backends.
package state

import (
	"encoding/json"
	"time"
)

// FormatVersion of snapshots and journals that this version writes.
const FormatVersion = 1

// State is a snapshot.
type State struct {
	Lineage        string               // random, made with the first state; never changes
	Serial         uint64               // grows with every write
	StowageVersion string               // that wrote it
	Written        time.Time            // when, in whole seconds; zero when it is not recorded
	WrittenBy      string               // user@host, or ""
	Operation      string               // that wrote it: apply, destroy, state rm …, or ""
	ClusterID      string               // "" before the first node
	Context        string               // that it belongs to; "" where none was declared
	HashKey        []byte               // 32 random bytes, see providers.PlanRequest
	Instances      map[string]*Instance // by address
	Outputs        map[string]*Output

	moved string // where the state lives now; see Migrate
}

// Instance is a recorded resource instance. Immutable once in a State.
type Instance struct {
	Address string `json:"address"`
	Kind    string `json:"kind"`
	// Object is the name of its object in the cluster; "" is the default: the address
	// without its kind.
	Object string          `json:"object,omitempty"`
	Value  json.RawMessage `json:"value"` // cty JSON of the kind's ImpliedType
	// Sensitive are the paths of Value that are sensitive, e.g. container[0].env["X"].
	Sensitive []string `json:"sensitive,omitempty"`
	// Deps are the direct dependencies at the time: the order of a later destroy.
	Deps []string `json:"deps,omitempty"`
	// Placement maps a pod's slots to nodes.
	Placement []string `json:"placement,omitempty"`
	// Lifecycle that must hold when the block is gone.
	PreventDestroy bool `json:"prevent_destroy,omitempty"`
	// DeleteTimeout bounds its deletion, also when the block is gone: a duration such as
	// 5m0s; "" is none.
	DeleteTimeout string `json:"delete_timeout,omitempty"`
	// Incomplete: the last apply of it failed or was cut off; Value is what was there,
	// as far as known. The next apply does it again even if nothing differs.
	Incomplete bool `json:"incomplete,omitempty"`
	// Replace: an apply was to replace it, and did not come to that end. The next one does.
	Replace bool `json:"replace,omitempty"`
	// Taking is the owner from which its object is taken over: an import was cut off
	// before the object had this state as its owner. The next apply finishes it.
	Taking string `json:"taking,omitempty"`
}

// announced reports whether what is to be done with an instance is recorded, and not done yet.
func (i *Instance) announced() bool { return i.Replace || i.Taking != "" }

// Output is a recorded output value.
type Output struct {
	Value     json.RawMessage `json:"value"`
	Type      json.RawMessage `json:"type"`
	Sensitive bool            `json:"sensitive,omitempty"`
}

// LockInfo says who holds a lock.
type LockInfo struct {
	ID        string    `json:"id"`
	Operation string    `json:"operation"` // apply, destroy
	Who       string    `json:"who"`       // user@host
	Context   string    `json:"context,omitempty"`
	PID       int       `json:"pid"`
	Created   time.Time `json:"created"`
	Path      string    `json:"path"` // what is locked
}
