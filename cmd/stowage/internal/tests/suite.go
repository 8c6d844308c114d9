// Package tests runs *.test.hcl files: each against states of its own, with plans
// that need no host and applies that are real, and destroys in the end what these
// have made.
package tests

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/stowage-iac/stowage/cmd/stowage/internal/run"
	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/lang/testfile"
	"github.com/stowage-iac/stowage/planner"
	"github.com/stowage-iac/stowage/state"
)

// Status of a run or a file.
type Status string

// The worst status of a file's runs is that of the file.
const (
	Pass  Status = "pass"
	Skip  Status = "skip"  // after an error in the file, or an interrupt
	Fail  Status = "fail"  // what should be so is not
	Error Status = "error" // nothing could be found out
)

var worse = []Status{Skip, Pass, Fail, Error}

func (s Status) and(other Status) Status {
	if s == "" || slices.Index(worse, other) > slices.Index(worse, s) {
		return other
	}
	return s
}

// Reporter is told of what happens, in its order.
type Reporter interface {
	// Found tells of all files and the names of their runs.
	Found(files []*testfile.File)
	FileBegins(path string)
	// RunEnds tells of a run; plan, or applied after an apply, may be nil.
	RunEnds(path string, r Result)
	// Destroys tells that what the file's runs applied is destroyed now.
	Destroys(path string)
	// FileEnds tells of a file, with what does not belong to one of its runs.
	FileEnds(path string, status Status, diags hcl.Diagnostics)
	Ends(Summary)
}

// Result is how a run ended.
type Result struct {
	Run     *testfile.Run
	Status  Status
	Diags   hcl.Diagnostics
	Plan    *planner.Plan
	Applied *state.State // nil unless it is an apply that was done
	Seconds float64
}

// Summary counts runs.
type Summary struct {
	Status                           Status
	Passed, Failed, Errored, Skipped int
}

// Suite is what to run.
type Suite struct {
	Run         *run.Run
	Flags       []lang.VariableFlag
	Directory   string   // of more test files, besides the working directory
	Filters     []string // paths or names of files; none: all
	Parallelism int
	Report      Reporter
}

// All runs every file. soft ends with a wish to stop: what was applied is still
// destroyed. hard ends that as well.
func (s *Suite) All(soft, hard context.Context) (Summary, hcl.Diagnostics) {
	files, diags := s.files()
	if diags.HasErrors() {
		return Summary{Status: Error}, diags
	}
	s.Report.Found(files)
	sum := Summary{Status: Pass}
	for _, f := range files {
		ran := s.file(soft, hard, f, &sum)
		sum.Status = sum.Status.and(ran)
	}
	s.Report.Ends(sum)
	return sum, nil
}

// files finds and reads the test files, sorted by path.
func (s *Suite) files() ([]*testfile.File, hcl.Diagnostics) {
	paths, err := filepath.Glob("*" + testfile.Suffix)
	if err != nil {
		return nil, run.Diagnose("Cannot find the tests", err)
	}
	more, err := filepath.Glob(filepath.Join(s.Directory, "*"+testfile.Suffix))
	if err != nil {
		return nil, run.Diagnose("Cannot find the tests", err)
	}
	paths = append(paths, more...)
	slices.Sort(paths)
	paths = slices.Compact(paths)
	var diags hcl.Diagnostics
	for _, filter := range s.Filters {
		if !slices.ContainsFunc(paths, func(p string) bool { return matches(p, filter) }) {
			hint := ""
			if near := lang.Suggest(filter, paths); near != "" {
				hint = fmt.Sprintf(" Did you mean %q?", near)
			}
			diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "No such test file",
				Detail: fmt.Sprintf("-filter names %s, and there is no such test file.%s", filter, hint)})
		}
	}
	if len(paths) == 0 {
		diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "No tests",
			Detail: fmt.Sprintf("There is no *%s file here or in the directory %s. Write one: run \"defaults\" { command = plan }.", testfile.Suffix, s.Directory)})
	}
	var files []*testfile.File
	for _, path := range paths {
		if len(s.Filters) > 0 && !slices.ContainsFunc(s.Filters, func(f string) bool { return matches(path, f) }) {
			continue
		}
		src, err := os.ReadFile(path)
		if err != nil {
			diags = append(diags, run.Diagnose("Cannot read a test file", err)...)
			continue
		}
		f, parsed, more := testfile.Parse(src, path)
		s.Run.Files()[path] = parsed
		diags = append(diags, more...)
		files = append(files, f)
	}
	return files, diags
}

func matches(path, filter string) bool {
	filter = filepath.Clean(filter)
	return path == filter || strings.TrimSuffix(filepath.Base(path), testfile.Suffix) == filter || filepath.Base(path) == filter
}
