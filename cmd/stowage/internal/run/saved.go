package run

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/hashicorp/hcl/v2"

	"github.com/stowage-iac/stowage/cmd/stowage/internal/cli"
	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/planner"
)

// Save writes a plan to a file that only its owner may read.
func (s *Session) Save(p *planner.Plan, path string) int {
	var b bytes.Buffer
	err := p.Save(&b, planner.SaveOptions{Kinds: s.r.Kinds, Config: s.config, Inputs: s.inputs, Keys: s.r.Keys(s.config)})
	if err == nil {
		err = WriteFile(path, b.Bytes(), 0o600)
	}
	if err != nil {
		return s.failed(Diagnose("Cannot save the plan", err))
	}
	if s.stream != nil || s.o.Markdown {
		return cli.OK
	}
	if err := s.r.Out().Saved(s.r.T.Out, path, p.Empty() || s.r.T.Automation); err != nil {
		return s.r.Fail("Cannot write the result", err)
	}
	return cli.OK
}

// OpenPlan reads a saved plan.
func (r *Run) OpenPlan(path string) (*planner.Saved, hcl.Diagnostics) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, Diagnose("Cannot read the plan", fmt.Errorf("there is no file %s: \"stowage plan -out=%s\" makes a plan and saves it there", path, path))
	}
	if err != nil {
		return nil, Diagnose("Cannot read the plan", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		err = errors.New("it is a directory")
	}
	if err != nil {
		return nil, Diagnose("Cannot read the plan", fmt.Errorf("%s: %w", path, err))
	}
	planned, err := planner.ContextOf(f, info.Size())
	if err == nil && planned != "" {
		err = r.enter(planned) // its keys
	}
	if err != nil {
		return nil, Diagnose("Cannot read the plan", fmt.Errorf("%s: %w", path, err))
	}
	saved, err := planner.Open(f, info.Size(), planner.OpenOptions{Kinds: r.Kinds, Keys: r.Keys(&lang.Config{})})
	if err != nil {
		return nil, Diagnose("Cannot read the plan", fmt.Errorf("%s: %w", path, err))
	}
	return saved, nil
}

// Resume begins the apply of a saved plan: it loads the configuration that the
// plan was made from, locks and reads the state, looks at the hosts and refuses
// a plan that is stale. Without a session the exit code is returned.
func (r *Run) Resume(ctx context.Context, saved *planner.Saved, o *Options) (*Session, int) {
	p := saved.Plan
	o.Destroy = p.Destroy
	s := r.session(o)
	if chosen, _ := r.Explicit(); chosen.Name != "" && chosen.Name != p.Context {
		return nil, s.failed(Diagnose("The plan is for another context", errPlanContext(p.Context, chosen)))
	}
	r.T.Context = p.Context
	config, diags := r.LoadFiles(saved.Files)
	if diags.HasErrors() {
		return nil, s.failed(diags)
	}
	if c := config.Selected; c != nil {
		s.tellContext(c.Name, c.Protected)
	}
	inputs, diags := again(config, saved, o)
	if diags.HasErrors() {
		return nil, s.failed(diags)
	}
	if diags := s.use(config, inputs); diags.HasErrors() {
		return nil, s.failed(diags)
	}
	operation := "apply"
	if p.Destroy {
		operation = "destroy"
	}
	if code := s.load(ctx, operation); code != cli.OK {
		return nil, code
	}
	if code := s.current(ctx, p); code != cli.OK {
		s.End()
		return nil, code
	}
	return s, cli.OK
}

// current checks that what a plan was made from is still so: first the state,
// then the hosts and the cluster.
func (s *Session) current(ctx context.Context, p *planner.Plan) int {
	if diags := planner.CheckStale(p, s.loaded, nil, s.r.Kinds); diags.HasErrors() {
		return s.failed(diags)
	}
	p.Prepare(s.loaded)
	if diags := planner.CheckGiven(p, s.applyInput(ctx)); diags.HasErrors() {
		return s.failed(diags)
	}
	world, diags := s.refresh(ctx, s.show())
	s.quiet()
	if interrupted(ctx) {
		return cli.Interrupted
	}
	if !diags.HasErrors() {
		diags = append(diags[:len(diags):len(diags)], planner.CheckStale(p, s.loaded, world, s.r.Kinds)...)
	}
	if diags.HasErrors() {
		return s.failed(diags)
	}
	s.report(diags)
	return cli.OK
}
