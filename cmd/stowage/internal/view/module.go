package view

import (
	"fmt"
	"io"

	"github.com/hashicorp/hcl/v2"

	"github.com/stowage-iac/stowage/lang/source"
)

// Module writes what init did for one source.
func (v View) Module(w io.Writer, m source.Installed) {
	text := "is there"
	switch {
	case m.Before != "" && m.Before != m.Commit:
		text = fmt.Sprintf("upgraded from %s", commitText(m.Before))
	case m.Fetched:
		text = "fetched"
	}
	fmt.Fprintf(w, "%s at %s: %s\n", v.Bold(printable(m.Source)), commitText(m.Commit), text)
}

func commitText(commit string) string { return commit[:min(len(commit), 12)] }

type moduleJSON struct {
	Source    string `json:"source"`
	Commit    string `json:"commit"`
	Before    string `json:"commit_before,omitempty"`
	Fetched   bool   `json:"fetched"`
	Directory string `json:"directory"`
}

// InitJSON writes the result of init.
func InitJSON(w io.Writer, modules []source.Installed, changed bool, diags hcl.Diagnostics, files map[string]*hcl.File) error {
	out := struct {
		FormatVersion string       `json:"format_version"`
		Modules       []moduleJSON `json:"modules"`
		LockChanged   bool         `json:"lock_file_changed"`
		Diagnostics   []Diagnostic `json:"diagnostics"`
	}{FormatVersion: "1.0", Modules: []moduleJSON{}, LockChanged: changed, Diagnostics: DiagnosticsJSON(diags, files)}
	for _, m := range modules {
		out.Modules = append(out.Modules, moduleJSON{m.Source, m.Commit, m.Before, m.Fetched, m.Location})
	}
	return JSON(w, out)
}
