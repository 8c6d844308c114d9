package planner_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"filippo.io/age"
	"github.com/hashicorp/hcl/v2"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/planner"
	"github.com/stowage-iac/stowage/state"
	"github.com/stowage-iac/stowage/state/statetest"
)

// lab is a configuration's user: a state, a world, and the two commands.
type lab struct {
	tb      reporter
	world   *world
	backend *statetest.Memory
	store   *state.Store
	keys    *state.Keyring
	files   map[string][]byte
	destroy bool
	options planner.Options
	lineage string // of a state that is made
	hashKey []byte // of one that is not encrypted
	last    *planner.Plan
	before  func(*planner.Input)
	during  func(*planner.ApplyInput)
	data    *planner.DataReader // of the present run
}

// reporter is what testing.TB and rapid.T have in common.
type reporter interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

func newLab(tb reporter, hosts ...string) *lab {
	l := &lab{tb: tb, world: newWorld(), backend: &statetest.Memory{}, data: planner.NewDataReader(planner.DataOptions{})}
	l.keys = state.NewKeyring(state.KeyOptions{Getenv: func(name string) string {
		if name == "STOWAGE_AGE_KEY" {
			return identity().String()
		}
		return ""
	}})
	l.store = state.NewStore(l.backend, state.Options{Keys: l.keys, Version: "test"})
	for _, name := range hosts {
		l.world.hosts[name] = api.NodeFacts{Hostname: name, Arch: "amd64", CPUs: 4, Memory: 8 << 30}
	}
	return l
}

// identity is this run's key.
var identity = sync.OnceValue(func() *age.X25519Identity {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		panic(err)
	}
	return id
})

func (l *lab) write(config string) *lab {
	l.files = map[string][]byte{"main.stowage.hcl": []byte(config)}
	return l
}

func (l *lab) load() *lang.Config {
	l.tb.Helper()
	cfg, diags := lang.Load(".", lang.Options{Schemas: l.world.schemas(), Files: l.files})
	if diags.HasErrors() {
		l.tb.Fatalf("load: %s", text(diags))
	}
	return cfg
}

func (l *lab) state() *state.Loaded {
	l.tb.Helper()
	loaded, err := l.store.Load(context.Background())
	if err != nil {
		l.tb.Fatal(err)
	}
	return loaded
}

func (l *lab) input(cfg *lang.Config, loaded *state.Loaded) planner.Input {
	if l.lineage != "" && !loaded.Exists {
		loaded.State.Lineage = l.lineage
	}
	if l.hashKey != nil && !loaded.Encrypted {
		loaded.State.HashKey = l.hashKey
	}
	in := planner.Input{
		Config: cfg, State: loaded.State, Cut: loaded.Interrupted, Kinds: l.world.kinds(), World: l.world.view(),
		Destroy: l.destroy, Options: l.options, Version: "test", Now: time.Unix(0, 0), Data: l.data.Read,
	}
	if l.before != nil {
		l.before(&in)
	}
	return in
}

func (l *lab) tryPlan() (*planner.Plan, hcl.Diagnostics) {
	l.tb.Helper()
	l.data = planner.NewDataReader(planner.DataOptions{})
	return planner.Make(context.Background(), l.input(l.load(), l.state()))
}

func (l *lab) plan() *planner.Plan {
	l.tb.Helper()
	p, diags := l.tryPlan()
	if diags.HasErrors() {
		l.tb.Fatalf("plan: %s", text(diags))
	}
	return p
}

// tryApply plans and applies as the command does: under the lock.
func (l *lab) tryApply(ctx context.Context) (planner.Result, hcl.Diagnostics) {
	l.tb.Helper()
	locked, err := l.store.Lock(ctx, "apply", 0)
	if err != nil {
		l.tb.Fatal(err)
	}
	defer locked.Unlock()
	loaded, err := locked.Load(ctx)
	if err != nil {
		l.tb.Fatal(err)
	}
	cfg := l.load()
	l.data = planner.NewDataReader(planner.DataOptions{})
	p, diags := planner.Make(ctx, l.input(cfg, loaded))
	if diags.HasErrors() {
		l.tb.Fatalf("plan: %s", text(diags))
	}
	journal, err := locked.Begin(ctx, loaded, state.Operation{Name: "apply", Partial: p.Partial() || p.RefreshOnly})
	if err != nil {
		l.tb.Fatal(err)
	}
	l.last = p
	in := planner.ApplyInput{Config: cfg, State: loaded.State, Kinds: l.world.kinds(), Journal: journal, Own: l.world.own, Data: l.data.Read}
	if l.during != nil {
		l.during(&in)
	}
	return planner.Apply(ctx, p, in)
}

func (l *lab) apply() planner.Result {
	l.tb.Helper()
	r, diags := l.tryApply(context.Background())
	if diags.HasErrors() {
		l.tb.Fatalf("apply: %s\nof:\n%s\n%s", text(diags), l.files["main.stowage.hcl"], l.last)
	}
	return r
}

// settled applies and makes sure that nothing is left to do.
func (l *lab) settled() {
	l.tb.Helper()
	l.apply()
	l.options.Replace = nil
	p, diags := l.tryPlan()
	if len(diags) > 0 && diags[0].Summary == "Unknown address" && p.Partial() {
		return // what was to go is gone
	}
	if p = l.plan(); !p.Empty() {
		l.tb.Fatalf("the plan after the apply is not empty:\n%s", p)
	}
}

func text(diags hcl.Diagnostics) string {
	var b strings.Builder
	for _, d := range diags {
		severity := "error"
		if d.Severity == hcl.DiagWarning {
			severity = "warning"
		}
		fmt.Fprintf(&b, "%s: %s: %s\n", severity, d.Summary, d.Detail)
	}
	return b.String()
}
