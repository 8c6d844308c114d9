package state

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/stowage-iac/stowage/cmd/stowage/internal/cli"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/run"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/view"
	"github.com/stowage-iac/stowage/state"
)

// Rekey is "state rekey".
func Rekey() *cli.Command {
	return &cli.Command{
		Name: "state rekey", Synopsis: "Encrypt the state anew", Usage: "[options]",
		Doc: `Encrypts the state with a fresh key to the present recipients, whether they changed
or not. An apply does so by itself when the configuration names others; this command
does it now. The keys that could read it until now must still be at hand, as
identities or in the fallback block of encryption.

The earlier versions that the backend keeps are encrypted anew, too, or removed with
-drop-earlier. Copies elsewhere are not: who held an old key can still read those.
Secrets that somebody should not know any more have to be changed.`,
		Example: "$ stowage state rekey",
		Bind: func(f *cli.Flags) cli.Run {
			var o editing
			o.bind(f)
			drop := f.Bool("drop-earlier", false, "Remove the earlier versions instead of encrypting them anew")
			return func(ctx context.Context, t *cli.Terminal, _ []string) int {
				return rekey(ctx, run.New(t), o, *drop)
			}
		},
	}
}

func rekey(ctx context.Context, r *run.Run, o editing, drop bool) int {
	store, diags := r.Stored()
	if r.Report(diags) {
		return cli.Failed
	}
	return edit(ctx, r, store, "state rekey", o, func(locked *state.Locked, base *state.Loaded) (edited, hcl.Diagnostics) {
		if !base.Exists {
			return refused(fmt.Errorf("there is no state in %s", store.Location()))
		}
		if o.dryRun {
			return edited{text: fmt.Sprintf("Would encrypt serial %d anew, with %d instances.\n", base.State.Serial, len(base.State.Instances))}, nil
		}
		fmt.Fprintf(r.T.Err, "Read serial %d, %d instances; encrypting anew…\n", base.State.Serial, len(base.State.Instances))
		done, err := locked.Rekey(ctx, base, drop)
		if err != nil {
			return refused(err)
		}
		return edited{rekeyed(done) + "\n", view.StateEdit{Encryption: &view.Encryption{
			Before: done.From, After: done.To, Earlier: done.Earlier, Dropped: done.Dropped, Unread: done.Unread,
		}}}, nil
	})
}

func rekeyed(done state.Rekeyed) string {
	text := []string{recipients(done.From, done.To)}
	for _, s := range []struct {
		serials []uint64
		what    string
	}{
		{done.Earlier, "Earlier versions encrypted anew: %s."},
		{done.Dropped, "Earlier versions removed: %s."},
		{done.Unread, "No key at hand opens the earlier versions %s: they are as they were. Bring their key, or remove them with -drop-earlier."},
	} {
		if len(s.serials) > 0 {
			text = append(text, fmt.Sprintf(s.what, serialList(s.serials)))
		}
	}
	return strings.Join(text, "\n")
}

func serialList(serials []uint64) string {
	var text []string
	for _, s := range serials {
		text = append(text, strconv.FormatUint(s, 10))
	}
	return strings.Join(text, ", ")
}

func recipients(from, to []string) string {
	switch {
	case to == nil && from == nil:
		return "Nothing in the state is sensitive, and nothing is encrypted; encryption { enforced = true } would encrypt it."
	case to == nil:
		return "Nothing in the state is sensitive any more: it is stored without encryption now."
	case from == nil:
		return fmt.Sprintf("Encrypted to %s; it was not encrypted before.", strings.Join(to, ", "))
	}
	return fmt.Sprintf("Encrypted anew to %s; before it was to %s.", strings.Join(to, ", "), strings.Join(from, ", "))
}
