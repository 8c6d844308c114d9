package view

import (
	"encoding/json"
	"io"
	"sync"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/planner"
)

// Stream is plan -json and apply -json: one JSON object a line. Every record has
// @timestamp, @level (info, warn, error), @message (for people) and type:
//
//	version          stowage, format
//	context          context: name, protected; where contexts are declared
//	diagnostic       diagnostic
//	interrupted      interrupted: an apply before this one that did not end
//	resource_drift   drift: what changed outside of Stowage
//	planned_change   change
//	placement        placement: where a pod's replicas run
//	check            check: the outcome of conditions that are not passed
//	transfer         transfer: image content that goes to a host
//	change_summary   changes, operation (plan, apply, destroy)
//	apply_start, apply_progress, apply_retry, apply_complete, apply_errored   hook
//	outputs          outputs
//	test_abstract, test_file, test_run, test_summary   of test -json: what it finds, and how each ends
//
// It implements planner.Progress. Safe for concurrent use.
type Stream struct {
	view View
	mu   sync.Mutex
	out  *json.Encoder
	err  error
	told map[key]time.Time // when the last apply_progress of an operation was written
	// Steps of the apply, and how many have ended.
	total, ended int
}

// progressEvery is the least time between two apply_progress records of one operation.
const progressEvery = time.Second

// StreamFormat is the version of the stream's records.
const StreamFormat = "1.0"

// NewStream begins a stream with its version record.
func NewStream(v View, w io.Writer, stowage string) *Stream {
	s := &Stream{view: v, out: json.NewEncoder(w), told: map[key]time.Time{}}
	s.out.SetEscapeHTML(false)
	s.write("info", "version", "Stowage "+stowage, map[string]any{"stowage": stowage, "format": StreamFormat})
	return s
}

// Err is the first error of writing.
func (s *Stream) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

func (s *Stream) write(level, kind, message string, fields map[string]any) {
	record := map[string]any{
		"@timestamp": time.Now().UTC().Format(time.RFC3339Nano), "@level": level, "@message": message, "type": kind,
	}
	for k, v := range fields {
		record[k] = v
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.out.Encode(record); err != nil && s.err == nil {
		s.err = err
	}
}

// Context writes the record that says in which context everything is that follows.
func (s *Stream) Context(name string, protected bool) {
	s.write("info", "context", "Context: "+name, map[string]any{"context": map[string]any{"name": name, "protected": protected}})
}

// Diagnostics writes a record for each.
func (s *Stream) Diagnostics(diags hcl.Diagnostics, files map[string]*hcl.File) {
	for _, d := range DiagnosticsJSON(diags, files) {
		level := "error"
		if d.Severity == "warning" {
			level = "warn"
		}
		s.write(level, "diagnostic", d.Summary, map[string]any{"diagnostic": d})
	}
}

// Plan writes the records of a plan; its summary is last.
func (s *Stream) Plan(p *planner.Plan) {
	d := s.view.outline(p)
	if d.Interrupted != nil {
		message := "an apply did not end"
		if d.Interrupted.Running {
			message = "an apply runs right now"
		}
		s.write("warn", "interrupted", message, map[string]any{"interrupted": d.Interrupted})
	}
	for _, c := range d.ResourceDrift {
		s.write("info", "resource_drift", c.Address+": has changed outside of Stowage", map[string]any{"drift": c})
	}
	for _, c := range p.Changes {
		if c.Action == planner.NoOp && c.MovedFrom == "" && c.Importing == "" {
			continue
		}
		what := willBe[c.Action]
		if c.MovedFrom != "" {
			what += ", moved from " + c.MovedFrom
		}
		if c.Importing != "" {
			what += ", imported from " + quote(c.Importing)
		}
		s.write("info", "planned_change", c.Address+": "+what, map[string]any{"change": s.view.resourceChange(p, c)})
	}
	for _, pod := range d.Placement {
		s.write("info", "placement", pod.Address+": placement", map[string]any{"placement": pod})
	}
	s.Checks(p.Checks)
	for _, t := range d.Transfers {
		s.write("info", "transfer", t.Image+" → "+t.Node+": "+bytesIn(t.Bytes), map[string]any{"transfer": t})
	}
	s.Summary("plan", d.Summary, (View{}).summary(p))
	if len(d.OutputChanges) > 0 {
		s.write("info", "outputs", "outputs", map[string]any{"outputs": d.OutputChanges})
	}
}

// Checks writes a record for each that is not passed.
func (s *Stream) Checks(checks []planner.Checked) {
	for _, c := range checksJSON(checks) {
		if c.Status != string(lang.Pass) {
			s.write("info", "check", c.Address+": "+c.Status, map[string]any{"check": c})
		}
	}
}

// Summary writes the record that counts the changes.
func (s *Stream) Summary(operation string, n Summary, message string) {
	s.write("info", "change_summary", message, map[string]any{"changes": n, "operation": operation})
}

// Left is how far an apply came that failed or was interrupted.
type Left struct {
	Interrupted bool     `json:"interrupted"`
	Done        int      `json:"done"` // steps
	Failed      []string `json:"failed"`
	NotBegun    []string `json:"not_begun"`
}

// Unfinished is Summary of such an apply.
func (s *Stream) Unfinished(n Summary, left Left) {
	left.Failed, left.NotBegun = append([]string{}, left.Failed...), append([]string{}, left.NotBegun...)
	s.write("error", "change_summary", "the apply did not finish", map[string]any{"changes": n, "operation": "apply", "unfinished": left})
}

// Outputs writes the outputs after an apply; the value of a sensitive one is null.
func (s *Stream) Outputs(outputs map[string]Output) error {
	docs, err := outputDocuments(outputs)
	if err != nil {
		return err
	}
	s.write("info", "outputs", "outputs", map[string]any{"outputs": docs})
	return nil
}

// Test writes a record of a test: test_abstract, test_file, test_run or test_summary.
func (s *Stream) Test(kind, message string, content any) {
	s.write("info", kind, message, map[string]any{kind: content})
}

type hook struct {
	Address string  `json:"address"`
	Action  string  `json:"action"`
	Elapsed float64 `json:"elapsed_seconds,omitempty"`
	Clause  string  `json:"clause,omitempty"`
	// Of apply_retry: the pause, and which attempt comes then.
	Retry   float64 `json:"retry_seconds,omitempty"`
	Attempt int     `json:"attempt,omitempty"`
	Of      int     `json:"attempts,omitempty"`
	// Of apply_complete and apply_errored: how many of the apply's steps have ended.
	Done  int `json:"done,omitempty"`
	Total int `json:"total,omitempty"`
}

// Begin implements planner.Progress.
func (s *Stream) Begin(operations int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.total, s.ended = operations, 0
}

// Start implements planner.Progress. Refreshes are not told.
func (s *Stream) Start(op planner.Operation) {
	s.hook("info", "apply_start", words[op.Verb].doing+"…", op, hook{})
}

// Retry implements planner.Progress.
func (s *Stream) Retry(op planner.Operation, r planner.Retry) {
	s.hook("warn", "apply_retry", printable(r.String()), op, hook{Clause: r.Why, Retry: r.After.Seconds(), Attempt: r.Attempt, Of: r.Of})
}

// Update implements planner.Progress. What comes faster than once a second is left out.
func (s *Stream) Update(op planner.Operation, clause string) {
	k, now := key{op.Address, op.Verb}, time.Now()
	s.mu.Lock()
	last, ok := s.told[k]
	due := !ok || now.Sub(last) >= progressEvery
	if due {
		s.told[k] = now
	}
	s.mu.Unlock()
	if !due {
		return
	}
	s.hook("info", "apply_progress", clause, op, hook{Clause: clause})
}

// Done implements planner.Progress.
func (s *Stream) Done(op planner.Operation, failed bool) {
	s.mu.Lock()
	delete(s.told, key{op.Address, op.Verb})
	if op.Verb != planner.Refreshing {
		s.ended++
	}
	h := hook{Done: s.ended, Total: s.total}
	s.mu.Unlock()
	if failed {
		s.hook("error", "apply_errored", words[op.Verb].done+" failed", op, h)
		return
	}
	s.hook("info", "apply_complete", words[op.Verb].done+" complete", op, h)
}

func (s *Stream) hook(level, kind, message string, op planner.Operation, h hook) {
	if op.Verb == planner.Refreshing {
		return
	}
	h.Address, h.Action, h.Clause = op.Address, string(op.Verb), printable(h.Clause)
	if !op.Started.IsZero() && kind != "apply_start" {
		h.Elapsed = time.Since(op.Started).Round(time.Millisecond).Seconds()
	}
	s.write(level, kind, op.Address+": "+message, map[string]any{"hook": h})
}
