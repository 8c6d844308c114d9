package providers

import (
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// Errorf makes the diagnostics of one failure: a constant summary and a sentence or two of detail.
func Errorf(summary, detail string) hcl.Diagnostics {
	return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: summary, Detail: detail}}
}

// At is the part of a block's value that a diagnostic is about. A kind knows no
// source ranges: it puts At into Diagnostic.Extra, and the planner points to the
// argument or nested block there.
type At cty.Path

// ErrorAt is Errorf for a part of the block's value.
func ErrorAt(at cty.Path, summary, detail string) hcl.Diagnostics {
	return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: summary, Detail: detail, Extra: At(at)}}
}

// OneOf is a schema validation: the value is one of these.
func OneOf(values ...string) func(cty.Value) error {
	return func(v cty.Value) error {
		for _, s := range values {
			if v.AsString() == s {
				return nil
			}
		}
		return fmt.Errorf("%q is not %s", v.AsString(), Words(values, "or"))
	}
}

// Words writes "a", "b" or "c".
func Words(list []string, last string) string {
	quoted := make([]string, len(list))
	for i, w := range list {
		quoted[i] = fmt.Sprintf("%q", w)
	}
	if len(quoted) < 2 {
		return strings.Join(quoted, "")
	}
	n := len(quoted) - 1
	return strings.Join(quoted[:n], ", ") + " " + last + " " + quoted[n]
}
