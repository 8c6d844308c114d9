package planner_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/planner"
)

// A saved plan applies what was read when it was made: the sources are not asked again.
func TestASavedPlanKeepsItsData(t *testing.T) {
	l := newLab(t, "m").write(`
node "m" { address = "10.0.0.1" }
data "fact" "color" { name = "color" }
config "first" { text = "first" }
config "c" { text = "${data.fact.color.value} ${config.first.serial}" }
output "color" { value = data.fact.color.parts.open }
`)
	l.world.facts["color"] = "red"
	saved := l.save()
	l.world.facts["color"] = "blue"
	l.world.reads = nil
	l.applySaved(saved)
	if len(l.world.reads) > 0 {
		t.Errorf("the apply has read %v", l.world.reads)
	}
	if spec := string(l.world.objects["config.c"].Spec); !strings.Contains(spec, "red 1") {
		t.Errorf("applied was %s", spec)
	}
	if v := string(l.state().State.Outputs["color"].Value); v != `"red"` {
		t.Errorf("the output is %s", v)
	}
}

// What is sensitive of it is in no file in plain and keeps its exact place, so
// that the apply does not find more sensitive than the plan did; the state holds
// nothing of it.
func TestDataIsSealedAndNotRecorded(t *testing.T) {
	l := newLab(t, "m").write(`
node "m" { address = "10.0.0.1" }
data "fact" "password" {
  name      = "password"
  sensitive = true
}
config "first" { text = "first" }
config "open" { text = "${data.fact.password.parts.open != "" ? "known" : ""} ${config.first.serial}" }
pod "p" {
  container "main" {
    env = { PASSWORD = data.fact.password.value, PART = data.fact.password.parts["a.b"][0] }
  }
}
output "open" { value = "${length(data.fact.password.parts.open)} ${config.first.serial}" }
`)
	l.world.facts["password"] = "hunter2"
	saved := l.save()
	if strings.Contains(string(saved), "hunter2") {
		t.Error("the secret is in the saved plan in plain")
	}
	s := l.open(saved)
	if !s.Sealed || len(s.Plan.Data) != 1 {
		t.Fatalf("sealed %v, data %v", s.Sealed, s.Plan.Data)
	}
	v := s.Plan.Data[0].Value
	parts := v.GetAttr("parts")
	if !lang.IsSensitive(v.GetAttr("value")) || parts.GetAttr("open").IsMarked() || !lang.IsSensitive(parts.GetAttr("a.b")) {
		t.Errorf("what is sensitive has changed: %#v", v)
	}
	l.applySaved(saved)
	for address, inst := range l.state().State.Instances {
		raw, err := json.Marshal(inst)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(address, "data.") || strings.Contains(string(raw), "data.fact") {
			t.Errorf("the state records %s", raw)
		}
	}
	if string(l.state().State.Outputs["open"].Value) != `"7 1"` {
		t.Errorf("%s", l.state().State.Outputs["open"].Value)
	}
}

// Before it is read, what may be sensitive counts as sensitive.
func TestUnreadDataMayBeSensitive(t *testing.T) {
	const config = `
config "first" { text = "first" }
data "fact" "x" {
  name      = "n${config.first.serial}"
  sensitive = SENSITIVE
}
output "x" { value = data.fact.x.value }
`
	for sensitive, refused := range map[string]bool{"true": true, "false": false} {
		l := newLab(t).write(strings.ReplaceAll(config, "SENSITIVE", sensitive))
		if _, diags := l.tryPlan(); diags.HasErrors() != refused {
			t.Errorf("sensitive = %s: %s", sensitive, text(diags))
		}
	}
}

// Every block is read once in a run, whoever asks and in however many rounds.
func TestDataIsReadOncePerRun(t *testing.T) {
	l := newLab(t, "up").write(`
data "fact" "address" { name = "address" }
data "fact" "through" { name = data.fact.address.value }
data "fact" "other" {
  for_each = toset(["address", "up"])
  name     = each.key
}
node "up" { address = data.fact.through.value }
pod "p" {}
output "nodes" { value = pod.p.nodes }
`)
	l.world.facts["address"], l.world.facts["up"] = "up", "up1"
	world, diags, dials := l.refresh(t, "")
	if diags.HasErrors() || world.Hosts["up"] == nil || dials.Load() != 1 {
		t.Fatalf("the node whose address is read is not refreshed: %s", text(diags))
	}
	if got := strings.Join(l.world.reads, " "); got != "data.fact.address data.fact.through" {
		t.Errorf("before the hosts are read, only what they need is: %s", got)
	}
	if _, diags := planner.Make(t.Context(), l.input(l.load(), l.state())); diags.HasErrors() {
		t.Fatal(text(diags))
	}
	slices.Sort(l.world.reads)
	if got := strings.Join(l.world.reads, " "); got != `data.fact.address data.fact.other["address"] data.fact.other["up"] data.fact.through` {
		t.Errorf("read in one run: %s", got)
	}
}

// Blocks that do not refer to each other are read at once.
func TestDataIsReadAtOnce(t *testing.T) {
	l := newLab(t).write(`
data "fact" "a" { name = "x" }
data "fact" "b" { name = "x" }
data "fact" "c" {
  count = 2
  name  = "x"
}
config "c" { text = data.fact.c[1].value }
`)
	l.world.facts["x"] = "y"
	var running atomic.Int32
	all := make(chan struct{})
	l.world.reading = func(ctx context.Context) {
		if running.Add(1) == 4 {
			close(all)
		}
		select {
		case <-all:
		case <-ctx.Done():
		}
	}
	l.plan()
}

// A source that hangs ends with the run, or with its time.
func TestDataThatHangs(t *testing.T) {
	l := newLab(t).write(`
data "fact" "x" {
  name = "x"
  timeouts { read = "50ms" }
}
`)
	l.world.reading = func(ctx context.Context) { <-ctx.Done() }
	_, diags := l.tryPlan()
	if got := text(diags); !strings.Contains(got, "data.fact.x was not read within 50ms") {
		t.Error(got)
	}
	l.write(`data "fact" "x" { name = "x" }`)
	ctx, cancel := context.WithCancel(t.Context())
	l.world.reading = func(ctx context.Context) {
		cancel()
		<-ctx.Done()
	}
	l.data = planner.NewDataReader(planner.DataOptions{})
	_, diags = planner.Make(ctx, l.input(l.load(), l.state()))
	if got := text(diags); !strings.Contains(got, "interrupted") && !strings.Contains(got, "cancelled") {
		t.Error(got)
	}
}

// What cannot be read is told with the argument it is about, each once and all
// together, and nothing that depends on it is planned wrongly.
func TestDataThatCannotBeRead(t *testing.T) {
	l := newLab(t, "m").write(`
node "m" { address = "10.0.0.1" }
data "fact" "a" { name = "nobody-a" }
data "fact" "b" {
  count = 2
  name  = "nobody-b${count.index}"
}
config "c" { text = data.fact.a.value }
`)
	l.world.facts["nobody-a"], l.world.facts["nobody-b0"], l.world.facts["nobody-b1"] = "1", "2", "3"
	l.apply()
	clear(l.world.facts)
	p, diags := l.tryPlan()
	for _, want := range []string{`data.fact.a: nobody knows "nobody-a"`, `data.fact.b[0]: nobody knows`, `data.fact.b[1]: nobody knows`} {
		if strings.Count(text(diags), want) != 1 {
			t.Errorf("%q is not told once: %s", want, text(diags))
		}
	}
	for _, d := range diags {
		if d.Subject == nil || d.Subject.Start.Line < 3 {
			t.Errorf("%s has no place in the file", d.Detail)
		}
	}
	for _, c := range p.Changes {
		if c.Action == planner.Delete {
			t.Errorf("%s is to be deleted because a source cannot be read", c.Address)
		}
	}
}

// A source that fails during an apply stops what needs it, and nothing else; what
// was done is recorded and the next apply goes on.
func TestDataThatFailsDuringApply(t *testing.T) {
	l := newLab(t, "m").write(`
node "m" { address = "10.0.0.1" }
config "first" { text = "first" }
data "fact" "x" { name = "n${config.first.serial}" }
config "needs" { text = data.fact.x.value }
config "other" { text = "other" }
output "x" { value = data.fact.x.value }
`)
	r, diags := l.tryApply(t.Context())
	if !strings.Contains(text(diags), `data.fact.x: nobody knows "n1"`) {
		t.Fatal(text(diags))
	}
	if strings.Join(r.Failed, " ") != "read data.fact.x" || strings.Join(r.NotDone, " ") != "create config.needs" || r.Added != 3 {
		t.Errorf("failed %v, not done %v, added %d", r.Failed, r.NotDone, r.Added)
	}
	if _, ok := l.world.objects["config.needs"]; ok || l.state().State.Outputs["x"] != nil {
		t.Error("what needs the source was applied")
	}
	l.world.facts["n1"] = "one"
	l.settled()
	if string(l.state().State.Outputs["x"].Value) != `"one"` {
		t.Errorf("%s", l.state().State.Outputs["x"].Value)
	}
}

// What is read during an apply is judged then: where it is not as it should be, what
// needs it is not done, of a saved plan, too.
func TestDataIsJudgedDuringApply(t *testing.T) {
	l := newLab(t, "m").write(`
node "m" { address = "10.0.0.1" }
config "first" { text = "first" }
data "fact" "x" {
  name = "n${config.first.serial}"
  lifecycle {
    postcondition {
      condition     = self.value == "good"
      error_message = "It is ${self.value}."
    }
  }
}
data "fact" "y" {
  count = 2
  name  = "y"
  lifecycle {
    precondition {
      condition     = config.first.serial == 2 - count.index
      error_message = "Number ${count.index}."
    }
  }
}
config "x" { text = data.fact.x.value }
config "y" { text = data.fact.y[0].value }
config "z" { text = data.fact.y[1].value }
`)
	l.world.facts["n1"], l.world.facts["y"] = "bad", "y"
	r, diags := l.tryApply(t.Context())
	got := text(diags)
	for _, want := range []string{"It is bad. (postcondition of data.fact.x)", "Number 0. (precondition of data.fact.y[0])"} {
		if strings.Count(got, want) != 1 {
			t.Errorf("%q is not told once: %s", want, got)
		}
	}
	if strings.Join(r.Failed, " ") != "read data.fact.x read data.fact.y[0]" || strings.Join(r.NotDone, " ") != "create config.x create config.y" {
		t.Errorf("failed %v, not done %v", r.Failed, r.NotDone)
	}
	if _, ok := l.world.objects["config.z"]; !ok {
		t.Error("what does not need it was not applied")
	}
	l.world.facts["n1"] = "good"
	if p, diags := l.tryPlan(); !strings.Contains(text(diags), "Number 0.") || strings.Contains(text(diags), "It is") {
		t.Errorf("%s\n%s", text(diags), p)
	}
}

// A destroy reads nothing.
func TestDestroyReadsNoData(t *testing.T) {
	l := newLab(t, "m").write(`
node "m" { address = "10.0.0.1" }
data "fact" "x" { name = "x" }
config "c" { text = data.fact.x.value }
`)
	l.world.facts["x"] = "y"
	l.apply()
	clear(l.world.facts)
	l.world.reads, l.destroy = nil, true
	l.apply()
	if len(l.world.reads) > 0 || len(l.world.objects) > 0 {
		t.Errorf("read %v, left %v", l.world.reads, l.world.objects)
	}
}

// A pod that only moves to other nodes changes, too: what depends on it waits.
func TestDataWaitsForAMove(t *testing.T) {
	const a, rest = `node "a" { address = "10.0.0.1" }
`, `
node "b" { address = "10.0.0.2" }
node "m" {
  address = "10.0.0.3"
  role    = "manager"
}
pod "p" {}
data "fact" "x" {
  name       = "x"
  depends_on = [pod.p]
}
config "c" { text = data.fact.x.value }
`
	l := newLab(t, "a", "b", "m").write(a + rest)
	l.world.facts["x"] = "y"
	l.settled()
	p := l.write(rest).plan()
	actions := map[string]planner.Action{}
	for _, c := range p.Changes {
		actions[c.Address] = c.Action
	}
	if actions["pod.p"] != planner.Update || actions["data.fact.x"] != planner.Read {
		t.Errorf("%v\n%s", actions, p)
	}
	l.settled()
}
