package lang

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang/fastparse"
	"github.com/stowage-iac/stowage/lang/nesting"
	"github.com/stowage-iac/stowage/lang/numbers"
)

const (
	// maxFileSize bounds one configuration, variables or template file.
	maxFileSize = 64 << 20
	// maxInstances bounds count and for_each.
	maxInstances = 1_000_000
	// maxRounds bounds the blocks that the dynamic blocks of one instance make.
	maxRounds = 100_000
	// maxSyntaxErrors is how many are reported of one file.
	maxSyntaxErrors = 20
	// maxValue bounds a local value and the text of an argument; see tooLarge.
	maxValue = 64 << 20
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
	if f := fastparse.Config(src, filename); f != nil {
		return f, nil
	}
	if at := nesting.InConfig(src, filename); at != nil {
		return empty, hcl.Diagnostics{{
			Severity: hcl.DiagError,
			Summary:  "Nested too deeply",
			Detail:   fmt.Sprintf("Expressions and blocks nest more than %d levels here. Use locals for parts of it.", nesting.Max),
			Subject:  at,
		}}
	}
	if d := numbers.InConfig(src, filename); d != nil {
		return empty, hcl.Diagnostics{d}
	}
	f, diags := hclsyntax.ParseConfig(src, filename, hcl.InitialPos)
	bound(f)
	if len(diags) > maxSyntaxErrors { // it is no HCL at all
		diags = append(diags[:maxSyntaxErrors:maxSyntaxErrors], &hcl.Diagnostic{
			Severity: hcl.DiagError, Summary: "Too many errors in one file", Subject: &hcl.Range{Filename: filename, Start: hcl.InitialPos, End: hcl.InitialPos},
			Detail: fmt.Sprintf("The file %s has %d more syntax errors. Mend the first ones; they may be the cause of the others.", filename, len(diags)-maxSyntaxErrors),
		})
	}
	return f, diags
}

// bound makes the operators of a parsed file keep to the bounds of numbers. Those of
// fastparse have none.
func bound(f *hcl.File) {
	if body, ok := f.Body.(*hclsyntax.Body); ok {
		numbers.Bound(body)
	}
}

// Parse parses a file within the bounds of Load.
func Parse(src []byte, filename string) (*hcl.File, hcl.Diagnostics) { return parse(src, filename) }

// tooLarge reports whether a value has more than maxValue bytes, elements counted
// as 16 bytes each. Parts that are shared count each time: whatever walks the value
// meets them each time. Twenty local values that each double the one before would
// otherwise fill any memory.
func tooLarge(v cty.Value) bool { return measure(v, maxValue) < 0 }

// measure is what is left of a budget.
func measure(v cty.Value, left int) int {
	if left -= 16; left < 0 || v == cty.NilVal {
		return left
	}
	v, _ = v.Unmark()
	if !v.IsKnown() || v.IsNull() {
		return left
	}
	switch ty := v.Type(); {
	case ty == cty.String:
		return left - len(v.AsString())
	case ty == cty.Number:
		if digits := numbers.Digits(v); digits > 32 {
			left -= digits
		}
		return left
	case ty.IsPrimitiveType() || !v.CanIterateElements():
		return left
	}
	if 16*v.LengthInt() > left {
		return -1
	}
	for it := v.ElementIterator(); it.Next() && left >= 0; {
		_, e := it.Element()
		left = measure(e, left)
	}
	return left
}
