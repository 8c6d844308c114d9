package view

import (
	"fmt"
	"io"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/stowage-iac/stowage/planner"
)

// StillEvery is the time between two "Still creating…" lines of one operation.
const StillEvery = 10 * time.Second

// CountEvery is the time between two lines of how many operations are done.
const CountEvery = 30 * time.Second

// Progress shows what runs while a plan is made or applied. It implements
// planner.Progress. Without a screen every event is a line; with one, each
// running operation has one line at the bottom that is redrawn in place, and
// finished lines scroll above. Close ends it and gives the cursor back.
type Progress struct {
	view   View
	out    io.Writer
	screen *screen // nil: plain lines
	quiet  map[planner.Verb]bool

	mu      sync.Mutex
	running map[key]*operation
	stop    chan struct{}
	stopped sync.WaitGroup
	closed  bool
	failed  int
	total   int // operations of an apply; 0 while none is under way
	ended   int
	began   time.Time
	counted time.Time // when the last line of how many are done was written
}

type key struct {
	address string
	verb    planner.Verb
}

type operation struct {
	planner.Operation
	clause string
	still  time.Time // when the last line about it was written
}

// NewProgress begins to show progress on out. size, when not nil, is asked for
// the terminal's columns and rows before every redraw: out is then a terminal.
func NewProgress(v View, out io.Writer, size func() (columns, rows int)) *Progress {
	p := &Progress{
		view: v, out: out, running: map[key]*operation{}, stop: make(chan struct{}),
		// A refresh of many hosts is not worth two lines each where nothing is redrawn.
		quiet: map[planner.Verb]bool{planner.Refreshing: size == nil},
	}
	every := time.Second
	if size != nil {
		p.screen = &screen{out: out, size: size}
		every = 100 * time.Millisecond
	}
	p.stopped.Add(1)
	go p.tick(every)
	return p
}

// tick redraws the screen, or writes the "Still …" lines that are due.
func (p *Progress) tick(every time.Duration) {
	defer p.stopped.Done()
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-p.stop:
			return
		case <-t.C:
			p.mu.Lock()
			if p.screen != nil {
				p.redraw("")
			} else {
				p.stillRunning(time.Now())
			}
			p.mu.Unlock()
		}
	}
}

// Close ends the display; operations that still run are no longer shown. It may be called again.
func (p *Progress) Close() {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return
	}
	p.closed = true
	close(p.stop)
	if p.screen != nil {
		p.screen.end()
	}
	p.mu.Unlock()
	p.stopped.Wait()
}

// Begin shows from now on how many of an apply's operations are done.
func (p *Progress) Begin(operations int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	p.total, p.ended, p.began, p.counted = operations, 0, now, now
}

// overall says how far an apply is, and about how long it will take from here:
// as long as what is done has taken, for each that is left. "" where that is not
// worth a line: of a single operation the line of its own says all.
func (p *Progress) overall(now time.Time) string {
	if p.total < 2 || p.ended >= p.total {
		return ""
	}
	text := fmt.Sprintf("%d of %d done", p.ended, p.total)
	if p.failed > 0 {
		text += fmt.Sprintf(", %d of them failed", p.failed)
	}
	took := now.Sub(p.began)
	text += ", " + elapsed(took) + " elapsed"
	if p.ended >= 3 && took >= 5*time.Second {
		left := took / time.Duration(p.ended) * time.Duration(p.total-p.ended)
		text += ", about " + elapsed(left) + " left"
	}
	return text
}

// Retry shows that an operation waits before it tries again.
func (p *Progress) Retry(op planner.Operation, r planner.Retry) {
	p.mu.Lock()
	defer p.mu.Unlock()
	o := p.running[key{op.Address, op.Verb}]
	if o == nil || p.closed {
		return
	}
	o.clause = printable(r.String())
	if p.screen != nil {
		p.redraw("")
		return
	}
	p.line(op, o.clause)
}

// Start shows a new operation.
func (p *Progress) Start(op planner.Operation) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	if op.Started.IsZero() {
		op.Started = time.Now()
	}
	p.running[key{op.Address, op.Verb}] = &operation{Operation: op, still: op.Started}
	if p.screen != nil {
		p.redraw("")
		return
	}
	p.line(op, words[op.Verb].doing+"…")
}

// Update shows what an operation is doing right now. Plain lines carry it with
// the next "Still …" line: it may change many times a second.
func (p *Progress) Update(op planner.Operation, clause string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if o := p.running[key{op.Address, op.Verb}]; o != nil {
		o.clause = printable(clause)
	}
}

// Done shows the end of an operation.
func (p *Progress) Done(op planner.Operation, failed bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	k := key{op.Address, op.Verb}
	o := p.running[k]
	if o == nil || p.closed {
		return
	}
	delete(p.running, k)
	p.ended++
	took := elapsed(time.Since(o.Started))
	w := words[op.Verb]
	text := w.done + " complete after " + took
	if failed {
		text = w.done + " " + p.view.paint("red", "failed") + " after " + took
		p.failed++
	} else if o.clause != "" && op.Verb == planner.Pushing {
		text += " [" + o.clause + "]"
	}
	switch {
	case p.screen == nil:
		p.line(op, text)
	case op.Verb == planner.Refreshing && !failed:
		p.redraw("")
	default:
		p.redraw(p.view.Bold(op.Address+":") + " " + text)
	}
}

// Say writes a line of its own between the others.
func (p *Progress) Say(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.screen != nil && !p.closed {
		p.redraw(text)
		return
	}
	fmt.Fprintln(p.out, text)
}

// Pause clears the live lines while f talks to the person at the terminal.
// Operations that start or end meanwhile wait.
func (p *Progress) Pause(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.screen != nil && !p.closed {
		p.screen.end()
	}
	f()
}

// words are the verb's "Creating…" and "Creation complete".
var words = map[planner.Verb]struct{ doing, done string }{
	planner.Refreshing: {"Refreshing", "Refresh"},
	planner.Creating:   {"Creating", "Creation"},
	planner.Updating:   {"Modifying", "Modifications"},
	planner.Replacing:  {"Replacing", "Replacement"},
	planner.Forgetting: {"Forgetting", "Forgetting"},
	planner.Destroying: {"Destroying", "Destruction"},
	planner.Pushing:    {"Pushing", "Push"},
	planner.Reading:    {"Reading", "Read"},
}

func (p *Progress) line(op planner.Operation, text string) {
	if p.quiet[op.Verb] {
		return
	}
	fmt.Fprintln(p.out, p.view.Bold(op.Address+":")+" "+text)
}

// stillRunning writes a line for each operation that has been silent for StillEvery.
func (p *Progress) stillRunning(now time.Time) {
	if text := p.overall(now); text != "" && now.Sub(p.counted) >= CountEvery {
		p.counted = now
		fmt.Fprintln(p.out, text)
	}
	for _, o := range p.sorted() {
		if now.Sub(o.still) < StillEvery {
			continue
		}
		o.still = now
		doing := words[o.Verb].doing
		text := fmt.Sprintf("Still %s… [%s elapsed]", strings.ToLower(doing), elapsed(now.Sub(o.Started)))
		if o.clause != "" {
			text += " " + o.clause
		}
		fmt.Fprintln(p.out, p.view.Bold(o.Address+":")+" "+text)
	}
}

// sorted are the running operations, the oldest first.
func (p *Progress) sorted() []*operation {
	out := make([]*operation, 0, len(p.running))
	for _, o := range p.running {
		out = append(out, o)
	}
	sort.Slice(out, func(i, j int) bool {
		a, b := out[i], out[j]
		switch {
		case !a.Started.Equal(b.Started):
			return a.Started.Before(b.Started)
		case a.Address != b.Address:
			return a.Address < b.Address
		}
		return a.Verb < b.Verb
	})
	return out
}

// redraw writes a finished line above and the running operations below it.
func (p *Progress) redraw(finished string) {
	if p.closed {
		return
	}
	now := time.Now()
	var live []string
	if text := p.overall(now); text != "" && len(p.running) > 0 {
		live = append(live, text)
	}
	for _, o := range p.sorted() {
		text := fmt.Sprintf("%s %s… %s", o.Address+":", words[o.Verb].doing, elapsed(now.Sub(o.Started)))
		if o.clause != "" {
			text += "  " + o.clause
		}
		live = append(live, text)
	}
	p.screen.draw(finished, live)
}
