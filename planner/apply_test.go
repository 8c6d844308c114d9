package planner_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/planner"
	"github.com/stowage-iac/stowage/providers"
	"github.com/stowage-iac/stowage/providers/data"
	"github.com/stowage-iac/stowage/ssh"
	"github.com/stowage-iac/stowage/state"
)

const threeChains = `
node "m" { address = "10.0.0.1" }
config "a1" { text = "a" }
config "a2" { text = tostring(config.a1.serial) }
config "a3" { text = config.a2.text }
config "b1" { text = "b" }
config "b2" { text = tostring(config.b1.serial) }
output "a" { value = config.a2.text }
output "b" { value = config.b2.text }
`

// A failure stops what depends on it, and nothing else; the summary says what was
// not done, and the next apply does it.
func TestAFailureStopsOnlyWhatNeedsIt(t *testing.T) {
	l := newLab(t, "m").write(threeChains)
	l.world.fail["config.a2"] = errors.New("the disk is full")
	r, diags := l.tryApply(t.Context())
	if got := text(diags); got != "error: Not applied: config.a2: the disk is full.\n" {
		t.Error(got)
	}
	want := planner.Result{
		Added: 4, Failed: []string{"create config.a2"}, NotDone: []string{"create config.a3"},
		Done: []string{"create node.m", "create config.a1", "create config.b1", "create config.b2"},
	}
	for _, d := range []string{
		cmp.Diff(want.Done, r.Done), cmp.Diff(want.Failed, r.Failed), cmp.Diff(want.NotDone, r.NotDone), cmp.Diff(want.Added, r.Added),
	} {
		if d != "" {
			t.Error(d)
		}
	}
	s := l.state().State
	if s.Outputs["a"] != nil || s.Outputs["b"] == nil {
		t.Errorf("outputs %v: that of a failed resource is not known, the other is", s.Outputs)
	}
	if s.Instances["config.a2"] != nil || s.Instances["config.b2"] == nil {
		t.Error("the state does not hold what was done, or holds what was not")
	}
	delete(l.world.fail, "config.a2")
	l.settled()
}

// A failed update is recorded as what is there, and done again even if it seems to be done.
func TestAFailedChangeIsDoneAgain(t *testing.T) {
	l := newLab(t, "m").write("config \"c\" { text = \"one\" }")
	l.apply()
	l.write("config \"c\" { text = \"two\" }")
	l.world.fail["config.c"] = errors.New("no")
	if _, diags := l.tryApply(t.Context()); !diags.HasErrors() {
		t.Fatal("it did not fail")
	}
	if !l.state().State.Instances["config.c"].Incomplete {
		t.Fatal("it is not recorded as unfinished")
	}
	delete(l.world.fail, "config.c")
	l.write("config \"c\" { text = \"one\" }")
	c := l.plan().Changes[0]
	if c.Action != planner.Update || c.Reason != "the last apply of it did not finish" {
		t.Errorf("%s because %q", c.Action, c.Reason)
	}
	l.settled()
}

// SIGINT: what runs finishes, nothing more starts, and the state is written.
func TestCancelFinishesWhatRuns(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	l := newLab(t, "m").write(threeChains)
	l.during = func(in *planner.ApplyInput) { in.Parallelism = 1 }
	l.world.during = func(address string) {
		if address == "config.a1" {
			cancel()
		}
	}
	r, diags := l.tryApply(ctx)
	if diags.HasErrors() || !r.Cancelled {
		t.Fatalf("cancelled %v, %s", r.Cancelled, text(diags))
	}
	if d := cmp.Diff([]string{"create node.m", "create config.a1"}, r.Done); d != "" {
		t.Error(d)
	}
	loaded := l.state()
	if loaded.State.Instances["config.a1"] == nil {
		t.Error("what was running is not recorded")
	}
	l.world.during = nil
	if told := l.plan().Interrupted; told == nil || told.Running || !slices.Equal(told.Done, []string{"node.m", "config.a1"}) || len(told.Underway) > 0 {
		t.Errorf("the next plan tells %+v", told)
	}
	l.settled()
}

// The second signal ends the context of what runs.
func TestHardCancelEndsWhatRuns(t *testing.T) {
	hard, cancel := context.WithCancel(t.Context())
	l := newLab(t).write("config \"c\" { text = \"x\" }")
	l.during = func(in *planner.ApplyInput) {
		in.Hard = hard
		in.Kinds["config"] = slow{configKind{l.world}, cancel}
	}
	r, diags := l.tryApply(t.Context())
	if len(r.Failed) != 1 || !strings.Contains(text(diags), "context canceled") {
		t.Errorf("%v: %s", r, text(diags))
	}
}

// slow waits for the end of its context.
type slow struct {
	configKind
	started func()
}

func (s slow) Apply(ctx context.Context, req providers.ApplyRequest) providers.ApplyResponse {
	s.started()
	<-ctx.Done()
	return refused(req, ctx.Err())
}

// timeouts bound a change.
func TestTimeout(t *testing.T) {
	l := newLab(t).write("config \"c\" {\n text = \"x\"\n timeouts { create = \"1ms\" }\n}")
	l.during = func(in *planner.ApplyInput) { in.Kinds["config"] = slow{configKind{l.world}, func() {}} }
	_, diags := l.tryApply(t.Context())
	if got := text(diags); !strings.Contains(got, "it took longer than the 1ms of its timeouts block") {
		t.Error(got)
	}
}

// wrong is a kind with a mistake in it.
type wrong struct {
	configKind
	apply func(providers.ApplyRequest) providers.ApplyResponse
}

func (w wrong) Apply(_ context.Context, req providers.ApplyRequest) providers.ApplyResponse {
	return w.apply(req)
}

// A kind is told the context of the plan: a node keeps its name.
func TestApplyTellsTheContext(t *testing.T) {
	l := newLab(t).write("config \"c\" {\n text = \"x\"\n}")
	l.before = func(in *planner.Input) { in.Context = "prod" }
	got := ""
	l.during = func(in *planner.ApplyInput) {
		in.Kinds["config"] = wrong{configKind{l.world}, func(req providers.ApplyRequest) providers.ApplyResponse {
			got = req.Context
			return configKind{l.world}.Apply(t.Context(), req)
		}}
	}
	if _, diags := l.tryApply(t.Context()); diags.HasErrors() || got != "prod" {
		t.Errorf("%q, %v", got, diags)
	}
}

// A kind's mistakes become diagnostics, not crashes and not a corrupt state.
func TestMistakesOfAKind(t *testing.T) {
	for name, tc := range map[string]struct {
		apply func(providers.ApplyRequest) providers.ApplyResponse
		want  string
	}{
		"panic": {
			func(providers.ApplyRequest) providers.ApplyResponse { panic("oops") }, "panic: oops",
		},
		"no value": {
			func(providers.ApplyRequest) providers.ApplyResponse { return providers.ApplyResponse{} }, "gave no value",
		},
		"another value than planned": {
			func(req providers.ApplyRequest) providers.ApplyResponse {
				return providers.ApplyResponse{Value: providers.With(req.Planned, map[string]cty.Value{
					"text": cty.StringVal("else"), "serial": cty.Zero})}
			}, "at text",
		},
		"an unknown value": {
			func(req providers.ApplyRequest) providers.ApplyResponse {
				return providers.ApplyResponse{Value: req.Planned}
			}, "[serial] is still unknown",
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t).write("config \"c\" { text = \"x\" }\nsecret \"s\" {}")
			l.during = func(in *planner.ApplyInput) { in.Kinds["config"] = wrong{configKind{l.world}, tc.apply} }
			r, diags := l.tryApply(t.Context())
			if got := text(diags); !strings.Contains(got, tc.want) {
				t.Errorf("%s: no %q", got, tc.want)
			}
			if !slices.Contains(r.Done, "create secret.s") || len(r.Failed) != 1 {
				t.Errorf("done %v, failed %v", r.Done, r.Failed)
			}
			l.during = nil
			l.settled()
		})
	}
}

// What was known in the plan must hold when the rest becomes known.
func TestAPlanIsKeptToTheLetter(t *testing.T) {
	l := newLab(t).write(`
config "a" { text = "x" }
config "b" {
  text   = config.a.serial == 1 ? "one" : "other"
  labels = { same = "${config.a.text}" }
}
`)
	l.during = func(in *planner.ApplyInput) {
		in.Kinds["config"] = whimsical{configKind{l.world}, new(sync.Map)}
	}
	_, diags := l.tryApply(t.Context())
	if got := text(diags); !strings.Contains(got, "Inconsistent plan") || !strings.Contains(got, "frozen is now different from what was planned") {
		t.Error(got)
	}
	if _, there := l.world.objects["config.b"]; there {
		t.Error("it was applied all the same")
	}
}

// whimsical plans something else during apply.
type whimsical struct {
	configKind
	seen *sync.Map
}

func (w whimsical) Plan(req providers.PlanRequest) providers.PlanResponse {
	resp := w.configKind.Plan(req)
	resp.Planned = providers.With(resp.Planned, map[string]cty.Value{"frozen": cty.StringVal("whim")})
	return resp
}

// The journal's disk is full: no further step starts.
func TestABrokenJournalStopsTheApply(t *testing.T) {
	l := newLab(t, "m").write(threeChains)
	l.during = func(in *planner.ApplyInput) {
		in.Parallelism = 1
		in.Journal = &broken{Journal: in.Journal.(*state.Journal), left: 5}
	}
	r, diags := l.tryApply(t.Context())
	if got := text(diags); !strings.Contains(got, "Journal not written: No space left") {
		t.Error(got)
	}
	if len(r.NotDone) == 0 || len(r.Done)+len(r.Failed)+len(r.NotDone) != 6 {
		t.Errorf("%+v", r)
	}
}

type broken struct {
	*state.Journal
	left int
}

func (b *broken) Begin(address, action string) error {
	if b.left--; b.left < 0 {
		return errors.New("no space left")
	}
	return b.Journal.Begin(address, action)
}

func (b *broken) Done(address string, i *state.Instance) error {
	if b.left--; b.left < 0 {
		return errors.New("no space left")
	}
	return b.Journal.Done(address, i)
}

// Never more than Parallelism steps run at once, and as many as there are do.
func TestParallelism(t *testing.T) {
	identity()
	for _, limit := range []int{1, 3, 10} {
		synctest.Test(t, func(t *testing.T) {
			l := newLab(t).write("config \"c\" {\n count = 40\n text = \"x\"\n}")
			var mu sync.Mutex
			running, peak := 0, 0
			l.world.during = func(string) {
				mu.Lock()
				running++
				peak = max(peak, running)
				mu.Unlock()
				time.Sleep(time.Second) // of the bubble's time: all that can start has started
				mu.Lock()
				running--
				mu.Unlock()
			}
			l.during = func(in *planner.ApplyInput) { in.Parallelism = limit }
			l.apply()
			if peak != limit {
				t.Errorf("%d at once, %d were allowed", peak, limit)
			}
		})
	}
}

// watched notes what a Progress is told.
type watched struct {
	mu  sync.Mutex
	got []string
}

func (w *watched) note(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.got = append(w.got, fmt.Sprintf(format, args...))
}

func (w *watched) Start(op planner.Operation)                  { w.note("start %s %s", op.Verb, op.Address) }
func (w *watched) Update(op planner.Operation, what string)    { w.note("%s %s", op.Address, what) }
func (w *watched) Begin(n int)                                 { w.note("%d operations", n) }
func (w *watched) Retry(op planner.Operation, r planner.Retry) { w.note("%s %s", op.Address, r) }
func (w *watched) Done(op planner.Operation, failed bool) {
	if time.Since(op.Started) < 0 {
		panic("it ended before it started")
	}
	w.note("end %s %s %v", op.Verb, op.Address, failed)
}

// What may pass by itself is tried again after a while, a bounded number of times,
// and that is told; other failures, and an interrupt, end it at once.
func TestRetries(t *testing.T) {
	lost := fmt.Errorf("host a: %w", ssh.ErrConnectionLost)
	const config = "config \"a\" { text = \"x\" }"
	for name, tc := range map[string]struct {
		failures []error
		want     []string
	}{
		"passes": {[]error{lost, lost}, []string{
			"1 operations", "start create config.a",
			"config.a retrying in 1s (2 of 4): host a: connection lost", "config.a retrying in 2s (3 of 4): host a: connection lost",
			"end create config.a false"}},
		"does not pass": {[]error{lost, lost, lost, lost, lost}, []string{
			"1 operations", "start create config.a",
			"config.a retrying in 1s (2 of 4): host a: connection lost", "config.a retrying in 2s (3 of 4): host a: connection lost",
			"config.a retrying in 4s (4 of 4): host a: connection lost", "end create config.a true"}},
		"another cause": {[]error{errors.New("disk full")}, []string{
			"1 operations", "start create config.a", "end create config.a true"}},
		"turns into another": {[]error{lost, errors.New("disk full")}, []string{
			"1 operations", "start create config.a", "config.a retrying in 1s (2 of 4): host a: connection lost", "end create config.a true"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t).write(config)
				failures := tc.failures
				l.world.during = func(address string) {
					if l.world.fail[address] = nil; len(failures) > 0 {
						l.world.fail[address], failures = failures[0], failures[1:]
					}
				}
				w := &watched{}
				l.during = func(in *planner.ApplyInput) { in.Progress, in.Attempts = w, 4 }
				l.tryApply(t.Context())
				if d := cmp.Diff(tc.want, w.got); d != "" {
					t.Error(d)
				}
			})
		})
	}
	t.Run("tried in vain by another step", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := newLab(t).write(config + "\nconfig \"b\" { text = \"x\" }")
			l.world.fail["config.a"], l.world.fail["config.b"] = lost, lost
			w := &watched{}
			l.during = func(in *planner.ApplyInput) { in.Progress, in.Attempts, in.Parallelism = w, 2, 1 }
			l.tryApply(t.Context())
			if d := cmp.Diff([]string{"2 operations", "start create config.a", "config.a retrying in 1s (2 of 2): host a: connection lost",
				"end create config.a true", "start create config.b", "end create config.b true"}, w.got); d != "" {
				t.Error(d)
			}
		})
	})
	t.Run("interrupted", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := newLab(t).write(config)
			l.world.fail["config.a"] = lost
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			w := &watched{}
			l.during = func(in *planner.ApplyInput) {
				in.Progress, in.Backoff = w, time.Hour
				time.AfterFunc(time.Minute, cancel)
			}
			began := time.Now()
			l.tryApply(ctx)
			if took := time.Since(began); took != time.Minute || len(w.got) != 4 {
				t.Errorf("after %s: %q", took, w.got)
			}
		})
	})
	t.Run("timeout", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := newLab(t).write("config \"a\" {\n text = \"x\"\n timeouts { create = \"5s\" }\n}")
			l.world.fail["config.a"] = lost
			began := time.Now()
			_, diags := l.tryApply(t.Context())
			if took := time.Since(began); took != 5*time.Second || !strings.Contains(text(diags), "longer than the 5s") {
				t.Errorf("after %s: %s", took, text(diags))
			}
		})
	})
}

func TestProgress(t *testing.T) {
	l := newLab(t).write("config \"a\" { text = \"x\" }\nconfig \"b\" {\n text = \"x\"\n depends_on = [config.a]\n}")
	l.world.fail["config.b"] = errors.New("no")
	w := &watched{}
	l.during = func(in *planner.ApplyInput) { in.Progress = w }
	l.tryApply(t.Context())
	want := []string{"2 operations", "start create config.a", "end create config.a false", "start create config.b", "end create config.b true"}
	if d := cmp.Diff(want, w.got); d != "" {
		t.Error(d)
	}
}

// Every kind goes through every action. A kind that is added to the lab without a
// row here fails.
func TestEveryKindAndAction(t *testing.T) {
	type row struct{ create, update, replace string }
	const node = "node \"m\" { address = \"10.0.0.1\" }\n"
	table := map[string]row{
		"config": {`config "x" { text = "1" }`, `config "x" { text = "2" }`, "config \"x\" {\n text = \"2\"\n frozen = \"f\"\n}"},
		"secret": {`secret "x" {}`, `secret "x" { length = 9 }`, ""},
		"pod":    {`pod "x" {}`, `pod "x" { replicas = 2 }`, ""},
		"node":   {"node \"x\" { address = \"10.0.0.2\" }", "node \"x\" {\n address = \"10.0.0.2\"\n labels = { a = \"b\" }\n}", "node \"x\" {\n address = \"10.0.0.3\"\n labels = { a = \"b\" }\n}"},
	}
	for name, k := range newWorld().kinds() {
		if _, source := k.(data.Kind); source {
			continue // it is only read
		}
		r, ok := table[name]
		if !ok {
			t.Errorf("the kind %q has no row", name)
			continue
		}
		t.Run(name, func(t *testing.T) {
			l := newLab(t, "m", "x")
			manager := node
			if name == "node" {
				manager = "node \"m\" {\n address = \"10.0.0.1\"\n role = \"manager\"\n}\n"
			}
			l.write(manager)
			l.apply()
			expect := func(config string, want planner.Action) {
				t.Helper()
				l.write(manager + config)
				for _, c := range l.plan().Changes {
					if c.Address == name+".x" && c.Action != want {
						t.Errorf("%s, not %s", c.Action, want)
					}
				}
				l.settled()
			}
			expect(r.create, planner.Create)
			expect(r.create, planner.NoOp)
			expect(r.update, planner.Update)

			// Moves: by a block, and back by the command; neither does anything else.
			there := l.world.dump()
			l.write(manager + strings.Replace(r.update, `"x"`, `"y"`, 1) + fmt.Sprintf("\nmoved {\n from = %s.x\n to = %[1]s.y\n}\n", name))
			if p := l.plan(); p.Count() != (planner.Counts{Move: 1}) || len(p.Steps) != 0 {
				t.Errorf("a move is\n%s", p)
			}
			l.settled()
			l.rename(name+".y", name+".x")
			expect(r.update, planner.NoOp)
			if now := l.world.dump(); now != there {
				t.Errorf("moved there and back the world is\n%s, was\n%s", now, there)
			}
			importing(t, name, manager, r.update)

			if r.replace != "" {
				expect(r.replace, planner.Replace)
			}
			if name == "config" || name == "pod" { // drift: it is gone
				happen(t, l.world, "drop "+name+".x")
				last := r.update
				if r.replace != "" {
					last = r.replace
				}
				expect(last, planner.Create)
			}
			expect("", planner.Delete)
			if _, there := l.state().State.Instances[name+".x"]; there {
				t.Error("it is still recorded")
			}
		})
	}
}

// importing takes over what another state made: nothing is done to it. Of what is kept
// nowhere but in the state it is refused.
func importing(t *testing.T, kind, manager, config string) {
	old := newLab(t, "m", "x").write(manager + config)
	old.settled()
	l := newLab(t)
	l.world = old.world
	l.world.log = nil
	l.write(manager + config + fmt.Sprintf("\nimport {\n to = node.m\n id = \"m\"\n}\nimport {\n to = %s.x\n id = \"x\"\n}\n", kind))
	p, diags := l.tryPlan()
	if kind == "secret" {
		if !strings.Contains(text(diags), "secret.x cannot be imported: nothing of a secret is kept anywhere but in the state") {
			t.Errorf("a secret is imported: %s", text(diags))
		}
		return
	}
	if diags.HasErrors() || p.Count() != (planner.Counts{Import: 2}) || len(p.Steps) != 0 {
		t.Errorf("an import is\n%s%s", p, text(diags))
	}
	l.settled()
	for _, entry := range l.world.log {
		if !strings.HasPrefix(entry, "own ") {
			t.Errorf("an import did: %s", entry)
		}
	}
}

// The lab's kinds keep the contract that the planner relies on: Apply is
// idempotent, its result is wholly known and agrees with the plan, planning it
// again changes nothing, and deleting what is gone is no error.
func TestKindsKeepTheContract(t *testing.T) {
	w := newWorld()
	w.hosts["x"] = newLab(t, "x").world.hosts["x"]
	w.joined["x"] = true
	configs := map[string]map[string]cty.Value{
		"config": {"text": cty.StringVal("t")},
		"secret": {"length": cty.NumberIntVal(4)},
		"node":   {"address": cty.StringVal("10.0.0.1")},
		"pod":    {"replicas": cty.NumberIntVal(1)},
	}
	for name, k := range w.kinds() {
		if _, source := k.(data.Kind); source {
			continue // it is only read
		}
		ty := k.Schema().ImpliedType()
		attrs := map[string]cty.Value{}
		for a, aty := range ty.AttributeTypes() {
			attrs[a] = cty.NullVal(aty)
			if aty.IsListType() && k.Schema().Blocks[a] != nil {
				attrs[a] = cty.ListValEmpty(aty.ElementType())
			}
		}
		for a, v := range configs[name] {
			attrs[a] = v
		}
		config, address := cty.ObjectVal(attrs), name+".x"
		planned := k.Plan(providers.PlanRequest{Identity: providers.Identify(address), Prior: cty.NullVal(ty), Config: config}).Planned
		req := providers.ApplyRequest{Identity: providers.Identify(address), Prior: cty.NullVal(ty), Planned: planned, Env: lineage{}, Placement: []string{"x"}, Progress: func(string) {}}
		first := k.Apply(t.Context(), req)
		again := k.Apply(t.Context(), req)
		if first.Diags.HasErrors() || again.Diags.HasErrors() || !first.Value.RawEquals(again.Value) || !first.Value.IsWhollyKnown() {
			t.Errorf("%s: %#v, then %#v: %s", name, first.Value, again.Value, text(append(first.Diags, again.Diags...)))
		}
		if second := k.Plan(providers.PlanRequest{Identity: providers.Identify(address), Prior: first.Value, Config: config}).Planned; !second.RawEquals(first.Value) {
			t.Errorf("%s: planned again it is %#v and not %#v", name, second, first.Value)
		}
		if read := k.Read(providers.ReadRequest{Identity: providers.Identify(address), Prior: first.Value, World: w.view()}); !read.Value.RawEquals(first.Value) {
			t.Errorf("%s: read again it is %#v and not %#v", name, read.Value, first.Value)
		}
		req.Prior, req.Planned = first.Value, cty.NullVal(ty)
		for range 2 {
			if resp := k.Apply(t.Context(), req); resp.Diags.HasErrors() || !resp.Value.IsNull() {
				t.Errorf("%s: deleted: %#v, %s", name, resp.Value, text(resp.Diags))
			}
		}
		w.joined["x"] = true
	}
}

// lineage is an Env for kinds that need no more than their owner.
type lineage struct{ providers.Env }

func (lineage) Lineage() string { return "l" }

// timeouts { delete } bounds a deletion, wherever it is known from: the block that is
// replaced, the configuration of a destroy, what was recorded of a block that is gone.
func TestTimeoutOfDeletion(t *testing.T) {
	const block, timeouts = "config \"c\" {\n text = \"x\"\n frozen = \"a\"\n%s\n}", "timeouts { delete = \"1ms\" }"
	with, without := fmt.Sprintf(block, timeouts), fmt.Sprintf(block, "")
	for _, c := range []struct {
		name    string
		configs []string
		destroy bool
		bounded bool
	}{
		{"replaced", []string{with, strings.Replace(with, `"a"`, `"b"`, 1)}, false, true},
		{"block gone", []string{with, ""}, false, true},
		{"block gone after its timeouts came", []string{without, with, ""}, false, true},
		{"block gone after its timeouts went", []string{with, without, ""}, false, false},
		{"destroy", []string{with, with}, true, true},
		{"destroy with newer timeouts", []string{without, with}, true, true},
		{"never any", []string{without, ""}, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLab(t)
			last := len(c.configs) - 1
			for _, config := range c.configs[:last] {
				l.write(config).settled()
			}
			l.write(c.configs[last]).destroy = c.destroy
			ctx, cancel := context.WithCancel(t.Context())
			l.during = func(in *planner.ApplyInput) {
				in.Hard = ctx
				in.Kinds["config"] = slow{configKind{l.world}, func() {
					if !c.bounded {
						cancel()
					}
				}}
			}
			r, diags := l.tryApply(t.Context())
			if got := strings.Contains(text(diags), "it took longer than the 1ms of its timeouts block"); got != c.bounded || len(r.Failed) != 1 {
				t.Errorf("%+v\n%s", r, text(diags))
			}
		})
	}
}
