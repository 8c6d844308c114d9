package view

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"sort"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hcled"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang"
)

// Diagnostics writes errors and warnings, errors last so that they are seen
// first on a terminal. Within a severity they are in the order of the files.
// files serve for snippets, by the names that ranges use; a file that is not
// there is read from disk, or shown without its text.
func (v View) Diagnostics(w io.Writer, diags hcl.Diagnostics, files map[string]*hcl.File) error {
	if v.CompactWarnings && len(diags) > 0 && !diags.HasErrors() {
		_, err := io.WriteString(w, v.compact(sorted(diags)))
		return err
	}
	var b strings.Builder
	all := sorted(diags)
	left := max(0, len(all)-maxShown)
	for _, d := range all[left:] { // errors come last
		b.WriteString(v.diagnostic(d, files))
		b.WriteByte('\n')
	}
	if left > 0 {
		fmt.Fprintf(&b, "There are %d more errors and warnings: mend these first.\n\n", left)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// compact is a line or two for each kind of warning: its summary, the first place, and
// how many more there are.
func (v View) compact(warnings hcl.Diagnostics) string {
	var b strings.Builder
	b.WriteString(v.paint("yellow", "Warnings:") + "\n\n")
	count := map[string]int{}
	for _, d := range warnings {
		count[d.Summary]++
	}
	for _, d := range warnings {
		n := count[d.Summary]
		if n == 0 {
			continue
		}
		count[d.Summary] = 0
		b.WriteString("- " + printable(d.Summary) + "\n")
		switch at := place(d); {
		case at.Filename != "" && n > 1:
			fmt.Fprintf(&b, "  on %s line %d (and %d more)\n", printable(at.Filename), at.Start.Line, n-1)
		case at.Filename != "":
			fmt.Fprintf(&b, "  on %s line %d\n", printable(at.Filename), at.Start.Line)
		case n > 1:
			fmt.Fprintf(&b, "  (%d of them)\n", n)
		}
	}
	b.WriteString("\nFor more, run the same without -compact-warnings.\n\n")
	return b.String()
}

// maxShown is how many diagnostics are written out: nobody reads more at once.
const maxShown = 100

// sorted orders diagnostics: warnings before errors, then by place, then by text. Doubles are dropped.
func sorted(diags hcl.Diagnostics) hcl.Diagnostics {
	out := append(hcl.Diagnostics{}, diags...)
	sort.SliceStable(out, func(i, j int) bool {
		a, b := out[i], out[j]
		if a.Severity != b.Severity {
			return a.Severity == hcl.DiagWarning
		}
		pa, pb := place(a), place(b)
		switch {
		case pa.Filename != pb.Filename:
			return pa.Filename < pb.Filename
		case pa.Start.Byte != pb.Start.Byte:
			return pa.Start.Byte < pb.Start.Byte
		case a.Summary != b.Summary:
			return a.Summary < b.Summary
		}
		return a.Detail < b.Detail
	})
	kept := out[:0]
	for i, d := range out {
		if i > 0 && alike(out[i-1], d) {
			continue
		}
		kept = append(kept, d)
	}
	return kept
}

func place(d *hcl.Diagnostic) hcl.Range {
	if d.Subject == nil {
		return hcl.Range{}
	}
	return *d.Subject
}

func alike(a, b *hcl.Diagnostic) bool {
	return a.Severity == b.Severity && a.Summary == b.Summary && a.Detail == b.Detail && place(a) == place(b)
}

func (v View) diagnostic(d *hcl.Diagnostic, files map[string]*hcl.File) string {
	var b strings.Builder
	label, color := "Error", "red"
	if d.Severity == hcl.DiagWarning {
		label, color = "Warning", "yellow"
	}
	b.WriteString(v.paint(color, label+":") + " " + v.Bold(printable(d.Summary)) + "\n\n")
	if s := v.snippet(d, files); s != "" {
		b.WriteString(s + "\n")
	}
	if d.Detail != "" {
		b.WriteString(wrap(printable(d.Detail), v.Width) + "\n")
	}
	return b.String()
}

// snippet shows where it is: the file, the block, the source line and the values in scope.
func (v View) snippet(d *hcl.Diagnostic, files map[string]*hcl.File) string {
	if d.Subject == nil || d.Subject.Filename == "" {
		return ""
	}
	rng := *d.Subject
	file := fileOf(rng.Filename, files)
	var b strings.Builder
	b.WriteString("  on " + printable(rng.Filename))
	if rng.Start.Line > 0 {
		fmt.Fprintf(&b, " line %d", rng.Start.Line)
	}
	if file != nil {
		if block := hcled.ContextString(file, rng.Start.Byte); block != "" {
			b.WriteString(", in " + printable(block))
		}
	}
	b.WriteString(":\n")
	if file != nil {
		b.WriteString(v.source(rng, file, lang.HasSecretSubject(d)))
	}
	for _, s := range inScope(d) {
		b.WriteString("    " + s + "\n")
	}
	return b.String()
}

// fileOf finds a file's text and structure.
func fileOf(name string, files map[string]*hcl.File) *hcl.File {
	if f := files[name]; f != nil {
		return f
	}
	src, err := os.ReadFile(name)
	if err != nil {
		return nil
	}
	f, _ := lang.Parse(src, name)
	return f
}

// maxSource is how many lines of source a snippet shows.
const maxSource = 6

// source shows the lines of a range, what is meant underlined, or marked by carets where the terminal cannot.
// It looks at these lines only, whatever the size of the file. The literals of a secret range are left out.
func (v View) source(rng hcl.Range, file *hcl.File, secret bool) string {
	var b strings.Builder
	number, last := rng.Start.Line, max(rng.Start.Line, rng.End.Line)
	start := clamp(rng.Start.Byte, len(file.Bytes))
	start = bytes.LastIndexByte(file.Bytes[:start], '\n') + 1
	for shown := 0; number > 0 && number <= last && start < len(file.Bytes); number++ {
		first := number == rng.Start.Line
		if !first && start >= rng.End.Byte {
			break
		}
		if shown++; shown > maxSource {
			b.WriteString("     …\n")
			break
		}
		line := file.Bytes[start:]
		if n := bytes.IndexByte(line, '\n'); n >= 0 {
			line = line[:n+1]
		}
		text := strings.TrimRight(string(line), "\r\n")
		from := clamp(rng.Start.Byte-start, len(text))
		to := clamp(rng.End.Byte-start, len(text))
		if first && to <= from {
			to = min(from+1, len(text))
		}
		before, middle, after := v.parts(text, start, from, to, file, rng, secret)
		start += len(line)
		label := fmt.Sprintf("%4d: ", number)
		if v.Color {
			b.WriteString(label + before + v.paint("underline", middle) + after + "\n")
			continue
		}
		b.WriteString(label + before + middle + after + "\n")
		if first {
			b.WriteString(strings.Repeat(" ", len(label)) + blank(before) + strings.Repeat("^", max(1, columns(middle))) + "\n")
		}
	}
	return b.String()
}

// parts are what is shown of a line before, within and after [from, to). start is the
// line's offset in its file.
func (v View) parts(text string, start, from, to int, file *hcl.File, rng hcl.Range, secret bool) (before, middle, after string) {
	const enough = 20 * maxPart // sensitive values are left out of it yet
	low, high, shown := max(0, from-enough), min(len(text), to+enough), to
	if to-from > enough {
		high, shown = from+enough, from+enough
	}
	masks := literals(file, v.Schemas, rng, secret, start+low, start+high)
	before, middle, after = maskLine(text[low:high], start+low, from-low, shown-low, masks)
	before, middle, after = end(before), begin(middle), begin(after)
	if low > 0 && !strings.HasPrefix(before, "…") {
		before = "…" + before
	}
	if high < len(text) && !strings.HasSuffix(middle+after, "…") {
		after += "…"
	}
	return before, middle, after
}

// maxPart bounds, in bytes, what a snippet shows of a line before, within and after
// what is meant: there are files of a single line.
const maxPart = 200

// begin is the beginning of a part of a line.
func begin(s string) string {
	if len(s) <= maxPart {
		return s
	}
	return strings.ToValidUTF8(s[:maxPart], "") + "…"
}

// end is the end of a part of a line.
func end(s string) string {
	if len(s) <= maxPart {
		return s
	}
	return "…" + strings.ToValidUTF8(s[len(s)-maxPart:], "")
}

func clamp(n, limit int) int { return max(0, min(n, limit)) }

// blank is white space as wide as s; tabs stay tabs.
func blank(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r == '\t' {
			b.WriteByte('\t')
			continue
		}
		b.WriteString(strings.Repeat(" ", columns(string(r))))
	}
	return b.String()
}

// inScope tells the values of what the expression refers to, sorted. Sensitive
// values are named as such, collections by their type and size.
func inScope(d *hcl.Diagnostic) []string {
	if d.Expression == nil || d.EvalContext == nil {
		return nil
	}
	seen := map[string]bool{}
	var out []string
	for _, tr := range d.Expression.Variables() {
		name := traversalText(tr)
		if seen[name] {
			continue
		}
		seen[name] = true
		val, diags := tr.TraverseAbs(d.EvalContext)
		if diags.HasErrors() {
			continue
		}
		if text := scopeText(val); text != "" {
			out = append(out, name+" "+text)
		}
	}
	sort.Strings(out)
	return out
}

func scopeText(v cty.Value) string {
	switch {
	case lang.IsEphemeral(v):
		return "is an ephemeral value"
	case v.IsMarked():
		return "is a sensitive value"
	}
	switch ty := v.Type(); {
	case !v.IsKnown() && ty == cty.DynamicPseudoType:
		return "will be known only after apply"
	case !v.IsKnown():
		return "is a " + ty.FriendlyName() + ", known only after apply"
	case v.IsNull():
		return "is null"
	case ty.IsPrimitiveType():
		return "is " + short(inline(v), 80)
	case ty.IsObjectType():
		return "is object with " + plural(len(ty.AttributeTypes()), "attribute")
	case ty.IsCollectionType() || ty.IsTupleType():
		return "is " + ty.FriendlyNameForConstraint() + " with " + plural(v.LengthInt(), "element")
	}
	return ""
}

// short cuts text to n columns.
func short(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n-1]) + "…"
}

func traversalText(tr hcl.Traversal) string {
	var b strings.Builder
	for _, st := range tr {
		switch st := st.(type) {
		case hcl.TraverseRoot:
			b.WriteString(st.Name)
		case hcl.TraverseAttr:
			b.WriteString("." + st.Name)
		case hcl.TraverseIndex:
			b.WriteString("[" + inline(st.Key) + "]")
		default:
			b.WriteString("[…]")
		}
	}
	return b.String()
}
