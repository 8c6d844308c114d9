// Package outputs is the source "outputs": the outputs of another configuration's
// state, or of another context of this one.
package outputs

import (
	"context"
	"errors"
	"fmt"

	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang/schema"
	"github.com/stowage-iac/stowage/providers"
	"github.com/stowage-iac/stowage/providers/data"
)

// Source implements data.Source.
type Source struct{}

// Type is "outputs".
func (Source) Type() string { return "outputs" }

var block = &schema.Block{
	Doc: "The outputs of another state, read without a lock: of another configuration (directory), of another context, or of a file (path), " +
		"which may be one of Terraform or OpenTofu. Sensitive ones stay sensitive.",
	Attributes: map[string]*schema.Attribute{
		"directory": {Type: cty.String, Optional: true, Doc: "Directory of a configuration: its stowage block says where its state is and how it is encrypted. Relative to this configuration."},
		"context":   {Type: cty.String, Optional: true, Doc: "Context of that configuration or, without directory, of this one. Default: the context of this run."},
		"path":      {Type: cty.String, Optional: true, Doc: "A state file: of Stowage, Terraform or OpenTofu. Relative to this configuration."},
		"defaults":  {Type: cty.DynamicPseudoType, Optional: true, Validate: validDefaults, Doc: "An object with values for outputs that the state does not have, also when there is no state yet."},

		"values": {Type: cty.DynamicPseudoType, Computed: true, Doc: "An object with the outputs by name."},
	},
}

// Schema describes the block.
func (Source) Schema() *schema.Block { return block }

func validDefaults(v cty.Value) error {
	if !v.Type().IsObjectType() && !v.Type().IsMapType() {
		return errors.New("it is no object: write { url = \"…\" }")
	}
	return nil
}

// ErrNoState is the error of providers.Outside.Outputs where there is no state yet.
var ErrNoState = errors.New("there is no state yet: apply that configuration first, or give defaults")

// Read reads the outputs.
func (Source) Read(ctx context.Context, req data.Request) data.Response {
	directory, name, path := providers.Str(req.Config, "directory"), providers.Str(req.Config, "context"), providers.Str(req.Config, "path")
	at := "directory"
	switch {
	case path != "" && directory+name != "":
		return data.Failed(providers.ErrorAt(cty.GetAttrPath("path"), "State named twice", fmt.Sprintf(
			"%s has a path beside directory or context. Keep one of them.", req.Address)))
	case path != "":
		at = "path"
	case directory == "" && name != "":
		at = "context"
	case directory == "":
		return data.Failed(providers.Errorf("No state named", fmt.Sprintf(
			"%s does not say whose outputs it reads. Set directory = \"../network\", context = \"qa\", or path = \"terraform.tfstate\".", req.Address)))
	}
	ref := providers.StateRef{Context: name}
	switch {
	case path != "":
		ref.Path = data.Locate(req.BaseDir, path)
	case directory != "":
		ref.Directory = data.Locate(req.BaseDir, directory)
	default:
		ref.Directory = data.Locate(req.BaseDir, ".")
	}
	values, err := read(ctx, req.Outside, ref)
	defaults := req.Config.GetAttr("defaults")
	if errors.Is(err, ErrNoState) && !defaults.IsNull() {
		values, err = nil, nil
	}
	if err != nil {
		return data.Failed(providers.ErrorAt(cty.GetAttrPath(at), "State not readable", fmt.Sprintf(
			"%s cannot read the outputs of %s: %s.", req.Address, whose(req, directory, name, path), err)))
	}
	all := map[string]cty.Value{}
	if !defaults.IsNull() {
		all = defaults.AsValueMap()
	}
	if all == nil {
		all = map[string]cty.Value{}
	}
	for name, v := range values {
		all[name] = v
	}
	return data.Response{Values: map[string]cty.Value{"values": cty.ObjectVal(all)}}
}

func read(ctx context.Context, outside providers.Outside, ref providers.StateRef) (map[string]cty.Value, error) {
	if outside == nil {
		return nil, errors.New("no state can be reached here")
	}
	return outside.Outputs(ctx, ref)
}

func whose(req data.Request, directory, name, path string) string {
	switch {
	case req.Sensitive:
		return "its state"
	case path != "":
		return fmt.Sprintf("%q", path)
	case directory == "":
		return fmt.Sprintf("the context %q", name)
	case name == "":
		return fmt.Sprintf("%q", directory)
	}
	return fmt.Sprintf("%q, context %q", directory, name)
}
