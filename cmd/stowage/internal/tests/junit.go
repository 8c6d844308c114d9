package tests

import (
	"encoding/xml"
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/stowage-iac/stowage/cmd/stowage/internal/run"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/view"
	"github.com/stowage-iac/stowage/lang/testfile"
)

// JUnit reports to another reporter, and writes a file of JUnit's XML at the end,
// which continuous integration shows.
type JUnit struct {
	Reporter
	R    *run.Run
	Path string

	suites []*suiteXML
	failed bool // the file could not be written
}

type suitesXML struct {
	XMLName  xml.Name    `xml:"testsuites"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Suites   []*suiteXML `xml:"testsuite"`
}

type suiteXML struct {
	Name     string    `xml:"name,attr"`
	Tests    int       `xml:"tests,attr"`
	Failures int       `xml:"failures,attr"`
	Errors   int       `xml:"errors,attr"`
	Skipped  int       `xml:"skipped,attr"`
	Time     string    `xml:"time,attr"`
	Cases    []caseXML `xml:"testcase"`
	Err      string    `xml:"system-err,omitempty"`
	seconds  float64
}

type caseXML struct {
	Name    string      `xml:"name,attr"`
	Class   string      `xml:"classname,attr"`
	Time    string      `xml:"time,attr"`
	Failure *problemXML `xml:"failure"`
	Error   *problemXML `xml:"error"`
	Skipped *struct{}   `xml:"skipped"`
}

type problemXML struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// FileBegins implements Reporter.
func (j *JUnit) FileBegins(path string) {
	j.Reporter.FileBegins(path)
	j.suites = append(j.suites, &suiteXML{Name: path})
}

// RunEnds implements Reporter.
func (j *JUnit) RunEnds(path string, r Result) {
	j.Reporter.RunEnds(path, r)
	s := j.suites[len(j.suites)-1]
	c := caseXML{Name: r.Run.Name, Class: strings.TrimSuffix(path, testfile.Suffix), Time: fmt.Sprintf("%.3f", r.Seconds)}
	s.Tests++
	s.seconds += r.Seconds
	switch r.Status {
	case Fail:
		s.Failures++
		c.Failure = j.problem(r.Diags)
	case Error:
		s.Errors++
		c.Error = j.problem(r.Diags)
	case Skip:
		s.Skipped++
		c.Skipped = &struct{}{}
	}
	s.Cases = append(s.Cases, c)
}

// problem is what is wrong, as the terminal shows it but without its colours.
func (j *JUnit) problem(diags hcl.Diagnostics) *problemXML {
	p := &problemXML{Text: j.text(diags)}
	for _, d := range diags {
		if d.Severity == hcl.DiagError {
			p.Message = d.Summary
			break
		}
	}
	return p
}

func (j *JUnit) text(diags hcl.Diagnostics) string {
	var b strings.Builder
	(view.View{Schemas: j.R.Schemas}).Diagnostics(&b, diags, j.R.Files())
	return b.String()
}

// FileEnds implements Reporter.
func (j *JUnit) FileEnds(path string, status Status, diags hcl.Diagnostics) {
	j.Reporter.FileEnds(path, status, diags)
	s := j.suites[len(j.suites)-1]
	s.Time = fmt.Sprintf("%.3f", s.seconds)
	s.Err = j.text(diags)
}

// Ends implements Reporter.
func (j *JUnit) Ends(sum Summary) {
	j.Reporter.Ends(sum)
	all := suitesXML{Suites: j.suites, Failures: sum.Failed, Errors: sum.Errored, Skipped: sum.Skipped}
	all.Tests = sum.Passed + sum.Failed + sum.Errored + sum.Skipped
	out, err := xml.MarshalIndent(all, "", "  ")
	if err == nil {
		err = run.WriteFile(j.Path, append([]byte(xml.Header), append(out, '\n')...), 0)
	}
	if err != nil {
		j.failed = true
		j.R.Fail("Cannot write the JUnit file", err)
	}
}

// Failed reports whether the file could not be written.
func (j *JUnit) Failed() bool { return j.failed }
