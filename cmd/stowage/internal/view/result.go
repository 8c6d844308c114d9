package view

import (
	"fmt"
	"io"
)

// Complete writes the last line of an apply or destroy that succeeded, and the outputs.
func (v View) Complete(w io.Writer, destroy bool, n Summary, outputs map[string]Output) error {
	line := fmt.Sprintf("Apply complete! Resources: %d added, %d changed, %d destroyed.", n.Add, n.Change, n.Destroy)
	if destroy {
		line = fmt.Sprintf("Destroy complete! Resources: %d destroyed.", n.Destroy)
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
