package run

import (
	"context"
	"errors"
	"fmt"

	"github.com/hashicorp/hcl/v2"
)

// Approve asks whether to go on; only "yes" approves. Where nobody can answer it
// is an error that says what to do. An interrupt is a no.
func (r *Run) Approve(ctx context.Context, question, explanation string) (bool, hcl.Diagnostics) {
	if !r.T.Interactive() {
		return false, hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "Nobody to approve the plan",
			Detail: "Standard input is not a terminal, or questions are turned off (-input=false, STOWAGE_INPUT=0), so the plan cannot be approved. " +
				"Save a plan with \"stowage plan -out=FILE\", review it and apply it with \"stowage apply FILE\", or approve beforehand with -auto-approve."}}
	}
	v := r.Err()
	fmt.Fprintf(r.T.Err, "\n%s\n  %s\n  Only 'yes' will be accepted to approve.\n\n", v.Bold(question), explanation)
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
			return false, Diagnose("Nobody to approve the plan", errors.New("standard input ended before an answer; nothing has been changed"))
		}
		return a.text == "yes", nil
	}
}
