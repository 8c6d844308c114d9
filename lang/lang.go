// Package lang turns *.stowage.hcl files into typed, still maybe-unknown
// resources with source ranges. Load parses and checks what can be checked
// without values; an Evaluator expands count and for_each and decodes one
// instance at a time, in an order in which everything it refers to comes first.
//
// The evaluator is built for configurations of 100,000 instances: a body is
// compiled once, its constant parts are evaluated once, the collection of a
// block's instances is built once and shared by all referrers, and what an
// instance refers to is found out per instance (config.c[count.index] depends on
// one instance, config.c on all through one group).
package lang

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang/schema"
)

// Sensitive is the mark of a sensitive value. Values leave lang with it and it
// must be on every value derived from one.
var Sensitive = cty.NewValueMarks(sensitiveMark("sensitive"))

type sensitiveMark string

// Options of Load.
type Options struct {
	// Schemas of the kinds of resource blocks, by block type.
	Schemas map[string]*schema.Block
	// Later maps block types that this version refuses to what to do instead.
	Later map[string]string
	// Files, when not nil, replaces the directory's files (a saved plan's snapshot): name → content.
	Files map[string][]byte
}

// Instance is one resource instance as the configuration has it.
type Instance struct {
	Address   string    // pod.web, pod.web[0], pod.web["a"]
	Kind      string    // pod
	Name      string    // web
	Key       cty.Value // cty.NilVal, a number or a string
	Config    cty.Value // object of the schema's ImpliedType; computed attributes null
	Deps      []string  // direct dependencies: addresses of instances, or block addresses (pod.web) for "all of it"; sorted
	Range     hcl.Range // of the block's header, for diagnostics
	Lifecycle Lifecycle
}

// Lifecycle is a resource's lifecycle block.
type Lifecycle struct {
	PreventDestroy      bool
	CreateBeforeDestroy bool
	IgnoreChanges       []string // attribute paths
}
