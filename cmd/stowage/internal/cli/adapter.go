package cli

import (
	"context"
	"fmt"

	"github.com/posener/complete"
)

// adapter makes a Command one of the library's.
type adapter struct {
	ctx     context.Context
	t       *Terminal
	command *Command
	names   func() []string // of contexts
}

// Synopsis, Help and Run implement the library's Command.
func (a *adapter) Synopsis() string { return a.command.Synopsis }

// Help is the command's page.
func (a *adapter) Help() string { return a.command.Help() }

// Run parses the flags and runs the command.
func (a *adapter) Run(args []string) int {
	c := a.command
	f := newFlags(c.Name)
	run := c.Bind(f)
	a.common(f)
	rest, err := f.parse(args)
	if err == nil {
		err = c.count(rest)
	}
	if err != nil {
		return a.t.Usage("%s %s: %v (see \"%s %s -h\")", Name, c.Name, err, Name, c.Name)
	}
	return run(a.ctx, a.t, rest)
}

// common declares the flags that every command takes, and -context.
func (a *adapter) common(f *Flags) {
	f.common(a.t)
	if !a.command.Plain {
		f.context(a.t, a.names)
	}
}

// count checks the number of positional arguments.
func (c *Command) count(args []string) error {
	switch {
	case len(args) < c.MinArgs:
		return fmt.Errorf("an argument is missing: %s %s %s", Name, c.Name, c.Usage)
	case c.MaxArgs == 0 && len(args) > 0:
		return fmt.Errorf("unexpected argument %q: it takes none", args[0])
	case c.MaxArgs >= 0 && len(args) > c.MaxArgs:
		return fmt.Errorf("unexpected argument %q: it takes at most %d", args[c.MaxArgs], c.MaxArgs)
	}
	return nil
}

// AutocompleteArgs implements the library's completion.
func (a *adapter) AutocompleteArgs() complete.Predictor {
	switch {
	case len(a.command.Words) > 0:
		return complete.PredictSet(a.command.Words...)
	case a.command.Complete != nil:
		return words(a.command.Complete)
	case a.command.CompleteArgs != "":
		return complete.PredictFiles(a.command.CompleteArgs)
	}
	return complete.PredictNothing
}

// AutocompleteFlags implements the library's completion.
func (a *adapter) AutocompleteFlags() complete.Flags {
	f := newFlags(a.command.Name)
	a.command.Bind(f)
	a.common(f)
	out := complete.Flags{"-help": complete.PredictNothing}
	for _, d := range f.list {
		var p complete.Predictor = complete.PredictAnything
		switch {
		case d.isBool:
			p = complete.PredictNothing
		case d.files != "":
			p = complete.PredictFiles(d.files)
		case d.words != nil:
			p = words(d.words)
		}
		out["-"+d.name] = p
	}
	return out
}
