// Package format is the canonical layout of configuration files.
package format

import (
	"bytes"

	"github.com/hashicorp/hcl/v2/hclwrite"
)

// Source returns src, which must be free of syntax errors, in the canonical layout.
func Source(src []byte) []byte {
	out := hclwrite.Format(src)
	out = bytes.TrimRight(out, "\n \t")
	if len(out) > 0 {
		out = append(out, '\n')
	}
	return out
}
