// Package data is the contract of a source: a type of data block, data "TYPE"
// "NAME". One folder below it holds all that a user can say about one source;
// providers/registry lists them.
//
// A source is only ever read. The planner reads it while a plan is made as soon as
// its arguments are known and nothing that it depends on is about to change, else
// during apply, before its dependents. What was read is in the plan and never in
// the state.
package data

import (
	"context"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang/schema"
	"github.com/stowage-iac/stowage/providers"
)

// Source is a type of data block.
type Source interface {
	// Type is the block's first label: file, external …
	Type() string
	// Schema describes the block. What Read gives are its computed attributes.
	Schema() *schema.Block
	// Read asks the outside and changes nothing there. It ends soon after ctx does.
	Read(ctx context.Context, req Request) Response
}

// Concealing is a source that may give sensitive values although its schema does
// not say so: with sensitive = true, or always when it has no such argument.
type Concealing interface {
	Source
	// Concealed are the computed attributes that may be sensitive. As long as they are
	// unknown, they are.
	Concealed() []string
}

// Request is the input of Read.
type Request struct {
	Address string // data.file.site[0]
	// Config has every argument, defaults filled in: wholly known and without marks.
	Config cty.Value
	// Sensitive: an argument is sensitive or ephemeral, and with it all that is read.
	// Nothing of it may be quoted in a diagnostic.
	Sensitive bool
	// BaseDir is the directory that relative paths are relative to.
	BaseDir string
	Outside providers.Outside // may be nil: nothing is to be had
}

// Response is the output of Read.
type Response struct {
	// Values are the computed attributes by name; those that are missing are null.
	// Sensitive parts are marked, unless the schema says so already.
	Values map[string]cty.Value
	Diags  hcl.Diagnostics
}

// Failed is the Response of a read that failed.
func Failed(diags hcl.Diagnostics) Response { return Response{Diags: diags} }
