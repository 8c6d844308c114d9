package lang

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/stowage-iac/stowage/lang/nesting"
)

const (
	// maxFileSize bounds one configuration, variables or template file.
	maxFileSize = 64 << 20
	// maxInstances bounds count.
	maxInstances = 1_000_000
)

// parse parses a file after bounding what recursion it can cause.
func parse(src []byte, filename string) (*hcl.File, hcl.Diagnostics) {
	empty := &hcl.File{Body: &hclsyntax.Body{}, Bytes: src}
	if len(src) > maxFileSize {
		return empty, hcl.Diagnostics{{
			Severity: hcl.DiagError,
			Summary:  "File too large",
			Detail:   fmt.Sprintf("The file %s has %d bytes; at most %d are read. Split it, or read data with file() or csvdecode().", filename, len(src), maxFileSize),
			Subject:  &hcl.Range{Filename: filename, Start: hcl.InitialPos, End: hcl.InitialPos},
		}}
	}
	if at := nesting.InConfig(src, filename); at != nil {
		return empty, hcl.Diagnostics{{
			Severity: hcl.DiagError,
			Summary:  "Nested too deeply",
			Detail:   fmt.Sprintf("Expressions and blocks nest more than %d levels here. Use locals for parts of it.", nesting.Max),
			Subject:  at,
		}}
	}
	return hclsyntax.ParseConfig(src, filename, hcl.InitialPos)
}
