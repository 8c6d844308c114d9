// Package sops is the source "sops": a YAML, JSON, dotenv or binary file that sops
// encrypted to age recipients. Reading one is small and sops' own library is not
// (44 MB): the format is AES-256-GCM per value, with the value's place
// authenticated, and a MAC over all values.
package sops

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/lang/schema"
	"github.com/stowage-iac/stowage/providers"
	"github.com/stowage-iac/stowage/providers/data"
	"github.com/stowage-iac/stowage/providers/data/age"
)

// Source implements data.Source.
type Source struct{}

// Type is "sops".
func (Source) Type() string { return "sops" }

// Formats are the formats of files.
var Formats = []string{"yaml", "json", "dotenv", "binary"}

var block = &schema.Block{
	Doc: "A file that sops encrypted to age recipients. Its MAC is verified.",
	Attributes: map[string]*schema.Attribute{
		"path":          {Type: cty.String, Required: true, Doc: "Path of the encrypted file; relative to the configuration."},
		"format":        {Type: cty.String, Optional: true, Validate: providers.OneOf(Formats...), Doc: "\"yaml\", \"json\", \"dotenv\" or \"binary\". Default: by the path's extension (.yaml, .yml, .json, .env), else binary, as for sops."},
		"identity_file": age.IdentityFile(),

		"content": {Type: cty.String, Computed: true, Sensitive: true, Doc: "The whole decrypted file, without comments."},
		"values":  {Type: cty.DynamicPseudoType, Computed: true, Doc: "The values as an object; null of a binary file. Those that were encrypted are sensitive."},
	},
}

// Schema describes the block.
func (Source) Schema() *schema.Block { return block }

// Concealed is the values: which of them were encrypted is known once they are read.
func (Source) Concealed() []string { return []string{"values"} }

// Read decrypts the file.
func (Source) Read(ctx context.Context, req data.Request) data.Response {
	path := providers.Str(req.Config, "path")
	keys, diags := age.Keys(req.Address, req.BaseDir, providers.Str(req.Config, "identity_file"), req.Outside)
	if diags.HasErrors() {
		return data.Failed(diags)
	}
	d, err := ReadFile(ctx, data.Locate(req.BaseDir, path), providers.Str(req.Config, "format"), keys)
	if err != nil {
		return data.Failed(age.Unreadable(req.Address, cty.GetAttrPath("path"), path, err))
	}
	return data.Response{Values: map[string]cty.Value{"content": cty.StringVal(d.Content), "values": d.Values}}
}

// Document is a decrypted file.
type Document struct {
	Content string
	// Values is an object, null of a binary file. What was encrypted is marked sensitive.
	Values cty.Value
}

// ReadFile reads and decrypts a file; format "" goes by its extension. The error
// is a clause about the file that quotes no value.
func ReadFile(ctx context.Context, path, format string, keys age.Keyset) (Document, error) {
	b, _, err := data.ReadFile(ctx, path, data.MaxBytes)
	if err != nil {
		return Document{}, err
	}
	if format == "" {
		format = formatOf(path)
	}
	return Decrypt(b, format, keys)
}

func formatOf(path string) string {
	switch filepath.Ext(path) {
	case ".yaml", ".yml":
		return "yaml"
	case ".json":
		return "json"
	case ".env":
		return "dotenv"
	}
	return "binary"
}

// Decrypt decrypts a file of one of the Formats.
func Decrypt(b []byte, format string, keys age.Keyset) (Document, error) {
	parse, write := parseJSON, writeJSON
	switch format {
	case "yaml":
		parse, write = parseYAML, writeYAML
	case "dotenv":
		parse, write = parseDotenv, writeDotenv
	}
	doc, err := parse(b)
	if err != nil {
		return Document{}, err
	}
	if doc, err = decrypt(doc, keys); err != nil {
		return Document{}, err
	}
	if format == "binary" {
		return binary(doc)
	}
	values, err := value(doc)
	if err != nil {
		return Document{}, err
	}
	content, err := write(plain(doc).(mapping))
	if err != nil {
		return Document{}, fmt.Errorf("it cannot be written as %s: %w", format, err)
	}
	return Document{string(content), values}, nil
}

// binary is the file within the one value of the document.
func binary(doc mapping) (Document, error) {
	s, ok := plain(doc.get("data")).(string)
	if !ok || len(doc) != 1 {
		return Document{}, errors.New("it is not a binary file: set format to \"json\", \"yaml\" or \"dotenv\"")
	}
	if !utf8.ValidString(s) {
		return Document{}, errors.New("its content is not UTF-8 text; encrypt it in base64, and decode it where it is used")
	}
	return Document{s, cty.NullVal(cty.DynamicPseudoType)}, nil
}

// At is a part of the values: names of an object, or numbers of a list. The error
// is a clause that names what there is.
func (d Document) At(path []string) (cty.Value, error) {
	v := d.Values
	for i, name := range path {
		var marks cty.ValueMarks
		v, marks = v.Unmark()
		switch ty := v.Type(); {
		case v.IsNull():
			return cty.NilVal, fmt.Errorf("there is nothing at %q", strings.Join(path[:i], "."))
		case ty.IsObjectType() && ty.HasAttribute(name):
			v = v.GetAttr(name)
		case ty.IsObjectType():
			var names []string
			for n := range ty.AttributeTypes() {
				names = append(names, n)
			}
			hint := ""
			if s := lang.Suggest(name, names); s != "" {
				hint = fmt.Sprintf("; did you mean %q?", s)
			}
			return cty.NilVal, fmt.Errorf("it has no %q%s", strings.Join(path[:i+1], "."), hint)
		case ty.IsTupleType():
			n := -1
			if _, err := fmt.Sscanf(name, "%d", &n); err != nil || n < 0 || n >= ty.Length() {
				return cty.NilVal, fmt.Errorf("%q is a list of %d, and has no %q", strings.Join(path[:i], "."), ty.Length(), name)
			}
			v = v.Index(cty.NumberIntVal(int64(n)))
		default:
			return cty.NilVal, fmt.Errorf("%q is a value and has nothing within", strings.Join(path[:i], "."))
		}
		v = v.WithMarks(marks)
	}
	return v, nil
}
