package state

import (
	"context"
	"fmt"

	"github.com/stowage-iac/stowage/cmd/stowage/internal/cli"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/run"
	"github.com/stowage-iac/stowage/state"
)

// Pull is "state pull".
func Pull() *cli.Command {
	return &cli.Command{
		Name: "state pull", Synopsis: "Print the whole state as JSON", Usage: "[options]",
		Doc: `Prints the state, decrypted: every sensitive value is in it in plain, so take care
where it goes. What an apply that was cut off has finished is in it. docs/state.md
explains the format; "stowage state push" takes it back.`,
		Example: "$ stowage state pull | jq -r '.instances[].address'\n$ stowage state pull -raw > backup.json",
		Bind: func(f *cli.Flags) cli.Run {
			raw := f.Bool("raw", false, "Print what is stored, as it is stored: encrypted if it is")
			return func(ctx context.Context, t *cli.Terminal, _ []string) int {
				return pull(ctx, run.New(t), *raw)
			}
		},
	}
}

func pull(ctx context.Context, r *run.Run, raw bool) int {
	if !raw {
		s, diags := r.Recorded(ctx)
		if r.Report(diags) {
			return cli.Failed
		}
		text, err := state.Export(s)
		if err == nil {
			_, err = r.T.Out.Write(text)
		}
		if err != nil {
			return r.Fail("Cannot write the result", err)
		}
		return cli.OK
	}
	store, diags := r.Stored()
	if r.Report(diags) {
		return cli.Failed
	}
	data, err := store.Raw(ctx)
	if err == nil && data == nil {
		err = fmt.Errorf("there is no state in %s", store.Location())
	}
	if err != nil {
		return r.Fail("Cannot read the state", err)
	}
	if _, err := r.T.Out.Write(data); err != nil {
		return r.Fail("Cannot write the result", err)
	}
	return cli.OK
}
