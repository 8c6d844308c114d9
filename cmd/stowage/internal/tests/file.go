package tests

import (
	"context"
	"os"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/cmd/stowage/internal/run"
	"github.com/stowage-iac/stowage/lang/testfile"
)

// file is the run of one test file.
type file struct {
	*Suite
	file    *testfile.File
	dir     string            // of the states
	places  map[string]*place // by the configuration's directory
	applied []*place          // in the order of their first apply
	outputs map[string]cty.Value
}

// file runs a file and reports its runs. What they applied is destroyed at the end.
func (s *Suite) file(soft, hard context.Context, parsed *testfile.File, sum *Summary) Status {
	s.Report.FileBegins(parsed.Path)
	dir, err := os.MkdirTemp("", "stowage-test-")
	if err != nil {
		s.Report.FileEnds(parsed.Path, Error, run.Diagnose("Cannot make a directory for the state", err))
		return Error
	}
	f := &file{Suite: s, file: parsed, dir: dir, places: map[string]*place{}, outputs: map[string]cty.Value{}}
	status := Status("")
	for _, r := range parsed.Runs {
		began := time.Now()
		res := Result{Run: r, Status: Skip}
		if status != Error && soft.Err() == nil {
			res = f.run(soft, hard, r)
			res.Run = r
		}
		if soft.Err() != nil && res.Status == Error {
			res.Status, res.Diags = Skip, nil
		}
		res.Seconds = time.Since(began).Seconds()
		s.Report.RunEnds(parsed.Path, res)
		status = status.and(res.Status)
		switch res.Status {
		case Pass:
			sum.Passed++
		case Fail:
			sum.Failed++
		case Error:
			sum.Errored++
		case Skip:
			sum.Skipped++
		}
	}
	diags, kept := f.end(hard)
	if diags.HasErrors() {
		status = status.and(Error)
	}
	if !kept {
		if err := os.RemoveAll(dir); err != nil {
			diags = append(diags, run.Diagnose("Cannot remove the directory of the state", err)...)
		}
	}
	if status == "" {
		status = Pass // a file without runs
	}
	s.Report.FileEnds(parsed.Path, status, diags)
	return status
}

// end destroys what was applied, the last first, and closes the connections. kept
// says that something is left, whose state stays where it is.
func (f *file) end(hard context.Context) (diags hcl.Diagnostics, kept bool) {
	if len(f.applied) > 0 {
		f.Report.Destroys(f.file.Path)
	}
	for i := len(f.applied) - 1; i >= 0; i-- {
		more := f.applied[i].destroy(hard)
		kept = kept || more.HasErrors()
		diags = append(diags, more...)
	}
	for _, p := range f.places {
		p.close()
	}
	return diags, kept
}
