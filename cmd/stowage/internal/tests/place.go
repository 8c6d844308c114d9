package tests

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"filippo.io/age"
	"github.com/hashicorp/hcl/v2"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/run"
	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/planner"
	"github.com/stowage-iac/stowage/providers"
	"github.com/stowage-iac/stowage/state"
	"github.com/stowage-iac/stowage/state/local"
)

// place is a configuration with a state of its own, in a directory of its own: what
// is left there after a failure is a configuration that "stowage destroy" takes.
type place struct {
	f      *file
	source string // directory of the configuration
	dir    string // of the state
	config *lang.Config
	store  *state.Store
	fleet  *planner.Fleet
	data   *planner.DataReader // of the present run
}

const (
	keyFile   = "key.txt"
	stateFile = "stowage.state.json"
)

// place is that of a configuration's directory; "" is the working directory.
func (f *file) place(source string) (*place, hcl.Diagnostics) {
	if source == "" {
		source = "."
	}
	source = filepath.Clean(source)
	if p := f.places[source]; p != nil {
		return p, nil
	}
	config, diags := f.Suite.Run.LoadDir(source)
	if diags.HasErrors() {
		return nil, diags
	}
	p := &place{f: f, source: source, dir: filepath.Join(f.dir, fmt.Sprint(len(f.places))), config: config}
	if err := p.prepare(); err != nil {
		return nil, run.Diagnose("Cannot make a state for the test", err)
	}
	f.places[source] = p
	return p, diags
}

// prepare makes the directory of the state, with a key that only this test has.
func (p *place) prepare() error {
	if err := os.Mkdir(p.dir, 0o700); err != nil {
		return err
	}
	id, err := age.GenerateX25519Identity()
	if err != nil {
		return err
	}
	settings := fmt.Sprintf("stowage {\n  encryption {\n    recipients = [%q]\n    identities = [%q]\n  }\n}\n", id.Recipient(), keyFile)
	for name, content := range map[string]string{keyFile: id.String() + "\n", "main" + lang.Suffix: settings} {
		if err := os.WriteFile(filepath.Join(p.dir, name), []byte(content), 0o600); err != nil {
			return err
		}
	}
	keys := state.NewKeyring(state.KeyOptions{Getenv: func(name string) string {
		if name == "STOWAGE_AGE_KEY" {
			return id.String()
		}
		return ""
	}})
	p.store = state.NewStore(local.New(filepath.Join(p.dir, stateFile)), state.Options{Keys: keys, Version: api.StowageVersion})
	p.fleet = planner.NewFleet(planner.FleetOptions{SSH: p.f.Suite.Run.SSH()})
	return nil
}

func (p *place) close() { p.fleet.Close() }

// real reports whether an apply has made nodes: from then on, hosts are looked at.
func (p *place) real(s *state.State) bool {
	for _, inst := range s.Instances {
		if _, ok := p.f.Suite.Run.Kinds[inst.Kind].(providers.Carrier); ok {
			return true
		}
	}
	return false
}

// refresh looks at the hosts.
func (p *place) refresh(ctx context.Context, loaded *state.Loaded, inputs lang.Inputs, destroy bool) (*providers.World, hcl.Diagnostics) {
	return planner.Refresh(ctx, planner.RefreshInput{
		Config: p.config, Inputs: inputs, State: loaded.State, Cut: loaded.Interrupted,
		Kinds: p.f.Suite.Run.Kinds, Fleet: p.fleet, Destroy: destroy, Data: p.data.Read, BaseDir: p.source,
	})
}

// apply does what a plan says, and returns the state after it.
func (p *place) apply(soft, hard context.Context, locked *state.Locked, loaded *state.Loaded, plan *planner.Plan, inputs lang.Inputs) (*state.State, hcl.Diagnostics) {
	journal, err := locked.Begin(hard, loaded, state.Operation{Name: "test", Sensitive: plan.Sensitive()})
	if err != nil {
		return nil, run.Diagnose("Cannot begin the apply", err)
	}
	result, diags := planner.Apply(soft, plan, planner.ApplyInput{
		Config: p.config, Inputs: inputs, State: loaded.State, Kinds: p.f.Suite.Run.Kinds, Journal: journal,
		Fleet: p.fleet, Hard: hard, Parallelism: p.f.Parallelism, BaseDir: p.source, Resolve: run.Resolver(hard),
		Data: p.data.Read, Outside: p.f.Suite.Run.Outside(p.config),
	})
	if n := len(result.NotDone); n > 0 && !diags.HasErrors() {
		diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Apply interrupted",
			Detail: fmt.Sprintf("%d steps were not begun.", n)})
	}
	return result.State, diags
}

// destroy removes everything that the state records.
func (p *place) destroy(hard context.Context) hcl.Diagnostics {
	locked, err := p.store.Lock(hard, "test", 0)
	if err != nil {
		return p.left(nil, run.Diagnose("Cannot lock the state", err))
	}
	defer locked.Unlock()
	loaded, err := locked.Load(hard)
	if err != nil {
		return p.left(nil, run.Diagnose("Cannot read the state", err))
	}
	s := loaded.State
	if len(s.Instances) == 0 && loaded.Interrupted == nil {
		return nil
	}
	for _, inst := range s.Instances {
		inst.PreventDestroy = false // it protects what is kept; a test keeps nothing
	}
	world, diags := p.refresh(hard, loaded, lang.Inputs{}, true)
	if diags.HasErrors() {
		return p.left(s, diags)
	}
	plan, more := planner.Make(hard, planner.Input{
		State: s, Cut: loaded.Interrupted, Kinds: p.f.Suite.Run.Kinds, World: world, Destroy: true, Images: p.fleet,
		BaseDir: p.source, Context: p.config.Context, Version: api.StowageVersion, Now: time.Now(),
	})
	if diags = append(diags, more...); diags.HasErrors() {
		return p.left(s, diags)
	}
	after, more := p.apply(hard, hard, locked, loaded, plan, lang.Inputs{})
	if diags = append(diags, more...); diags.HasErrors() {
		if after == nil {
			after = s
		}
		return p.left(after, diags)
	}
	return diags
}

// left adds what could not be destroyed, and how to do it, to why.
func (p *place) left(s *state.State, why hcl.Diagnostics) hcl.Diagnostics {
	what := "What the test applied"
	if s != nil {
		var addresses []string
		for address := range s.Instances {
			addresses = append(addresses, "  "+address+"\n")
		}
		if len(addresses) == 0 {
			return why
		}
		sort.Strings(addresses)
		what = "This was applied by the test, and is still there:\n" + strings.Join(addresses, "") + "It"
	}
	return append(why, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Not everything was destroyed",
		Detail: fmt.Sprintf("%s is recorded in a state that is kept. When what is told above is mended, destroy it with\n  stowage -chdir=%s destroy\nand remove the directory.", what, p.dir)})
}
