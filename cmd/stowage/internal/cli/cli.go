// Package cli is the seam to the command line library: commands are declared as
// data (Command), and only this package imports mitchellh/cli and
// posener/complete, so that another library could take their place.
//
// What it adds to the library: one line and a suggestion for an unknown command
// or flag instead of a page, flags anywhere among the arguments, arguments from
// the environment, and signals that stop a command in two steps.
package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"sort"
	"strings"

	mcli "github.com/mitchellh/cli"
)

// Name of the program, in messages.
const Name = "stowage"

// Exit codes. plan -detailed-exitcode uses 2 for "there are changes".
const (
	OK          = 0
	Failed      = 1
	Changes     = 2
	Unformatted = 3 // fmt -check
	Interrupted = 130
)

// Command is one command, declared as data.
type Command struct {
	Name     string // "plan", "state list"
	Synopsis string // a few words, for the list of commands
	Usage    string // what follows the name: "[options] [PLAN]"
	Doc      string // what it does, in paragraphs
	Example  string // shell lines, each with its comment
	// MinArgs and MaxArgs bound the positional arguments; MaxArgs < 0: any number.
	MinArgs, MaxArgs int
	// CompleteArgs is a glob such as "*.hcl" or "*" for files, or "" for nothing.
	CompleteArgs string
	// Words completes positional arguments from fixed words instead.
	Words []string
	// Complete completes them from what there is here, such as the declared contexts.
	Complete func() []string
	// Plain: it reads neither configuration nor state, so that it takes no -context.
	Plain bool
	// Bind declares the flags and returns what runs when they are parsed.
	Bind func(*Flags) Run
}

// Run runs a command and returns the exit code. ctx ends with the first
// interrupt; see Interrupts for the second.
type Run func(ctx context.Context, t *Terminal, args []string) int

// App is the program.
type App struct {
	Commands []*Command
	// Elsewhere tells what stands for a command that other tools have, a clause by name.
	Elsewhere map[string]string
	// Version is printed by -version.
	Version string
	// Contexts are the names that complete -context.
	Contexts func() []string
}

// Main runs the program with the arguments of the process and returns its exit code.
func (a *App) Main(ctx context.Context, t *Terminal, args []string) int {
	if line := os.Getenv(compLine); line != "" {
		a.completing(t, line)
		return a.library(ctx, t, args)
	}
	args, err := a.globals(t, args)
	if err != nil {
		return t.Usage("%s: %v", Name, err)
	}
	if len(args) == 0 {
		fmt.Fprint(t.Err, a.help())
		return Failed
	}
	if args[0] == "help" {
		args = append(slices.Clone(args[1:]), "-help")
	}
	if strings.HasPrefix(args[0], "-") {
		return a.library(ctx, t, args)
	}
	name, rest, err := a.find(args)
	if err != nil {
		return t.Usage("%s: %v", Name, err)
	}
	if a.command(name) == nil {
		return a.below(t, name, rest)
	}
	rest, err = withEnvironment(t.Getenv, name, rest)
	if err != nil {
		return t.Usage("%s: %v", Name, err)
	}
	return a.library(ctx, t, append(strings.Fields(name), rest...))
}

// find is the command that args name, the longest name first.
func (a *App) find(args []string) (name string, rest []string, err error) {
	names := map[string]bool{}
	var list []string
	for _, c := range a.Commands {
		names[c.Name] = true
		list = append(list, c.Name)
		if parent, _, ok := strings.Cut(c.Name, " "); ok {
			names[parent] = true
		}
	}
	if len(args) > 1 && names[args[0]+" "+args[1]] {
		return args[0] + " " + args[1], args[2:], nil
	}
	if names[args[0]] && (a.command(args[0]) != nil || len(args) == 1 || strings.HasPrefix(args[1], "-")) {
		return args[0], args[1:], nil
	}
	typed := args[0]
	if names[args[0]] {
		typed = args[0] + " " + args[1]
	}
	hint := didYouMean(typed, list, "")
	if instead := a.Elsewhere[typed]; instead != "" {
		hint = ": " + instead
	}
	return "", nil, fmt.Errorf("unknown command %q%s (see \"%s -h\")", typed, hint, Name)
}

func (a *App) command(name string) *Command {
	for _, c := range a.Commands {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// below lists the commands below a word that is none itself: an error, unless
// help was asked for.
func (a *App) below(t *Terminal, name string, rest []string) int {
	var b strings.Builder
	fmt.Fprintf(&b, "Usage: %s %s COMMAND [options] [arguments]\n\nCommands:\n", Name, name)
	var below []*Command
	for _, c := range a.Commands {
		if strings.HasPrefix(c.Name, name+" ") {
			below = append(below, c)
		}
	}
	listed(&b, below, a.widest())
	fmt.Fprintf(&b, "\n\"%s %s COMMAND -h\" explains a command.\n", Name, name)
	if len(rest) > 0 && slices.Contains([]string{"-h", "-help", "--help"}, rest[0]) {
		fmt.Fprint(t.Out, b.String())
		return OK
	}
	fmt.Fprint(t.Err, b.String())
	return Failed
}

// library hands over to the library: dispatch, help, completion.
func (a *App) library(ctx context.Context, t *Terminal, args []string) int {
	l := &mcli.CLI{
		Name: Name, Version: a.Version, Args: args,
		Commands:              map[string]mcli.CommandFactory{},
		HelpFunc:              func(map[string]mcli.CommandFactory) string { return strings.TrimSuffix(a.help(), "\n") },
		HelpWriter:            t.Out,
		ErrorWriter:           t.Err,
		Autocomplete:          true,
		AutocompleteInstall:   "install-autocomplete",
		AutocompleteUninstall: "uninstall-autocomplete",

		AutocompleteGlobalFlags: a.globalFlags(),
	}
	for _, c := range a.Commands {
		l.Commands[c.Name] = func() (mcli.Command, error) { return &adapter{ctx, t, c, a.Contexts}, nil }
	}
	code, err := l.Run()
	if err != nil {
		return t.Usage("%s: %v", Name, err)
	}
	return code
}

// help is the list of commands.
func (a *App) help() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Usage: %s [global options] COMMAND [options] [arguments]\n\n", Name)
	b.WriteString("Stowage places containers on your hosts: a plan says where every one goes,\napply does exactly what it says, an agent on each host keeps it true.\n")
	for _, g := range []struct {
		title string
		names []string
	}{
		{"Main commands", []string{"validate", "plan", "apply", "destroy"}},
		{"Other commands", nil},
	} {
		fmt.Fprintf(&b, "\n%s:\n", g.title)
		listed(&b, a.group(g.names), a.widest())
	}
	b.WriteString(`
Global options (before the command):
  -chdir=DIR    Work in another directory
  -context=NAME Work in this context
  -no-color     No colours; the environment variable NO_COLOR does the same
  -version      Print the version
  -help         Print this page
  -install-autocomplete, -uninstall-autocomplete
                Set up completion in your shell (bash, zsh, fish)
`)
	fmt.Fprintf(&b, "\nExample:\n  $ %s plan -out=plan.stowage\n  $ %s apply plan.stowage\n\n\"%s COMMAND -h\" or \"%s help COMMAND\" explains a command.\n", Name, Name, Name, Name)
	return b.String()
}

// listed writes a line for each command.
func listed(b *strings.Builder, commands []*Command, width int) {
	for _, c := range commands {
		fmt.Fprintf(b, "  %-*s  %s\n", width, c.Name, c.Synopsis)
	}
}

// widest is the length of the longest name.
func (a *App) widest() int {
	n := 0
	for _, c := range a.Commands {
		n = max(n, len(c.Name))
	}
	return n
}

// group are the named commands, or those of no other group.
func (a *App) group(names []string) []*Command {
	if names != nil {
		var out []*Command
		for _, n := range names {
			if c := a.command(n); c != nil {
				out = append(out, c)
			}
		}
		return out
	}
	main := map[string]bool{"validate": true, "plan": true, "apply": true, "destroy": true}
	var out []*Command
	for _, c := range a.Commands {
		if !main[c.Name] {
			out = append(out, c)
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return out
}

// Help is a command's page.
func (c *Command) Help() string {
	f := newFlags(c.Name)
	c.Bind(f)
	if !c.Plain {
		f.context(&Terminal{}, nil)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Usage: %s\n\n%s\n", strings.TrimSpace(Name+" "+c.Name+" "+c.Usage), strings.TrimSpace(c.Doc))
	if s := f.help(); s != "" {
		b.WriteString("\nOptions:\n" + s)
	}
	b.WriteString("\nExample:\n")
	for _, l := range strings.Split(strings.TrimSpace(c.Example), "\n") {
		b.WriteString(strings.TrimRight("  "+strings.TrimSpace(l), " ") + "\n")
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// writeLine writes one line to w.
func writeLine(w io.Writer, format string, args ...any) {
	fmt.Fprintf(w, format+"\n", args...)
}
