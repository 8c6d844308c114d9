package local

import (
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang/schema"
	"github.com/stowage-iac/stowage/state"
)

// Schema describes the arguments of backend "local".
func Schema() *schema.Block {
	return &schema.Block{
		Doc: "Keeps the state in a file of this machine.",
		Attributes: map[string]*schema.Attribute{
			"path": {Type: cty.String, Optional: true, Default: cty.StringVal("stowage.state.json"),
				Doc: "The state's file, relative to the configuration's directory. A lock, a journal and earlier versions lie beside it."},
		},
	}
}

// Open makes a backend of the arguments that Schema describes.
func Open(arguments cty.Value, env state.Env) (state.Backend, error) {
	return New(env.Path(arguments.GetAttr("path").AsString())), nil
}
