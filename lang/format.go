package lang

import (
	"github.com/hashicorp/hcl/v2"

	"github.com/stowage-iac/stowage/lang/format"
)

// Format brings a file into the canonical layout. It is idempotent. Syntax
// errors leave src as it is.
func Format(src []byte, filename string) ([]byte, hcl.Diagnostics) {
	if _, diags := parse(src, filename); diags.HasErrors() {
		return src, diags
	}
	return format.Source(src), nil
}
