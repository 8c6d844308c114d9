// Package completion is the command that prints what a shell needs to complete
// stowage's commands and flags.
package completion

import (
	"context"
	"fmt"
	"os"

	"github.com/stowage-iac/stowage/cmd/stowage/internal/cli"
	"github.com/stowage-iac/stowage/lang"
)

// scripts are what each shell evaluates; %s is the path of the binary. They are
// what -install-autocomplete adds to the shells' start-up files.
var scripts = map[string]string{
	"bash": "complete -o nospace -C %[1]s stowage\n",
	"zsh":  "autoload -U +X bashcompinit && bashcompinit\ncomplete -o nospace -C %[1]s stowage\n",
	"fish": `function __complete_stowage
    set -lx COMP_LINE (commandline -cp)
    test -z (commandline -ct)
    and set COMP_LINE "$COMP_LINE "
    %[1]s
end
complete -f -c stowage -a "(__complete_stowage)"
`,
}

// shells are the keys of scripts, in the order of help.
var shells = []string{"bash", "zsh", "fish"}

// Command is "completion".
func Command() *cli.Command {
	return &cli.Command{
		Name: "completion", Synopsis: "Print a shell's completion script", Usage: "bash|zsh|fish",
		Doc: `Prints what the shell has to evaluate so that it completes commands, flags and
file names. "stowage -install-autocomplete" adds it to your shell's start-up
file instead.`,
		Example: "$ source <(stowage completion bash)\n$ stowage completion fish > ~/.config/fish/completions/stowage.fish",
		MinArgs: 1, MaxArgs: 1, Words: shells,
		Plain: true,
		Bind: func(*cli.Flags) cli.Run {
			return func(_ context.Context, t *cli.Terminal, args []string) int {
				script, ok := scripts[args[0]]
				if !ok {
					hint := ""
					if s := lang.Suggest(args[0], shells); s != "" {
						hint = fmt.Sprintf("; did you mean %q?", s)
					}
					return t.Usage("stowage completion: unknown shell %q: bash, zsh and fish are known%s", args[0], hint)
				}
				self, err := os.Executable()
				if err != nil {
					return t.Usage("stowage completion: the path of this binary is unknown: %v", err)
				}
				fmt.Fprintf(t.Out, script, self)
				return cli.OK
			}
		},
	}
}
