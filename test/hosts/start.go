package hosts

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Start boots n hosts for a test and removes them when it ends. It fails the
// test, and never skips it, when it cannot. A test that failed gets the end of
// every host's journal in its log.
func Start(t testing.TB, opts Options) *Lab {
	t.Helper()
	if opts.Log == nil {
		opts.Log = testLog{t}
	}
	ctx := context.Background()
	if deadline, ok := t.(interface{ Deadline() (time.Time, bool) }); ok {
		if end, ok := deadline.Deadline(); ok {
			var cancel context.CancelFunc
			ctx, cancel = context.WithDeadline(ctx, end.Add(-10*time.Second))
			defer cancel()
		}
	}
	lab, err := New(ctx, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			for _, h := range lab.Hosts {
				t.Logf("the end of the journal of %s:\n%s", h.Name, h.Journal(40))
			}
		}
		if err := lab.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return lab
}

// Journal returns the last n lines of the host's journal and its console, read
// from its disk: it works while the host is off.
func (h *Host) Journal(n int) string {
	out, err := run(context.Background(), "journalctl", "--no-pager", "--quiet", "--output=short-precise",
		"--lines", fmt.Sprint(n), "--directory", filepath.Join(h.Root(), "var/log/journal"))
	if err != nil {
		out += err.Error() + "\n"
	}
	return out + tail(h.disk.console(), n)
}

// testLog writes to a test's log.
type testLog struct{ t testing.TB }

func (l testLog) Write(p []byte) (int, error) {
	l.t.Log(strings.TrimRight(string(p), "\n"))
	return len(p), nil
}
