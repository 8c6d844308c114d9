// Package age is the source "age": the content of a file that is encrypted with
// age, read with the keys that open the state or with those of a file.
package age

import (
	"context"
	"encoding/base64"
	"fmt"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang/schema"
	"github.com/stowage-iac/stowage/providers"
	"github.com/stowage-iac/stowage/providers/data"
)

// Source implements data.Source.
type Source struct{}

// Type is "age".
func (Source) Type() string { return "age" }

var block = &schema.Block{
	Doc: "The content of a file that is encrypted with age, binary or armored.",
	Attributes: map[string]*schema.Attribute{
		"path":          {Type: cty.String, Required: true, Doc: "Path of the encrypted file; relative to the configuration."},
		"identity_file": IdentityFile(),
		"binary":        {Type: cty.Bool, Optional: true, Default: cty.False, Doc: "The content need not be text: it is in content_base64 only."},

		"content":        {Type: cty.String, Computed: true, Sensitive: true, Doc: "The decrypted text, at most 100 MiB."},
		"content_base64": {Type: cty.String, Computed: true, Sensitive: true, Doc: "The same in base64."},
	},
}

// IdentityFile is the argument that names the keys.
func IdentityFile() *schema.Attribute {
	return &schema.Attribute{Type: cty.String, Optional: true,
		Doc: "A file of age identities (AGE-SECRET-KEY-1…). Default: the keys that open the state."}
}

// Schema describes the block.
func (Source) Schema() *schema.Block { return block }

// Read decrypts the file.
func (Source) Read(ctx context.Context, req data.Request) data.Response {
	path := providers.Str(req.Config, "path")
	keys, diags := Keys(req.Address, req.BaseDir, providers.Str(req.Config, "identity_file"), req.Outside)
	if diags.HasErrors() {
		return data.Failed(diags)
	}
	plain, err := ReadFile(ctx, data.Locate(req.BaseDir, path), keys)
	if err == nil && !providers.Bool(req.Config, "binary") && !utf8.Valid(plain) {
		err = fmt.Errorf("its content is not UTF-8 text; with binary = true it is in content_base64")
	}
	if err != nil {
		return data.Failed(Unreadable(req.Address, cty.GetAttrPath("path"), path, err))
	}
	values := map[string]cty.Value{"content_base64": cty.StringVal(base64.StdEncoding.EncodeToString(plain))}
	if !providers.Bool(req.Config, "binary") {
		values["content"] = cty.StringVal(string(plain))
	}
	return data.Response{Values: values}
}

// Unreadable says why an encrypted file cannot be read.
func Unreadable(address string, at cty.Path, path string, err error) hcl.Diagnostics {
	return providers.ErrorAt(at, "File not decrypted", fmt.Sprintf("%s cannot read %q: %s.", address, path, err))
}
