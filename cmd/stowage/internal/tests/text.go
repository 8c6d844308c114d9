package tests

import (
	"fmt"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/stowage-iac/stowage/cmd/stowage/internal/run"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/view"
	"github.com/stowage-iac/stowage/lang/testfile"
)

// Text reports to people: results on standard output, what is wrong on standard error.
type Text struct {
	R       *run.Run
	Verbose bool // also show each plan, and what each apply recorded
}

var _ Reporter = (*Text)(nil)

func (t *Text) paint(s Status) string {
	v := t.R.Out()
	switch s {
	case Pass:
		return v.Success(string(s))
	case Skip:
		return string(s)
	}
	return v.Failure(string(s))
}

// Found implements Reporter.
func (t *Text) Found([]*testfile.File) {}

// FileBegins implements Reporter.
func (t *Text) FileBegins(path string) { fmt.Fprintf(t.R.T.Out, "%s... in progress\n", path) }

// RunEnds implements Reporter.
func (t *Text) RunEnds(_ string, r Result) {
	fmt.Fprintf(t.R.T.Out, "  run %q... %s\n", r.Run.Name, t.paint(r.Status))
	if t.Verbose && r.Plan != nil {
		if err := t.R.Out().Plan(t.R.T.Out, r.Plan); err != nil {
			t.R.Fail("Cannot write the plan", err)
		}
	}
	if t.Verbose && r.Applied != nil {
		t.state(r)
	}
	t.R.Report(r.Diags)
}

func (t *Text) state(r Result) {
	list, diags := t.R.Instances(r.Applied)
	outputs, err := run.Outputs(r.Applied)
	if t.R.Report(diags) || err != nil {
		return
	}
	if err := t.R.Out().State(t.R.T.Out, list, outputs); err != nil {
		t.R.Fail("Cannot write the state", err)
	}
}

// Destroys implements Reporter.
func (t *Text) Destroys(path string) { fmt.Fprintf(t.R.T.Out, "%s... tearing down\n", path) }

// FileEnds implements Reporter.
func (t *Text) FileEnds(path string, status Status, diags hcl.Diagnostics) {
	fmt.Fprintf(t.R.T.Out, "%s... %s\n", path, t.paint(status))
	t.R.Report(diags)
}

// Ends implements Reporter.
func (t *Text) Ends(s Summary) {
	word := t.R.Out().Success("Success!")
	if s.Status != Pass {
		word = t.R.Out().Failure("Failure!")
	}
	fmt.Fprintf(t.R.T.Out, "\n%s %s\n", word, s)
}

// String counts the runs: 3 passed, 1 failed.
func (s Summary) String() string {
	text := fmt.Sprintf("%d passed, %d failed", s.Passed, s.Failed+s.Errored)
	if s.Skipped > 0 {
		text += fmt.Sprintf(", %d skipped", s.Skipped)
	}
	return text + "."
}

// Stream reports to programs, one JSON object a line.
type Stream struct {
	R   *run.Run
	Out *view.Stream
}

var _ Reporter = (*Stream)(nil)

// Found implements Reporter.
func (s *Stream) Found(files []*testfile.File) {
	all, n := map[string][]string{}, 0
	for _, f := range files {
		names := []string{}
		for _, r := range f.Runs {
			names = append(names, r.Name)
			n++
		}
		all[f.Path] = names
	}
	s.Out.Test("test_abstract", fmt.Sprintf("Found %d files and %d run blocks", len(files), n), all)
}

// FileBegins implements Reporter.
func (s *Stream) FileBegins(path string) {
	s.Out.Test("test_file", path+"... in progress", map[string]any{"path": path, "progress": "starting"})
}

// RunEnds implements Reporter.
func (s *Stream) RunEnds(path string, r Result) {
	s.Out.Test("test_run", fmt.Sprintf("  run %q... %s", r.Run.Name, r.Status), map[string]any{
		"path": path, "run": r.Run.Name, "progress": "complete", "status": r.Status,
		"elapsed_seconds": time.Duration(r.Seconds * float64(time.Second)).Round(time.Millisecond).Seconds(),
	})
	s.Out.Diagnostics(r.Diags, s.R.Files())
}

// Destroys implements Reporter.
func (s *Stream) Destroys(path string) {
	s.Out.Test("test_file", path+"... tearing down", map[string]any{"path": path, "progress": "teardown"})
}

// FileEnds implements Reporter.
func (s *Stream) FileEnds(path string, status Status, diags hcl.Diagnostics) {
	s.Out.Test("test_file", fmt.Sprintf("%s... %s", path, status), map[string]any{"path": path, "progress": "complete", "status": status})
	s.Out.Diagnostics(diags, s.R.Files())
}

// Ends implements Reporter.
func (s *Stream) Ends(sum Summary) {
	s.Out.Test("test_summary", sum.String(), map[string]any{
		"status": sum.Status, "passed": sum.Passed, "failed": sum.Failed, "errored": sum.Errored, "skipped": sum.Skipped,
	})
}
