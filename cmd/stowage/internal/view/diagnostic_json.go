package view

import (
	"io"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hcled"
)

// Diagnostic is a diagnostic in every -json output.
type Diagnostic struct {
	Severity string   `json:"severity"` // error, warning
	Summary  string   `json:"summary"`
	Detail   string   `json:"detail,omitempty"`
	Range    *Range   `json:"range,omitempty"`
	Block    string   `json:"block,omitempty"`  // that it is in: pod "web"
	Values   []string `json:"values,omitempty"` // in scope: p is "http"
}

// Range is a part of a file. Lines and columns count from 1, bytes from 0.
type Range struct {
	Filename string `json:"filename"`
	Start    Pos    `json:"start"`
	End      Pos    `json:"end"`
}

// Pos is a position in a file.
type Pos struct {
	Line   int `json:"line"`
	Column int `json:"column"`
	Byte   int `json:"byte"`
}

// DiagnosticsJSON are diagnostics for a program, in the order of Diagnostics. Never nil.
func DiagnosticsJSON(diags hcl.Diagnostics, files map[string]*hcl.File) []Diagnostic {
	out := []Diagnostic{}
	for _, d := range sorted(diags) {
		j := Diagnostic{Severity: "error", Summary: d.Summary, Detail: d.Detail, Values: inScope(d)}
		if d.Severity == hcl.DiagWarning {
			j.Severity = "warning"
		}
		if r := d.Subject; r != nil && r.Filename != "" {
			j.Range = &Range{r.Filename, Pos(r.Start), Pos(r.End)}
			if f := fileOf(r.Filename, files); f != nil {
				j.Block = hcled.ContextString(f, r.Start.Byte)
			}
		}
		out = append(out, j)
	}
	return out
}

// ValidationJSON writes the result of validate.
func ValidationJSON(w io.Writer, diags hcl.Diagnostics, files map[string]*hcl.File) error {
	list := DiagnosticsJSON(diags, files)
	out := struct {
		FormatVersion string       `json:"format_version"`
		Valid         bool         `json:"valid"`
		Errors        int          `json:"error_count"`
		Warnings      int          `json:"warning_count"`
		Diagnostics   []Diagnostic `json:"diagnostics"`
	}{FormatVersion: "1.0", Valid: !diags.HasErrors(), Diagnostics: list}
	for _, d := range list {
		if d.Severity == "error" {
			out.Errors++
		} else {
			out.Warnings++
		}
	}
	return JSON(w, out)
}
