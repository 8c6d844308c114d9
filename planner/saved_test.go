package planner_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"pgregory.net/rapid"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/planner"
	"github.com/stowage-iac/stowage/state"
)

// save plans and saves.
func (l *lab) save() []byte {
	l.tb.Helper()
	var b bytes.Buffer
	if err := l.plan().Save(&b, planner.SaveOptions{Kinds: l.world.kinds(), Config: l.load(), Keys: l.keys}); err != nil {
		l.tb.Fatal(err)
	}
	return b.Bytes()
}

func (l *lab) open(saved []byte) *planner.Saved {
	l.tb.Helper()
	s, err := planner.Open(bytes.NewReader(saved), int64(len(saved)), planner.OpenOptions{Kinds: l.world.kinds(), Keys: l.keys})
	if err != nil {
		l.tb.Fatal(err)
	}
	return s
}

func (l *lab) stale(s *planner.Saved) string {
	return text(planner.CheckStale(s.Plan, l.state(), l.world.view(), l.world.kinds()))
}

// applySaved does what `stowage apply FILE` does.
func (l *lab) applySaved(saved []byte) {
	l.tb.Helper()
	if diags := l.tryApplySaved(saved); diags.HasErrors() {
		l.tb.Fatalf("apply: %s", text(diags))
	}
}

func (l *lab) tryApplySaved(saved []byte) hcl.Diagnostics {
	l.tb.Helper()
	ctx := context.Background()
	s := l.open(saved)
	locked, err := l.store.Lock(ctx, "apply", 0)
	if err != nil {
		l.tb.Fatal(err)
	}
	defer locked.Unlock()
	loaded, err := locked.Load(ctx)
	if err != nil {
		l.tb.Fatal(err)
	}
	if diags := planner.CheckStale(s.Plan, loaded, l.world.view(), l.world.kinds()); diags.HasErrors() {
		l.tb.Fatalf("stale: %s", text(diags))
	}
	s.Plan.Prepare(loaded)
	cfg, diags := lang.Load(".", lang.Options{Schemas: l.world.schemas(), Files: s.Files})
	if diags.HasErrors() {
		l.tb.Fatal(text(diags))
	}
	journal, err := locked.Begin(ctx, loaded, state.Operation{Name: "apply"})
	if err != nil {
		l.tb.Fatal(err)
	}
	in := planner.ApplyInput{Config: cfg, Inputs: s.Inputs, State: loaded.State, Kinds: l.world.kinds(), Journal: journal,
		Data: planner.NewDataReader(planner.DataOptions{}).Read}
	if l.during != nil {
		l.during(&in)
	}
	_, diags = planner.Apply(ctx, s.Plan, in)
	return diags
}

// A saved plan is the plan: the same text, and its apply ends where that of the
// plan in memory does, whatever has become of the files meanwhile.
func TestASavedPlanIsThePlan(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		l := drawLab(r)
		if rapid.Bool().Draw(r, "before") {
			l.write(strings.Join(draw(r, "first"), "\n")).apply()
		}
		l.write(strings.Join(draw(r, "second"), "\n"))
		want := l.plan().String()
		saved := l.save()
		if got := l.open(saved).Plan.String(); got != want {
			r.Fatalf("opened it is\n%s\nand it was\n%s", got, want)
		}
		files := l.files
		l.write("this is = not even")
		l.applySaved(saved)
		l.files = files
		if p := l.plan(); !p.Empty() {
			r.Fatalf("the plan after the apply is not empty:\n%s", p)
		}
	})
}

// A replacement that nothing would ask for again is known as such in a saved plan, too:
// its apply is killed when the trigger is done, or is that of -replace, and the next
// plan, which nobody gives -replace, makes the replacement.
func TestASavedPlanRemembersItsReplacements(t *testing.T) {
	goesFirst := strings.Replace(madeFirst, "create_before_destroy = true", "", 1)
	for name, tc := range map[string]struct {
		text    string // of what triggers
		replace []string
	}{
		"replace_triggered_by": {text: "2"},
		"-replace":             {text: "3", replace: []string{"pod.q"}},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, "m").write(fmt.Sprintf(goesFirst, "1") + "pod \"q\" {}\n")
			l.settled()
			l.write(fmt.Sprintf(goesFirst, tc.text) + "pod \"q\" {}\n")
			l.options.Replace = tc.replace
			saved := l.save()
			l.options.Replace = nil
			l.during = func(in *planner.ApplyInput) {
				in.Parallelism = 1
				in.Journal = &deadly{Journal: in.Journal.(*state.Journal), world: l.world, left: math.MaxInt, at: "config.c", after: true}
			}
			l.tryApplySaved(saved)
			if l.world.frozen == nil || l.world.lives["pod.p"] != 1 || l.world.lives["pod.q"] != 1 {
				t.Fatalf("it was to be killed before any replacement: %v", l.world.log)
			}
			l.world.frozen, l.during = nil, nil
			l.settled()
			if p, q := l.world.lives["pod.p"], l.world.lives["pod.q"]; p != 2 || q != 1+len(tc.replace) {
				t.Errorf("p was made %d times, q %d times", p, q)
			}
		})
	}
}

// A saved plan is applied with the time at which it was made, also where the
// value is evaluated only by the apply.
func TestPlantimestampIsThatOfThePlan(t *testing.T) {
	l := newLab(t, "m").write(`
node "m" { address = "10.0.0.1" }
config "a" { text = "a" }
config "b" { text = "${config.a.serial} ${plantimestamp()}" }
output "made" { value = plantimestamp() }
`)
	made := time.Date(2026, 1, 31, 12, 0, 0, 999, time.UTC)
	l.before = func(in *planner.Input) { in.Now = made }
	saved := l.save()
	l.applySaved(saved)
	s := l.state().State
	if got := string(s.Instances["config.b"].Value); !strings.Contains(got, "1 2026-01-31T12:00:00Z") {
		t.Errorf("config.b is %s", got)
	}
	if v, err := planner.DecodeOutput(s.Outputs["made"]); err != nil || !v.RawEquals(cty.StringVal("2026-01-31T12:00:00Z")) {
		t.Errorf("the output is %#v, %v", v, err)
	}
	if p := l.plan(); !p.Empty() {
		t.Errorf("at the same time, there is something to do:\n%s", p)
	}
	made = made.Add(time.Hour)
	if p := l.plan(); p.Empty() {
		t.Error("an hour later, there is nothing to do")
	}
}

const withSecret = `
variable "token" {
  type      = string
  sensitive = true
  default   = "hunter2-in-the-default"
}
node "m" { address = "10.0.0.1" }
secret "s" { value = "hunter2-in-a-secret" }
pod "p" {
  container "main" {
    env = { A = secret.s.value, B = var.token, C = "plain" }
  }
}
config "c" { text = "open" }
output "o" {
  value     = "hunter2-in-an-output"
  sensitive = true
}
`

// A sensitive value is in no saved plan in plain, and comes back marked.
func TestSavedSecretsAreSealed(t *testing.T) {
	l := newLab(t, "m").write(withSecret)
	saved := l.save()
	everything := string(saved)
	z, err := zip.NewReader(bytes.NewReader(saved), int64(len(saved)))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range z.File {
		rc, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(rc)
		if err != nil {
			t.Fatal(err)
		}
		everything += string(b)
	}
	if strings.Contains(everything, "hunter2") {
		t.Error("a secret is in the file")
	}
	if strings.Contains(l.plan().String(), "hunter2") {
		t.Error("a secret is in the text")
	}
	s := l.open(saved)
	if !s.Sealed {
		t.Error("it does not say that it was encrypted")
	}
	for _, c := range s.Plan.Changes {
		if c.Address == "secret.s" {
			v := c.After.GetAttr("value")
			if !v.HasSameMarks(cty.StringVal("").WithMarks(lang.Sensitive)) {
				t.Errorf("%#v is not marked", v)
			}
		}
	}
	_, err = planner.Open(bytes.NewReader(saved), int64(len(saved)), planner.OpenOptions{
		Kinds: l.world.kinds(), Keys: state.NewKeyring(state.KeyOptions{Getenv: func(string) string { return "" }})})
	if !errors.Is(err, state.ErrKey) {
		t.Errorf("without the key: %v", err)
	}
	l.applySaved(saved)
	if p := l.plan(); !p.Empty() {
		t.Errorf("the plan after the apply is not empty:\n%s", p)
	}
}

// The same plan gives the same bytes, where nothing is encrypted.
func TestSaveIsDeterministic(t *testing.T) {
	l := newLab(t, "m").write(threeChains)
	l.apply()
	l.write(strings.Replace(threeChains, `"a"`, `"b"`, 1))
	if !bytes.Equal(l.save(), l.save()) {
		t.Error("two files of the same plan differ")
	}
}

// What is not a saved plan of this version, context and state is refused, with the reason.
func TestOpenRefuses(t *testing.T) {
	l := newLab(t, "m").write(threeChains)
	l.before = func(in *planner.Input) { in.Context = "dev" }
	good := l.save()
	lineage := l.open(good).Plan.Lineage
	rewrite := func(change func(name string, content []byte) []byte) []byte {
		z, err := zip.NewReader(bytes.NewReader(good), int64(len(good)))
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		w := zip.NewWriter(&b)
		for _, f := range z.File {
			rc, err := f.Open()
			if err != nil {
				t.Fatal(err)
			}
			content, err := io.ReadAll(rc)
			if err != nil {
				t.Fatal(err)
			}
			if content = change(f.Name, content); content == nil {
				continue
			}
			out, err := w.Create(f.Name)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := out.Write(content); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	replace := func(file, old, with string) []byte {
		return rewrite(func(name string, content []byte) []byte {
			if name != file {
				return content
			}
			if !bytes.Contains(content, []byte(old)) {
				t.Fatalf("%s has no %s: %s", file, old, content)
			}
			return bytes.ReplaceAll(content, []byte(old), []byte(with))
		})
	}
	for name, tc := range map[string]struct {
		in   []byte
		o    planner.OpenOptions
		is   error
		says string
	}{
		"another version":   {replace("meta.json", `"format_version":1`, `"format_version":7`), planner.OpenOptions{}, planner.ErrPlanVersion, "format 7"},
		"another context":   {good, planner.OpenOptions{Context: "prod"}, planner.ErrContext, `"dev"`},
		"another lineage":   {good, planner.OpenOptions{Lineage: "other"}, planner.ErrLineage, "other"},
		"not a zip":         {[]byte("hello"), planner.OpenOptions{}, planner.ErrNoPlan, "zip"},
		"cut off":           {good[:len(good)/2], planner.OpenOptions{}, planner.ErrNoPlan, ""},
		"no plan in it":     {rewrite(func(n string, c []byte) []byte { return map[bool][]byte{true: nil, false: c}[n == "plan.json"] }), planner.OpenOptions{}, planner.ErrNoPlan, "plan.json"},
		"an unknown kind":   {replace("plan.json", `"kind":"config"`, `"kind":"rocket"`), planner.OpenOptions{}, planner.ErrNoPlan, "rocket"},
		"an unknown action": {replace("plan.json", `"action":"create"`, `"action":"explode"`), planner.OpenOptions{}, planner.ErrNoPlan, "explode"},
		"a step of nothing": {replace("plan.json", `"index":0`, `"index":9999`), planner.OpenOptions{}, planner.ErrNoPlan, "for nothing"},
		"a circle":          {replace("plan.json", `"needs":[0`, `"needs":[9`), planner.OpenOptions{}, planner.ErrNoPlan, "waits for step 9"},
		"values of no type": {replace("plan.json", `"text":`, `"serial":"x","text":`), planner.OpenOptions{}, planner.ErrNoPlan, "serial"},
	} {
		t.Run(name, func(t *testing.T) {
			tc.o.Kinds = l.world.kinds()
			_, err := planner.Open(bytes.NewReader(tc.in), int64(len(tc.in)), tc.o)
			if !errors.Is(err, tc.is) || !strings.Contains(fmt.Sprint(err), tc.says) {
				t.Errorf("%v", err)
			}
		})
	}
	if _, err := planner.Open(bytes.NewReader(good), int64(len(good)), planner.OpenOptions{Kinds: l.world.kinds(), Context: "dev", Lineage: lineage}); err != nil {
		t.Error(err)
	}
}

// A small file that unpacks to more than is read is refused before it does.
func TestZipBomb(t *testing.T) {
	l := newLab(t)
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	meta, err := w.Create("meta.json")
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(meta, `{"format_version":1}`)
	plan, err := w.Create("plan.json")
	if err != nil {
		t.Fatal(err)
	}
	zeros := make([]byte, 1<<20)
	for range 20 {
		if _, err := plan.Write(zeros); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = planner.Open(bytes.NewReader(b.Bytes()), int64(b.Len()), planner.OpenOptions{Kinds: l.world.kinds(), MaxBytes: 10 << 20})
	if !errors.Is(err, planner.ErrNoPlan) || !strings.Contains(err.Error(), "more than 10 MiB") {
		t.Errorf("%d bytes: %v", b.Len(), err)
	}
}

func FuzzOpen(f *testing.F) {
	l := newLab(panics{}, "m").write(threeChains)
	f.Add(l.save())
	l.apply()
	l.write(withSecret)
	f.Add(l.save())
	f.Fuzz(func(t *testing.T, in []byte) {
		s, err := planner.Open(bytes.NewReader(in), int64(len(in)), planner.OpenOptions{Kinds: l.world.kinds(), Keys: l.keys})
		if err == nil {
			_ = s.Plan.String()
		}
	})
}

// panics reports where there is no test yet.
type panics struct{}

func (panics) Helper()                           {}
func (panics) Fatal(args ...any)                 { panic(fmt.Sprint(args...)) }
func (panics) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

const forStale = `
node "m" {
  address = "10.0.0.1"
  role    = "manager"
}
node "a" {
  address = "10.0.0.2"
  labels  = { disk = "ssd" }
}
node "b" { address = "10.0.0.3" }
config "c" { text = "one" }
config "other" { text = "other" }
pod "web" {
  cpu   = 1000
  where = "disk = ssd"
}
pod "still" {
  cpu = 100
}
`

// DESIGN.md's definition of a stale plan, in both directions.
func TestStale(t *testing.T) {
	nodeSpec := func(w *world, name string, spec api.NodeSpec) {
		w.revision++
		o := w.objects["node."+name]
		o.ModRevision = w.revision
		var err error
		if o.Spec, err = json.Marshal(spec); err != nil {
			t.Fatal(err)
		}
		w.objects["node."+name] = o
	}
	for name, tc := range map[string]struct {
		meanwhile func(t *testing.T, l *lab)
		says      string // "": the plan still holds
	}{
		"nothing":              {func(*testing.T, *lab) {}, ""},
		"a replica was healed": {func(t *testing.T, l *lab) { happen(t, l.world, "bind still 0 b") }, ""},
		"an object that it does not touch": {
			func(t *testing.T, l *lab) { happen(t, l.world, "text config.other new") }, ""},
		"another state's pod, and there is room": {
			func(t *testing.T, l *lab) { happen(t, l.world, "foreign pod.x a 500") }, ""},
		"a host that it does not place on lost memory": {
			func(t *testing.T, l *lab) { happen(t, l.world, "host b 1") }, ""},
		"the state was written": {
			func(t *testing.T, l *lab) {
				files := l.files
				l.write(forStale + "config \"more\" { text = \"x\" }").apply()
				l.files = files
			}, "the state has been written since"},
		"an object was changed": {
			func(t *testing.T, l *lab) { happen(t, l.world, "text config.c other") }, "config.c has been changed: it has revision"},
		"an object is gone": {
			func(t *testing.T, l *lab) { happen(t, l.world, "drop config.c") }, "config.c is gone from the cluster"},
		"an object was made": {
			func(t *testing.T, l *lab) { happen(t, l.world, "orphan config.new") }, "config.new has been made by something else"},
		"an object was made by another state": {
			func(t *testing.T, l *lab) { happen(t, l.world, "foreign config.new a 0") }, "config.new belongs to another state now (lineage somebody-else)"},
		"the node is gone": {
			func(t *testing.T, l *lab) { happen(t, l.world, "drop node.a") }, "node.a is gone from the cluster"},
		"the node is cordoned": {
			func(t *testing.T, l *lab) {
				nodeSpec(l.world, "a", api.NodeSpec{Name: "a", Labels: map[string]string{"disk": "ssd"}})
			}, "node.a is cordoned"},
		"the node was relabelled": {
			func(t *testing.T, l *lab) {
				nodeSpec(l.world, "a", api.NodeSpec{Name: "a", Schedulable: true, Labels: map[string]string{"disk": "hdd"}})
			}, "the labels of node.a are map[disk:hdd], and the plan was made with map[disk:ssd]"},
		"the node was tainted": {
			func(t *testing.T, l *lab) {
				nodeSpec(l.world, "a", api.NodeSpec{Name: "a", Schedulable: true, Labels: map[string]string{"disk": "ssd"}, Taints: []api.Taint{{Key: "k", Effect: "no_schedule"}}})
			}, "the taints of node.a are map[k:no_schedule]"},
		"the node's object was written again, the same": {
			func(t *testing.T, l *lab) {
				nodeSpec(l.world, "a", api.NodeSpec{Name: "a", Schedulable: true, Labels: map[string]string{"disk": "ssd"}})
			}, ""},
		"the node has less room": {
			func(t *testing.T, l *lab) { happen(t, l.world, "host a 1") }, "node.a has 1000m CPU for the 2000m that the plan places there"},
		"another state's pod took the room": {
			func(t *testing.T, l *lab) { happen(t, l.world, "foreign pod.x a 2500") }, "node.a has 1500m CPU for the 2000m that the plan places there"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, "m", "a", "b").write(forStale)
			l.apply()
			happen(t, l.world, "bind still 0 b") // wherever it was placed
			l.write(strings.NewReplacer("cpu   = 1000", "cpu   = 2000", `"one"`, `"two"`).Replace(forStale) + "config \"new\" { text = \"n\" }\n")
			saved := l.save()
			tc.meanwhile(t, l)
			got := l.stale(l.open(saved))
			switch {
			case tc.says == "" && got != "":
				t.Errorf("refused: %s", got)
			case !strings.Contains(got, tc.says):
				t.Errorf("%q does not say %q", got, tc.says)
			case tc.says == "":
				l.applySaved(saved)
			}
		})
	}
}

// The plan of the first apply is made before there is a state: it holds until there is one.
func TestStaleBeforeTheFirstApply(t *testing.T) {
	l := newLab(t, "m").write(threeChains)
	saved := l.save()
	if got := l.stale(l.open(saved)); got != "" {
		t.Fatal(got)
	}
	l.applySaved(saved)
	if got := l.stale(l.open(saved)); !strings.Contains(got, "the state has been written since") {
		t.Errorf("applied twice: %q", got)
	}
}
