package cli

import (
	"os"
	"strings"

	"github.com/posener/complete"
)

// compLine is what a shell sets when it asks for completions: the line so far.
const compLine = "COMP_LINE"

// completing works off the global options of the line that is being completed, as
// far as they are written out: what follows is completed in that directory and
// context, and as if they were not there.
func (a *App) completing(t *Terminal, line string) {
	name, rest, _ := strings.Cut(line, " ")
	for {
		rest = strings.TrimLeft(rest, " ")
		words := strings.SplitN(rest, " ", 3)
		if len(words) < 2 || !strings.HasPrefix(words[0], "-") {
			break
		}
		n := 1
		option := strings.TrimLeft(words[0], "-")
		if option == "chdir" || option == "context" {
			n = 2
		}
		if len(words) <= n {
			break // its value is being typed
		}
		if left, err := a.globals(t, words[:n]); err != nil || len(left) > 0 {
			break
		}
		rest = strings.Join(words[n:], " ")
	}
	os.Setenv(compLine, name+" "+rest)
}

// globalFlags are completed before the command.
func (a *App) globalFlags() complete.Flags {
	return complete.Flags{"-chdir": complete.PredictDirs("*"), "-context": words(a.Contexts), "-no-color": complete.PredictNothing}
}

// words predicts what f returns; nil predicts nothing.
func words(f func() []string) complete.Predictor {
	if f == nil {
		return complete.PredictNothing
	}
	return complete.PredictFunc(func(complete.Args) []string { return f() })
}
