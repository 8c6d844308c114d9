package state

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/stowage-iac/stowage/cmd/stowage/internal/cli"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/run"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/view"
	"github.com/stowage-iac/stowage/state"
)

// History is "state history".
func History() *cli.Command {
	return &cli.Command{
		Name: "state history", Synopsis: "List the versions of the state", Usage: "[options]",
		Doc: `Lists the present version of the state and the earlier ones that its backend keeps,
newest first: serial, when and by whom it was written, by which operation, and its
size. Nothing is decrypted. "stowage state restore" puts one back.`,
		Example: "$ stowage state history",
		Bind: func(f *cli.Flags) cli.Run {
			asJSON := f.Bool("json", false, "Print a JSON object with location, present and earlier")
			return func(ctx context.Context, t *cli.Terminal, _ []string) int {
				return history(ctx, run.New(t), *asJSON)
			}
		},
	}
}

func history(ctx context.Context, r *run.Run, asJSON bool) int {
	store, diags := r.Stored()
	if r.Report(diags) {
		return cli.Failed
	}
	present, earlier, err := store.History(ctx)
	if err != nil {
		return r.Fail("Cannot read the state", err)
	}
	if asJSON {
		if earlier == nil {
			earlier = []state.Version{}
		}
		err = view.JSON(r.T.Out, struct {
			Location string          `json:"location"`
			Present  *state.Version  `json:"present"`
			Earlier  []state.Version `json:"earlier"`
		}{store.Location(), present, earlier})
	} else {
		w := tabwriter.NewWriter(r.T.Out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "SERIAL\tWRITTEN\tSIZE\tBY\tOPERATION")
		if present != nil {
			row(w, *present, " (present)")
		}
		for _, v := range earlier {
			row(w, v, "")
		}
		err = w.Flush()
	}
	if err != nil {
		return r.Fail("Cannot write the result", err)
	}
	return cli.OK
}

func row(w *tabwriter.Writer, v state.Version, mark string) {
	written, who, operation := "-", "-", "-"
	if !v.Written.IsZero() {
		written = v.Written.UTC().Format(time.DateTime)
	}
	if v.Who != "" {
		who = v.Who
	}
	if v.Operation != "" {
		operation = v.Operation
	}
	fmt.Fprintf(w, "%d\t%s\t%d\t%s\t%s%s\n", v.Serial, written, v.Size, who, operation, mark)
}
