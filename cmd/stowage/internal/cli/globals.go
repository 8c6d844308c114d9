package cli

import (
	"fmt"
	"os"
	"strings"
)

// globals handles the options before the command and returns what follows them.
func (a *App) globals(t *Terminal, args []string) ([]string, error) {
	for len(args) > 0 && strings.HasPrefix(args[0], "-") {
		name, value, given := strings.Cut(strings.TrimPrefix(args[0][1:], "-"), "=")
		switch name {
		case "chdir":
			if !given {
				if len(args) < 2 {
					return nil, fmt.Errorf("global option -chdir needs a directory: -chdir=DIR")
				}
				value, args = args[1], args[1:]
			}
			if err := os.Chdir(value); err != nil {
				return nil, fmt.Errorf("global option -chdir: %v", err)
			}
		case "context":
			if !given && len(args) > 1 {
				value, args = args[1], args[1:]
			}
			if err := t.setContext(value); err != nil {
				return nil, fmt.Errorf("global option -context needs a name: -context=NAME")
			}
		case "no-color":
			t.NoColor()
		case "h", "help", "v", "version", "install-autocomplete", "uninstall-autocomplete":
			return args[:1], nil
		default:
			known := []string{"chdir", "context", "no-color", "help", "version", "install-autocomplete", "uninstall-autocomplete"}
			return nil, fmt.Errorf("unknown global option -%s%s (see \"%s -h\")",
				name, didYouMean(name, known, "-"), Name)
		}
		args = args[1:]
	}
	return args, nil
}

// withEnvironment puts the arguments of STOWAGE_CLI_ARGS and of
// STOWAGE_CLI_ARGS_<command> (state list: STOWAGE_CLI_ARGS_state_list) before
// those of the command line, which therefore win.
func withEnvironment(getenv func(string) string, command string, args []string) ([]string, error) {
	var out []string
	for _, name := range []string{"STOWAGE_CLI_ARGS", "STOWAGE_CLI_ARGS_" + strings.ReplaceAll(command, " ", "_")} {
		words, err := shellWords(getenv(name))
		if err != nil {
			return nil, fmt.Errorf("environment variable %s: %v", name, err)
		}
		out = append(out, words...)
	}
	return append(out, args...), nil
}

// shellWords splits text as a shell would: spaces separate, quotes and
// backslashes keep together. Nothing is expanded.
func shellWords(s string) ([]string, error) {
	var words []string
	var word strings.Builder
	in, quote := false, rune(0)
	runes := []rune(s)
	for i := 0; i < len(runes); i++ {
		r := runes[i]
		switch {
		case r == '\\' && quote != '\'' && i+1 < len(runes):
			i++
			word.WriteRune(runes[i])
			in = true
		case quote != 0:
			if r == quote {
				quote = 0
			} else {
				word.WriteRune(r)
			}
		case r == '\'' || r == '"':
			quote, in = r, true
		case r == ' ' || r == '\t' || r == '\n':
			if in {
				words = append(words, word.String())
			}
			word.Reset()
			in = false
		default:
			word.WriteRune(r)
			in = true
		}
	}
	if quote != 0 {
		return nil, fmt.Errorf("a quote %c is not closed", quote)
	}
	if in {
		words = append(words, word.String())
	}
	return words, nil
}
