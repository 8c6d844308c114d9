// Package version is the command that says what this binary is.
package version

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/cli"
)

// Info is what -json prints.
type Info struct {
	Version  string `json:"stowage_version"`
	Commit   string `json:"commit,omitempty"` // with + when the checkout had changes
	Date     string `json:"commit_date,omitempty"`
	Platform string `json:"platform"`
	Go       string `json:"go_version"`
}

// Read is the information on this binary: the version is set by the linker, the commit is recorded by the go command.
func Read() Info {
	i := Info{Version: api.StowageVersion, Platform: runtime.GOOS + "_" + runtime.GOARCH, Go: runtime.Version()}
	b, ok := debug.ReadBuildInfo()
	if !ok {
		return i
	}
	for _, s := range b.Settings {
		switch {
		case s.Key == "vcs.revision" && len(s.Value) >= 12:
			i.Commit = s.Value[:12] + i.Commit
		case s.Key == "vcs.modified" && s.Value == "true":
			i.Commit += "+"
		case s.Key == "vcs.time":
			i.Date = s.Value
		}
	}
	return i
}

// String is what people read.
func (i Info) String() string {
	s := fmt.Sprintf("Stowage v%s\non %s", i.Version, i.Platform)
	if i.Commit != "" {
		s += ", commit " + i.Commit
	}
	return s
}

// Command is "version".
func Command() *cli.Command {
	return &cli.Command{
		Name: "version", Synopsis: "Print the version", Usage: "[options]",
		Doc:     "Prints the version of this binary, its platform and the commit it was built from.",
		Example: "$ stowage version -json",
		Plain:   true,
		Bind: func(f *cli.Flags) cli.Run {
			asJSON := f.Bool("json", false, "Print a JSON object")
			return func(_ context.Context, t *cli.Terminal, _ []string) int {
				if !*asJSON {
					fmt.Fprintln(t.Out, Read())
					return cli.OK
				}
				e := json.NewEncoder(t.Out)
				e.SetIndent("", "  ")
				if err := e.Encode(Read()); err != nil {
					return t.Usage("stowage version: %v", err)
				}
				return cli.OK
			}
		},
	}
}
