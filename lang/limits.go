package lang

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hcled"
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
	empty := &hcl.File{Body: &hclsyntax.Body{}, Bytes: src, Nav: brokenNav{}}
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
	if diags := hopeless(src, filename); diags != nil {
		return empty, fewer(diags, filename)
	}
	if d := unparsable(src, filename); d != nil {
		return empty, hcl.Diagnostics{d}
	}
	f, diags := hclsyntax.ParseConfig(src, filename, hcl.InitialPos)
	bound(f)
	if diags.HasErrors() {
		f.Nav = brokenNav{f.Nav, strings.HasSuffix(filename, Suffix) || strings.HasSuffix(filename, ".test.hcl")}
	}
	return f, fewer(diags, filename)
}

// Broken reports whether a file has errors of syntax: what was read of it need not be what is meant.
func Broken(file *hcl.File) bool {
	_, is := file.Nav.(brokenNav)
	return is
}

// brokenNav is the Nav of a broken file. What it takes for the labels of a block may be anything, a secret as well.
type brokenNav struct {
	nav       any
	hasBlocks bool // a configuration, and not a file of values
}

// ContextString is what hcled.ContextString asks for.
func (n brokenNav) ContextString(offset int) string {
	if !n.hasBlocks {
		return ""
	}
	return likelyHeader.FindString(hcled.ContextString(&hcl.File{Nav: n.nav}, offset))
}

// ContextDefRange is what hcled.ContextDefRange asks for.
func (n brokenNav) ContextDefRange(offset int) hcl.Range {
	return hcled.ContextDefRange(&hcl.File{Nav: n.nav}, offset)
}

var likelyHeader = regexp.MustCompile(`^\w+( "[\w.-]+"){0,2}$`)

// hopeless are the errors of the beginning of a large file, where they are so many that
// the file is no HCL at all. An error takes a kilobyte and a token a tenth of that: ten
// megabytes of something else would fill the memory. What is open where a beginning ends
// makes errors, too, so that it takes two beginnings.
func hopeless(src []byte, filename string) hcl.Diagnostics {
	doubtful := false
	for size := 64 << 10; size < len(src); size *= 4 {
		head := src[:size]
		if n := bytes.LastIndexByte(head, '\n'); n >= 0 {
			head = head[:n+1]
		}
		if nesting.EndsInComment(head, filename) {
			continue // of which all would be errors
		}
		if d := unparsable(head, filename); d != nil {
			return hcl.Diagnostics{d}
		}
		_, diags := hclsyntax.ParseConfig(head, filename, hcl.InitialPos)
		switch bad := len(diags) > 5*maxSyntaxErrors || dense(head) && slices.ContainsFunc(diags, wrongAnyway); {
		case bad && doubtful:
			return diags
		default:
			doubtful = bad
		}
	}
	return nil
}

// wrongAnyway reports whether an error of the beginning of a file is one of the file,
// whatever follows.
func wrongAnyway(d *hcl.Diagnostic) bool {
	return d.Summary == "Argument or block definition required" || d.Summary == "Invalid character"
}

// dense reports whether most of a text is punctuation and ends of lines, each of which is a token.
func dense(src []byte) bool {
	n := 0
	for _, b := range src {
		if b == '\n' || b < 0x80 && b > ' ' && b != '_' && b != '-' && !('0' <= b && b <= '9') && !('a' <= b && b <= 'z') && !('A' <= b && b <= 'Z') {
			n++
		}
	}
	return n > len(src)/2
}

// unparsable is why a file is not even parsed.
func unparsable(src []byte, filename string) *hcl.Diagnostic {
	if d := nesting.InConfig(src, filename); d != nil {
		return d
	}
	return numbers.InConfig(src, filename)
}

// fewer leaves out the errors that nobody reads.
func fewer(diags hcl.Diagnostics, filename string) hcl.Diagnostics {
	if len(diags) <= maxSyntaxErrors {
		return diags
	}
	return append(diags[:maxSyntaxErrors:maxSyntaxErrors], &hcl.Diagnostic{
		Severity: hcl.DiagError, Summary: "Too many errors in one file", Subject: &hcl.Range{Filename: filename, Start: hcl.InitialPos, End: hcl.InitialPos},
		Detail: fmt.Sprintf("The file %s has at least %d more syntax errors. Mend the first ones; they may be the cause of the others.", filename, len(diags)-maxSyntaxErrors),
	})
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
