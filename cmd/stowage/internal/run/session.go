package run

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/hcl/v2"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/cli"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/view"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/view/markdown"
	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/planner"
	"github.com/stowage-iac/stowage/ssh"
	"github.com/stowage-iac/stowage/state"
)

// Session is a plan or an apply on its way: the state it stands on, locked or
// not, and the display of what runs.
type Session struct {
	r      *Run
	o      *Options
	stream *view.Stream // nil without -json

	config *lang.Config
	inputs lang.Inputs
	fleet  *planner.Fleet
	data   *planner.DataReader
	store  *state.Store
	locked *state.Locked // nil without the lock
	loaded *state.Loaded

	applying atomic.Bool // steps run: an interrupt lets them finish

	mu       sync.Mutex
	progress *view.Progress // nil while nothing runs
}

// Begin loads the configuration, its variables and the state, which it locks.
// Without a session the exit code is returned. End ends it.
func (r *Run) Begin(ctx context.Context, operation string, o *Options) (*Session, int) {
	s := r.session(o)
	config, diags := r.LoadFiles(o.files())
	if diags.HasErrors() {
		return nil, s.failed(diags)
	}
	if diags = append(diags[:len(diags):len(diags)], Undecided(config)...); diags.HasErrors() {
		return nil, s.failed(diags)
	}
	if c := config.Selected; c != nil {
		s.tellContext(c.Name, c.Protected)
		if o.AutoApprove && c.Protected {
			return nil, s.failed(unapproved(c))
		}
	}
	values, more := config.ReadVariables(o.sources())
	if diags = append(diags[:len(diags):len(diags)], more...); diags.HasErrors() {
		_, more = lang.NewEvaluator(config, lang.Inputs{Variables: values})
		return nil, s.failed(append(diags, more...))
	}
	s.report(diags)
	if diags = s.use(config, lang.Inputs{Variables: values}); diags.HasErrors() {
		return nil, s.failed(diags)
	}
	if code := s.load(ctx, operation); code != cli.OK {
		return nil, code
	}
	return s, cli.OK
}

func (r *Run) session(o *Options) *Session {
	s := &Session{r: r, o: o}
	s.fleet = planner.NewFleet(planner.FleetOptions{SSH: ssh.Options{Passphrase: s.passphrase}})
	if o.JSON {
		s.stream = view.NewStream(view.View{Schemas: r.Schemas}, r.T.Out, api.StowageVersion)
	}
	r.current, r.compact = s, o.CompactWarnings
	return s
}

// use makes a configuration that of the session.
func (s *Session) use(config *lang.Config, inputs lang.Inputs) (diags hcl.Diagnostics) {
	s.config, s.inputs = config, inputs
	s.store, diags = s.r.Store(config)
	s.data = planner.NewDataReader(planner.DataOptions{
		Outside: outside{s.r, config}, Progress: current{s}, Parallelism: s.o.Parallelism,
	})
	return diags
}

// load reads the state, under the lock unless -lock=false.
func (s *Session) load(ctx context.Context, operation string) int {
	defer timed("reading the state", "operation", operation, "lock", s.o.Lock)()
	var err error
	if s.o.Lock {
		if s.locked, err = s.store.Lock(ctx, operation, s.o.LockTimeout); err != nil {
			return s.failed(Diagnose("Cannot lock the state", err))
		}
		s.loaded, err = s.locked.Load(ctx)
	} else {
		s.loaded, err = s.store.Load(ctx)
	}
	if err == nil && s.locked != nil {
		if err := s.r.remember(s.config); err != nil {
			s.End()
			return s.failed(Diagnose("Cannot record the backend", err))
		}
	}
	if err != nil {
		s.End()
		return s.failed(Diagnose("Cannot read the state", err))
	}
	return cli.OK
}

// End closes the connections and gives the lock back.
func (s *Session) End() {
	s.quiet()
	if err := s.fleet.Close(); err != nil {
		slog.Debug("closing connections", "error", err)
	}
	if s.locked != nil {
		if err := s.locked.Unlock(); err != nil {
			s.report(Diagnose("Cannot give the state's lock back", err))
		}
		s.locked = nil
	}
	if s.store != nil {
		if err := s.store.Close(); err != nil {
			slog.Debug("closing the state's backend", "error", err)
		}
	}
}

// report shows diagnostics, as text or in the stream.
func (s *Session) report(diags hcl.Diagnostics) {
	if s.stream != nil {
		s.stream.Diagnostics(diags, s.r.files)
		return
	}
	s.r.Report(diags)
}

// failed shows errors and returns the exit code.
func (s *Session) failed(diags hcl.Diagnostics) int {
	s.report(diags)
	return cli.Failed
}

// show begins to show what runs.
func (s *Session) show() planner.Progress {
	if s.stream != nil {
		return logged{s.stream}
	}
	p := view.NewProgress(s.r.Err(), s.r.T.Err, s.r.T.ErrSize())
	cli.AtExit(p.Close)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.progress = p
	return logged{p}
}

// quiet ends the display of what runs.
func (s *Session) quiet() {
	s.mu.Lock()
	p := s.progress
	s.progress = nil
	s.mu.Unlock()
	if p != nil {
		p.Close()
	}
}

// Say writes a line for a person, between the lines of what runs.
func (s *Session) Say(text string) {
	s.mu.Lock()
	p := s.progress
	s.mu.Unlock()
	if p != nil {
		p.Say(text)
		return
	}
	fmt.Fprintln(s.r.T.Err, text)
}

// TellInterrupt says what an interrupt does: the first, and the second.
func (r *Run) TellInterrupt(second bool) {
	if r.current == nil {
		return
	}
	text := "Interrupted: nothing has been changed."
	switch applying := r.current.applying.Load(); {
	case applying && second:
		text = "Stopping at once. What was under way is recorded; the next apply continues."
	case applying:
		text = "Stopping: the steps that run finish, no other begins. Interrupt again to stop at once."
	}
	r.current.Say("\n" + text)
}

// Show writes a plan.
func (s *Session) Show(p *planner.Plan) int {
	if s.stream != nil {
		s.stream.Plan(p)
		if err := s.stream.Err(); err != nil {
			return s.r.Fail("Cannot write the plan", err)
		}
		return cli.OK
	}
	var err error
	if s.o.Markdown {
		err = markdown.Plan(s.r.T.Out, s.r.Out().Report(p))
	} else {
		err = s.r.Out().Plan(s.r.T.Out, p)
	}
	if err != nil {
		return s.r.Fail("Cannot write the plan", err)
	}
	return cli.OK
}

// tellContext tells the stream which context a session is in.
func (s *Session) tellContext(name string, protected bool) {
	if s.stream != nil {
		s.stream.Context(name, protected)
	}
}

// Approve asks for approval of a plan. In a protected context its name is the answer.
func (s *Session) Approve(ctx context.Context, p *planner.Plan) int {
	in, flag := "", ", or approve beforehand with -auto-approve"
	q := question{answer: "yes"}
	if c := s.config.Selected; c != nil {
		in = " in the context " + c.Name
		if c.Protected {
			in, q.answer, flag = " in the protected context "+c.Name, c.Name, ""
		}
	}
	q.title, q.explanation = "Do you want to perform these actions"+in+"?", "Stowage will perform the actions described above."
	switch {
	case p.RefreshOnly:
		q.title, q.explanation = "Do you want to record these changes"+in+"?", "Stowage will write them to the state; what is on the hosts stays as it is."
	case p.Destroy && p.Partial():
		q.title, q.explanation = "Do you really want to destroy these resources"+in+"?", "There is no undo."
	case p.Destroy:
		q.title, q.explanation = "Do you really want to destroy all resources"+in+"?", "There is no undo."
	}
	q.otherwise = "the plan cannot be approved. Save a plan with \"stowage plan -out=FILE\", review it and apply it with \"stowage apply FILE\"" + flag
	yes, diags := s.r.ask(ctx, q)
	if diags.HasErrors() {
		return s.failed(diags)
	}
	if interrupted(ctx) {
		return cli.Interrupted
	}
	if !yes {
		fmt.Fprintf(s.r.T.Err, "\nNothing has been changed: the plan was not approved.\n")
		return cli.Failed
	}
	return cli.OK
}

// interrupted reports whether an error comes from an interrupt.
func interrupted(ctx context.Context) bool { return errors.Is(ctx.Err(), context.Canceled) }
