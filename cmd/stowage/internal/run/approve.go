package run

import (
	"context"
	"fmt"

	"github.com/hashicorp/hcl/v2"

	"github.com/stowage-iac/stowage/cmd/stowage/internal/cli"
)

// question is what a person is asked before something changes.
type question struct {
	title, explanation string
	answer             string // the only one that approves
	otherwise          string // what to do where nobody can answer: a clause
}

// ask asks; only the exact answer approves. Where nobody can answer it is an
// error that says what to do. An interrupt is a no.
func (r *Run) ask(ctx context.Context, q question) (bool, hcl.Diagnostics) {
	if !r.T.Interactive() {
		return false, hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "Nobody to approve",
			Detail: fmt.Sprintf("Standard input is not a terminal, or questions are turned off (-input=false, STOWAGE_INPUT=0): %s.", q.otherwise)}}
	}
	v := r.Err()
	fmt.Fprintf(r.T.Err, "\n%s\n  %s\n  Only '%s' will be accepted to approve.\n\n", v.Bold(q.title), q.explanation, q.answer)
	type answer struct {
		text string
		err  error
	}
	answers := make(chan answer, 1)
	go func() {
		text, err := r.T.Ask("  " + v.Bold("Enter a value:") + " ")
		answers <- answer{text, err}
	}()
	select {
	case <-ctx.Done():
		return false, nil
	case a := <-answers:
		if a.err != nil {
			return false, Diagnose("Nobody to approve", errAnswer)
		}
		return a.text == q.answer, nil
	}
}

// Approve asks whether to run a command that acts past any plan, in a protected
// context for its name. flag approves beforehand, for the message where nobody can
// answer. Without approval the exit code is returned.
func (r *Run) Approve(ctx context.Context, command, title, explanation, flag string) int {
	if c := r.selected; c != nil && c.Protected {
		return r.ApproveEdit(ctx, command)
	}
	yes, diags := r.ask(ctx, question{title: title, explanation: explanation, answer: "yes", otherwise: "approve beforehand with " + flag})
	switch {
	case r.Report(diags):
		return cli.Failed
	case interrupted(ctx):
		return cli.Interrupted
	case !yes:
		fmt.Fprintf(r.T.Err, "\nNothing has been changed.\n")
		return cli.Failed
	}
	return cli.OK
}
