// Package command is the explicit list of the commands. Each has a folder below.
package command

import (
	"github.com/stowage-iac/stowage/cmd/stowage/internal/cli"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/command/apply"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/command/completion"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/command/console"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/command/contexts"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/command/destroy"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/command/forceunlock"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/command/format"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/command/functions"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/command/graph"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/command/imports"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/command/initialize"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/command/kinds"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/command/output"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/command/plan"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/command/show"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/command/state"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/command/test"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/command/validate"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/command/version"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/run"
)

// App is the program with all its commands.
func App() *cli.App {
	return &cli.App{
		Version:  version.Read().String(),
		Contexts: run.ContextNames,
		Elsewhere: map[string]string{
			"get": "stowage init brings modules", "providers": "kinds are built in, stowage kinds lists them",
			"refresh": "stowage apply -refresh-only records what is there", "taint": "stowage apply -replace=ADDRESS makes it anew",
			"untaint": "nothing is tainted, -replace is said to a plan", "workspace": "contexts stand for workspaces, see stowage context list",
			"login": "backends take their credentials from the environment or a profile", "logout": "backends take their credentials from the environment or a profile",
			"metadata":               "stowage functions -json and stowage kinds -json describe the language",
			"state replace-provider": "there are no providers",
		},
		Commands: []*cli.Command{
			apply.Command(),
			completion.Command(),
			console.Command(),
			contexts.Current(),
			contexts.List(),
			contexts.Set(),
			contexts.Show(),
			contexts.Unset(),
			contexts.Use(),
			destroy.Command(),
			forceunlock.Command(),
			format.Command(),
			functions.Command(),
			graph.Command(),
			imports.Command(),
			initialize.Command(),
			kinds.Command(),
			output.Command(),
			plan.Command(),
			show.Command(),
			state.History(),
			state.List(),
			state.Move(),
			state.Pull(),
			state.Push(),
			state.Rekey(),
			state.Remove(),
			state.Restore(),
			state.Show(),
			test.Command(),
			validate.Command(),
			version.Command(),
		},
	}
}
