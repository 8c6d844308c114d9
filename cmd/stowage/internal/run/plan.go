package run

import (
	"context"
	"fmt"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/cli"
	"github.com/stowage-iac/stowage/image"
	"github.com/stowage-iac/stowage/planner"
	"github.com/stowage-iac/stowage/providers"
)

// Planned makes a plan that nothing is applied of, and has use do with it what the
// command is for. An interrupt ends it.
func (r *Run) Planned(ctx context.Context, o *Options, use func(*Session, *planner.Plan) int) int {
	ctx, release := cli.Interruptible(ctx, 2*time.Second, func() { r.TellInterrupt(false) })
	defer release()
	s, code := r.Begin(ctx, "plan", o)
	if s == nil {
		return code
	}
	defer s.End()
	p, code := s.Plan(ctx)
	if p == nil {
		return code
	}
	return use(s, p)
}

// Plan reads the hosts and makes a plan. Without a plan the exit code is returned.
func (s *Session) Plan(ctx context.Context) (*planner.Plan, int) {
	progress := s.show()
	world, diags := s.refresh(ctx, progress)
	var p *planner.Plan
	if !diags.HasErrors() {
		var more hcl.Diagnostics
		ended := timed("plan")
		p, more = planner.Make(ctx, s.input(ctx, world))
		ended()
		diags = append(diags[:len(diags):len(diags)], more...)
	}
	s.quiet()
	if interrupted(ctx) {
		return nil, cli.Interrupted
	}
	if diags.HasErrors() {
		return nil, s.failed(diags)
	}
	s.report(diags)
	return p, cli.OK
}

// refresh reads the hosts; the world is nil with -refresh=false.
func (s *Session) refresh(ctx context.Context, progress planner.Progress) (*providers.World, hcl.Diagnostics) {
	if !s.o.Refresh {
		return nil, nil
	}
	defer timed("refresh")()
	return planner.Refresh(ctx, planner.RefreshInput{
		Config: s.config, Inputs: s.inputs, State: s.loaded.State, Cut: s.loaded.Interrupted,
		Kinds: s.r.Kinds, Imports: s.o.imports, Fleet: s.fleet, Progress: progress, Destroy: s.o.Destroy, Data: s.data.Read, BaseDir: ".",
	})
}

func (s *Session) input(ctx context.Context, world *providers.World) planner.Input {
	in := planner.Input{
		Config: s.config, Inputs: s.inputs, State: s.loaded.State, Cut: s.loaded.Interrupted,
		Kinds: s.r.Kinds, Imports: s.o.imports, World: world, Destroy: s.o.Destroy, Options: s.o.Plan, BaseDir: ".",
		Context: contextName(s.config), Protected: s.config.Selected != nil && s.config.Selected.Protected, Version: api.StowageVersion, Now: time.Now(),
		Resolve: resolver(ctx), Data: s.data.Read, Outside: outside{s.r, s.config},
	}
	if s.o.Refresh {
		in.Images = s.fleet
	}
	return in
}

// resolver asks registries for digests.
func resolver(ctx context.Context) func(string) (string, error) {
	return func(ref string) (string, error) {
		img, err := image.Resolve(ctx, ref)
		if err != nil {
			return "", err
		}
		return img.Ref, nil
	}
}

// passphrase asks for the passphrase of a private key.
func (s *Session) passphrase(_ context.Context, path string) (answer []byte, err error) {
	ask := func() { answer, err = s.r.T.Secret(fmt.Sprintf("Passphrase of %s: ", path)) }
	s.mu.Lock()
	p := s.progress
	s.mu.Unlock()
	if p != nil {
		p.Pause(ask)
	} else {
		ask()
	}
	return answer, err
}
