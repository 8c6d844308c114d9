// Package file is the source "file": the content of a file, or what a directory
// holds, of the machine that runs stowage.
package file

import (
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/lang/schema"
	"github.com/stowage-iac/stowage/providers"
	"github.com/stowage-iac/stowage/providers/data"
)

// Source implements data.Source.
type Source struct{}

// Type is "file".
func (Source) Type() string { return "file" }

var block = &schema.Block{
	Doc: "The content of a file of the machine that runs stowage, or the files of a directory and their digest.",
	Attributes: map[string]*schema.Attribute{
		"path":      {Type: cty.String, Required: true, Doc: "Path of a file or directory; relative to the configuration, ~/ is the home directory."},
		"binary":    {Type: cty.Bool, Optional: true, Default: cty.False, Doc: "The content need not be text: it is in content_base64 only."},
		"sensitive": data.SensitiveArgument(false),

		"content":        {Type: cty.String, Computed: true, Doc: "The text of the file, at most 100 MiB; null of a directory."},
		"content_base64": {Type: cty.String, Computed: true, Doc: "The same in base64."},
		"files":          {Type: cty.List(cty.String), Computed: true, Doc: "Of a directory: paths of all files and links below it, sorted; null of a file."},
		"md5":            {Type: cty.String, Computed: true, Doc: "MD5 of the content in hex; null of a directory."},
		"mode":           {Type: cty.String, Computed: true, Doc: "Permissions, octal: \"0644\"."},
		"sha1":           {Type: cty.String, Computed: true, Doc: "SHA-1 of the content in hex; null of a directory."},
		"sha256":         {Type: cty.String, Computed: true, Doc: "SHA-256 of the content in hex. Of a directory: that of the lines \"SHA256  PATH\" of its files, sorted by path, as sha256sum writes them."},
		"size":           {Type: cty.Number, Computed: true, Doc: "Bytes; of a directory, of all files together."},
	},
}

// Schema describes the block.
func (Source) Schema() *schema.Block { return block }

// Concealed is what tells of the content.
func (Source) Concealed() []string {
	return []string{"content", "content_base64", "md5", "sha1", "sha256"}
}

// Read reads the file or directory.
func (Source) Read(ctx context.Context, req data.Request) data.Response {
	given := providers.Str(req.Config, "path")
	path := data.Locate(req.BaseDir, given)
	sensitive := providers.Bool(req.Config, "sensitive")
	var values map[string]cty.Value
	content, info, err := data.ReadFile(ctx, path, data.MaxBytes)
	switch {
	case errors.Is(err, data.ErrDirectory):
		values, err = tree(ctx, path)
	case err == nil:
		values, err = file(content, info, providers.Bool(req.Config, "binary"))
	}
	if err != nil {
		return data.Failed(providers.ErrorAt(cty.GetAttrPath("path"), "File not readable", fmt.Sprintf(
			"%s cannot read %s: %s.", req.Address, name(req, given), err)))
	}
	if sensitive {
		for _, name := range (Source{}).Concealed() {
			if v := values[name]; v != cty.NilVal {
				values[name] = v.WithMarks(lang.Sensitive)
			}
		}
	}
	return data.Response{Values: values}
}

// name is the path as the configuration has it, unless it is not to be shown.
func name(req data.Request, given string) string {
	if req.Sensitive {
		return "its file"
	}
	return fmt.Sprintf("%q", given)
}

var errNotText = errors.New("it is not UTF-8 text; with binary = true its content is in content_base64")

func file(content []byte, info fs.FileInfo, binary bool) (map[string]cty.Value, error) {
	text := cty.NullVal(cty.String)
	if !binary {
		if !utf8.Valid(content) {
			return nil, errNotText
		}
		text = cty.StringVal(string(content))
	}
	s256, s1, m5 := sha256.Sum256(content), sha1.Sum(content), md5.Sum(content)
	return map[string]cty.Value{
		"content":        text,
		"content_base64": cty.StringVal(base64.StdEncoding.EncodeToString(content)),
		"md5":            hexVal(m5[:]),
		"mode":           mode(info),
		"sha1":           hexVal(s1[:]),
		"sha256":         hexVal(s256[:]),
		"size":           cty.NumberIntVal(int64(len(content))),
	}, nil
}

func hexVal(sum []byte) cty.Value { return cty.StringVal(hex.EncodeToString(sum)) }

func mode(info fs.FileInfo) cty.Value {
	m := info.Mode()
	bits := uint32(m.Perm())
	for flag, bit := range map[fs.FileMode]uint32{fs.ModeSetuid: 0o4000, fs.ModeSetgid: 0o2000, fs.ModeSticky: 0o1000} {
		if m&flag != 0 {
			bits |= bit
		}
	}
	return cty.StringVal(fmt.Sprintf("%04o", bits))
}
