// Package console is the command that evaluates expressions as they are typed.
package console

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/cmd/stowage/internal/cli"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/run"
	"github.com/stowage-iac/stowage/lang"
)

// Command is "console".
func Command() *cli.Command {
	return &cli.Command{
		Name: "console", Synopsis: "Try expressions", Usage: "[options]",
		Doc: `Evaluates expressions of the language with the configuration, the variables and
the recorded state, if there are any, and shows their values; type(…) shows a
type. What has not been applied is (known after apply), or, with -plan, as it is
planned. Nothing is changed and no lock is taken.

On a terminal, lines can be edited, the tab key completes names, and an open
bracket continues on the next line; "exit" or ctrl-D ends. From a pipe, each line
is an expression, and the exit code is 1 when one of them has an error.`,
		Example: "$ stowage console\n$ echo 'cidrsubnet(\"10.0.0.0/16\", 8, 2)' | stowage console",
		Bind: func(f *cli.Flags) cli.Run {
			o := run.BindVariables(f)
			o.Bare = true
			plan := f.Bool("plan", false, "Make a plan first, and evaluate with what it says")
			f.BoolVar(&o.Refresh, "refresh", true, "With -plan: plan from the state alone, without looking at the hosts")
			return func(ctx context.Context, t *cli.Terminal, _ []string) int {
				return console(ctx, run.New(t), o, *plan)
			}
		},
	}
}

// name of what is typed, in messages.
const name = "<console>"

// prompts of a new expression and of the next line of one.
const (
	prompt = "> "
	more   = "  "
)

func console(ctx context.Context, r *run.Run, o *run.Options, plan bool) int {
	// A line that is read cannot be interrupted: there the process ends at once.
	soft, release := cli.Interruptible(ctx, 2*time.Second, func() { r.TellInterrupt(false) })
	s, code := r.Begin(soft, "console", o)
	if s == nil {
		release()
		return code
	}
	defer s.End()
	ev, code := s.Evaluator(soft, plan)
	release()
	if ev == nil {
		return code
	}
	c := &session{r: r, scope: ev.Scope().WithTypes(), out: r.T.Out, err: r.T.Err}
	if !r.T.Interactive() {
		return c.piped(r.T.In)
	}
	editor, err := r.T.Edit(completer(s.Config()).complete)
	if err != nil {
		return r.Fail("Cannot use the terminal", err)
	}
	defer editor.Close()
	c.out, c.err = editor, editor
	return c.typed(editor)
}

// session evaluates one expression after the other.
type session struct {
	r        *run.Run
	scope    *lang.Scope
	out, err io.Writer
	failed   bool
	text     strings.Builder // of an expression that is not complete
}

// typed reads from a person.
func (c *session) typed(editor *cli.Editor) int {
	for {
		p := prompt
		if c.text.Len() > 0 {
			p = more
		}
		line, err := editor.ReadLine(p)
		if err != nil {
			if !errors.Is(err, io.EOF) {
				return c.r.Fail("Cannot read a line", err)
			}
			fmt.Fprintln(editor)
			return cli.OK
		}
		if c.line(line) {
			return cli.OK
		}
	}
}

// piped reads from a file or another program.
func (c *session) piped(in io.Reader) int {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		if c.line(lines.Text()) {
			break
		}
	}
	if err := lines.Err(); err != nil {
		return c.r.Fail("Cannot read standard input", err)
	}
	if c.text.Len() > 0 {
		c.evaluate() // what is missing is told
	}
	if c.failed {
		return cli.Failed
	}
	return cli.OK
}

// line takes a line and reports whether it was the last one.
func (c *session) line(line string) (end bool) {
	if c.text.Len() == 0 {
		switch word := strings.TrimSpace(line); {
		case word == "" || strings.HasPrefix(word, "#") || strings.HasPrefix(word, "//"):
			return false
		case word == "exit" || word == "quit":
			return true
		}
	}
	c.text.WriteString(line + "\n")
	if line != "" && !complete(c.text.String()) {
		return false // an empty line ends an expression in any case
	}
	c.evaluate()
	return false
}

func (c *session) evaluate() {
	src := []byte(c.text.String())
	c.text.Reset()
	c.r.Sources(map[string][]byte{name: src})
	v, diags := c.scope.Eval(src, name)
	if len(diags) > 0 {
		var b bytes.Buffer
		c.r.Err().Diagnostics(&b, diags, c.r.Files())
		c.err.Write(b.Bytes())
	}
	if diags.HasErrors() {
		c.failed = true
		return
	}
	if isType(src) && v.IsKnown() && !v.IsMarked() && v.Type() == cty.String {
		fmt.Fprintln(c.out, v.AsString())
		return
	}
	if err := c.r.Out().Expression(c.out, v); err != nil {
		c.failed = true
	}
}

// isType reports whether the expression is a call of type as a whole.
func isType(src []byte) bool {
	tokens, diags := hclsyntax.LexExpression(bytes.TrimSpace(src), name, hclStart)
	if diags.HasErrors() || len(tokens) < 4 || string(tokens[0].Bytes) != "type" || tokens[1].Type != hclsyntax.TokenOParen {
		return false
	}
	depth := 0
	for i, t := range tokens {
		switch t.Type {
		case hclsyntax.TokenOParen:
			depth++
		case hclsyntax.TokenCParen:
			if depth--; depth == 0 {
				return i == len(tokens)-2 // before the end of the file
			}
		}
	}
	return false
}
