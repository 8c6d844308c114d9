package contexts

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/stowage-iac/stowage/cmd/stowage/internal/cli"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/run"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/selection"
)

// Set is "context set".
func Set() *cli.Command {
	return &cli.Command{
		Name: "context set", Synopsis: "Keep your credentials of a context", Usage: "NAME VARIABLE[=VALUE]…",
		Doc: `Keeps environment variables that hold whenever a command works in the context, for
this directory and this user: credentials of a backend, the path of a key. What is
set in the environment itself wins. They are kept in
$XDG_CONFIG_HOME/stowage/contexts.json, mode 0600, and are never shown.

Without =VALUE the value is asked for, or read from standard input, so that it
stays out of your shell's history.`,
		Example: "$ stowage context set prod AWS_PROFILE=shop-prod\n$ stowage context set prod PGPASSWORD < password.txt",
		MinArgs: 2, MaxArgs: -1, Complete: run.ContextNames, Plain: true,
		Bind: func(*cli.Flags) cli.Run {
			return func(_ context.Context, t *cli.Terminal, args []string) int {
				return set(run.New(t), args[0], args[1:])
			}
		},
	}
}

// Unset is "context unset".
func Unset() *cli.Command {
	return &cli.Command{
		Name: "context unset", Synopsis: "Forget credentials of a context", Usage: "NAME VARIABLE…",
		Doc:     `Forgets environment variables that "stowage context set" keeps.`,
		Example: "$ stowage context unset prod AWS_PROFILE",
		MinArgs: 2, MaxArgs: -1, Complete: run.ContextNames, Plain: true,
		Bind: func(*cli.Flags) cli.Run {
			return func(_ context.Context, t *cli.Terminal, args []string) int {
				return unset(run.New(t), args[0], args[1:])
			}
		},
	}
}

// refused are variables that stowage reads before it knows the context, and why
// they cannot be kept.
var refused = map[string]string{
	run.ContextEnv: "it chooses the context", "XDG_CONFIG_HOME": "the file that would keep it is found by it", "HOME": "the file that would keep it is found by it",
	"STOWAGE_LOG": "it is read at the start", "STOWAGE_LOG_PATH": "it is read at the start", "STOWAGE_INPUT": "it is read at the start",
	"NO_COLOR": "it is read at the start", "TERM": "it is read at the start", "STOWAGE_IN_AUTOMATION": "it is read at the start",
}

// check says what is wrong with the name of a variable, or "".
func check(name string) string {
	if name == "" || strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") != "" || name[0] >= '0' && name[0] <= '9' {
		return "a name holds letters, digits and _ and does not begin with a digit"
	}
	if strings.HasPrefix(name, "STOWAGE_CLI_ARGS") {
		return "it is read at the start, before the context is known"
	}
	if why := refused[name]; why != "" {
		return why + ", before the context is known"
	}
	return ""
}

func set(r *run.Run, context string, args []string) int {
	cfg, _, diags := r.Contexts()
	if r.Report(diags) || r.Report(unknown(cfg, context)) {
		return cli.Failed
	}
	values := map[string]string{}
	for _, arg := range args {
		name, value, given := strings.Cut(arg, "=")
		if why := check(name); why != "" {
			return r.T.Usage("stowage context set: the variable %q cannot be kept: %s", name, why)
		}
		if !given {
			if len(args) > 1 {
				return r.T.Usage("stowage context set: only one value can be asked for at a time: give %s=VALUE, or set it alone", name)
			}
			var err error
			if value, err = read(r, context, name); err != nil {
				return r.Fail("Cannot read the value", err)
			}
		}
		values[name] = value
	}
	err := r.Keep(func(d *selection.Directory) {
		if d.Environment == nil {
			d.Environment = map[string]map[string]string{}
		}
		if d.Environment[context] == nil {
			d.Environment[context] = map[string]string{}
		}
		for name, value := range values {
			d.Environment[context][name] = value
		}
	})
	if err != nil {
		return r.Fail("Cannot keep the variables", err)
	}
	fmt.Fprintf(r.T.Out, "Kept %s for the context %s, for you in this directory.\n", strings.Join(run.Sorted(values), ", "), context)
	return cli.OK
}

// read asks for a value, or takes the first line of standard input.
func read(r *run.Run, context, name string) (string, error) {
	if r.T.Interactive() {
		value, err := r.T.Secret(fmt.Sprintf("%s in the context %s: ", name, context))
		return string(value), err
	}
	line, err := bufio.NewReader(io.LimitReader(r.T.In, 1<<20)).ReadString('\n')
	if err != nil && (err != io.EOF || line == "") {
		return "", fmt.Errorf("standard input has no line for %s: %w", name, err)
	}
	return strings.TrimRight(line, "\r\n"), nil
}

func unset(r *run.Run, context string, names []string) int {
	mine, err := r.Mine()
	if err != nil {
		return r.Fail("Cannot read your choices", err)
	}
	for _, name := range names {
		if _, kept := mine.Environment[context][name]; !kept {
			return r.T.Usage("stowage context unset: nothing is kept of %s in the context %s (see \"stowage context show %s\")", name, context, context)
		}
	}
	err = r.Keep(func(d *selection.Directory) {
		for _, name := range names {
			delete(d.Environment[context], name)
		}
	})
	if err != nil {
		return r.Fail("Cannot forget the variables", err)
	}
	fmt.Fprintf(r.T.Out, "Forgot %s of the context %s.\n", strings.Join(names, ", "), context)
	return cli.OK
}
