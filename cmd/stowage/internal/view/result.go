package view

import (
	"fmt"
	"io"

	"github.com/stowage-iac/stowage/planner"
)

// Complete writes the last line of an apply or destroy that succeeded, and the outputs.
func (v View) Complete(w io.Writer, p *planner.Plan, n Summary, outputs map[string]Output) error {
	line := "Apply complete! Resources: " + n.Done() + "."
	if p.Destroy {
		line = fmt.Sprintf("Destroy complete! Resources: %d destroyed.", n.Destroy)
	}
	if p.Context != "" {
		line += " Context: " + p.Context + "."
	}
	if _, err := fmt.Fprintf(w, "\n%s\n", v.paint("green", line)); err != nil {
		return err
	}
	if len(outputs) == 0 {
		return nil
	}
	if _, err := fmt.Fprintf(w, "\n%s\n\n", v.Bold("Outputs:")); err != nil {
		return err
	}
	return v.Outputs(w, outputs)
}

// Done tells what was done; what most applies do not do is told only if it was.
func (n Summary) Done() string {
	text := fmt.Sprintf("%d added, %d changed, %d destroyed", n.Add, n.Change, n.Destroy)
	if n.Move > 0 {
		text = fmt.Sprintf("%d moved, ", n.Move) + text
	}
	if n.Import > 0 {
		text = fmt.Sprintf("%d imported, ", n.Import) + text
	}
	if n.Forget > 0 {
		text += fmt.Sprintf(", %d forgotten", n.Forget)
	}
	return text
}

// Unfinished tells how far an apply came that failed or was interrupted, and
// that another one goes on from there. context is "" where none is declared; the lists are titles of steps.
func (v View) Unfinished(w io.Writer, context string, interrupted bool, done, failed, notDone []string) error {
	what := "Apply failed"
	if interrupted {
		what = "Apply interrupted"
	}
	if context != "" {
		what += " in the context " + context
	}
	line := fmt.Sprintf("%s: %s done, %d failed, %d not begun.", what, plural(len(done), "step"), len(failed), len(notDone))
	if len(done)+len(failed)+len(notDone) == 0 {
		line = what + " before its first step: nothing was begun."
	}
	text := v.paint("red", line) + "\n"
	for _, l := range []struct {
		title string
		steps []string
	}{{"failed", failed}, {"not begun", notDone}} {
		if len(l.steps) > 0 {
			text += fmt.Sprintf("  %-10s %s\n", l.title+":", addresses(l.steps))
		}
	}
	if len(done) > 0 {
		text += "What is done is recorded; the next apply goes on from there.\n"
	}
	_, err := io.WriteString(w, text)
	return err
}
