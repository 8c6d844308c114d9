package planner_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stowage-iac/stowage/planner"
	"github.com/stowage-iac/stowage/state"
)

const imported = `
node "a" { address = "10.0.0.1" }
config "site" {
  for_each = { eu = "e", us = "u" }
  text     = each.value
}
pod "web" {
  config    = config.site["eu"]
  cpu       = 3000
  host_port = 80
  container "main" { image = "img" }
}
`

const importBlocks = `
import {
  to = node.a
  id = "a"
}
import {
  for_each = { eu = "e", us = "u" }
  to       = config.site[each.key]
  id       = "site[\"${each.key}\"]"
}
import {
  to = pod.web
  id = "web"
}
`

// lost is a lab whose state is lost: the world is as another state left it.
func lost(t *testing.T, config string) *lab {
	old := newLab(t, "a").write(config)
	old.settled()
	l := newLab(t)
	l.world = old.world
	l.world.log = nil
	return l
}

// After a lost state everything is taken over, and nothing is touched.
func TestImportAfterALostState(t *testing.T) {
	l := lost(t, imported)
	if _, diags := l.write(imported).tryPlan(); !strings.Contains(text(diags), `import { to = pod.web, id = "web" }`) {
		t.Errorf("nobody is told how to go on: %s", text(diags))
	}
	l.write(imported + importBlocks)
	p := l.plan()
	if n := p.Count(); n != (planner.Counts{Import: 4}) || len(p.Steps) != 0 {
		t.Errorf("%+v, %s", n, p)
	}
	r := l.apply()
	if r.Imported != 4 || r.Added+r.Changed+r.Destroyed != 0 {
		t.Errorf("%+v", r)
	}
	for _, entry := range l.world.log {
		if !strings.HasPrefix(entry, "own ") {
			t.Errorf("it was touched: %s", entry)
		}
	}
	// The blocks may stay, and need not.
	for _, config := range []string{imported + importBlocks, imported} {
		if p := l.write(config).plan(); !p.Empty() {
			t.Errorf("the plan after the import is not empty:\n%s", p)
		}
	}
	// Now it is this state's.
	l.destroy = true
	l.apply()
	if d := l.world.dump(); d != "" {
		t.Errorf("left behind:\n%s", d)
	}
}

// What differs from what is written is updated, under the name that it has.
func TestImportOfWhatDiffers(t *testing.T) {
	l := lost(t, "node \"a\" { address = \"10.0.0.1\" }\nconfig \"old\" { text = \"x\" }\n")
	l.write(`
node "a" { address = "10.0.0.1" }
config "new" { text = "y" }
import {
  to = node.a
  id = "a"
}
import {
  to = config.new
  id = "old"
}
`)
	p := l.plan()
	if n := p.Count(); n != (planner.Counts{Import: 2, Change: 1}) {
		t.Errorf("%+v, %s", n, p)
	}
	l.settled()
	if o := l.world.objects["config.old"]; !strings.Contains(string(o.Spec), `"Text":"y"`) || len(l.world.objects) != 2 {
		t.Errorf("the world is\n%s", l.world.dump())
	}
}

// Who imports one thing is not told that the plan is partial, which the command has made
// it; who has narrowed it himself is.
func TestImportOfOneThing(t *testing.T) {
	for _, narrowed := range []bool{true, false} {
		l := lost(t, imported)
		l.write(imported + "import {\n  to = node.a\n  id = \"a\"\n}\n")
		l.options = planner.Options{Targets: []string{"node.a"}, Narrowed: narrowed}
		p, diags := l.tryPlan()
		if n := p.Count(); n.Import != 1 || diags.HasErrors() {
			t.Fatalf("%+v, %s", n, text(diags))
		}
		if told := strings.Contains(text(diags)+text(p.Warnings), "partial"); told == narrowed {
			t.Errorf("narrowed by the command %v, told %v", narrowed, told)
		}
		if given := p.Given(); given != map[bool]string{true: "only node.a", false: "-target=node.a"}[narrowed] {
			t.Error(given)
		}
	}
}

// What cannot be imported says why.
func TestImportsThatAreNotPossible(t *testing.T) {
	l := newLab(t, "a").write(imported)
	l.settled()
	l.write(imported + `
secret "s" {}
config "none" { text = "x" }
config "twice" { text = "x" }
import {
  to = secret.s
  id = "s"
}
import {
  to = config.none
  id = "none"
}
import {
  to = config.twice
  id = "site[\"eu\"]"
}
import {
  to = config.site["asia"]
  id = "asia"
}
`)
	_, diags := l.tryPlan()
	for _, want := range []string{
		"error: Import not possible: secret.s cannot be imported",
		"error: Nothing to import: config.none is to be imported, and there is none",
		`error: Recorded already: config.twice is to import "site[\"eu\"]", which the state records as config.site["eu"]`,
	} {
		if !strings.Contains(text(diags), want) {
			t.Errorf("%s lacks %s", text(diags), want)
		}
	}
	l.write(imported + `
import {
  to = config.site["asia"]
  id = "asia"
}
`)
	if _, diags := l.tryPlan(); !strings.Contains(text(diags), `error: No such instance: config.site["asia"] is to be imported`) {
		t.Error(text(diags))
	}
}

// Killed at any record, an import has taken nothing over that is not recorded: nothing
// counts as left behind, with or without the import blocks, and the next apply ends it.
// The port and the CPU of the pod are its own, whoever owns it meanwhile.
func TestImportKilledAtAnyRecord(t *testing.T) {
	for killed := 1; ; killed++ {
		for _, after := range []bool{false, true} {
			l := lost(t, imported)
			before := unowned(l.world)
			l.write(imported + importBlocks)
			l.during = func(in *planner.ApplyInput) {
				in.Journal = &deadly{Journal: in.Journal.(*state.Journal), world: l.world, left: killed, after: after}
			}
			_, diags := l.tryApply(t.Context())
			if l.world.frozen == nil {
				if killed < 8 || diags.HasErrors() {
					t.Fatalf("an import has %d records: %s", killed-1, text(diags))
				}
				return
			}
			l.world.frozen, l.during = nil, nil
			recorded := l.state().State.Instances
			for name, o := range l.world.objects {
				if o.Owner == l.state().State.Lineage && !slices.ContainsFunc(slices.Collect(maps.Values(recorded)), func(i *state.Instance) bool {
					return i.Kind+"."+planner.ObjectName(i) == name
				}) {
					t.Errorf("record %d: %s was taken over and is not recorded", killed, name)
				}
			}
			p, _ := l.write(imported).tryPlan() // without the blocks it may be refused, but never destroys
			for _, c := range p.Changes {
				if c.Action == planner.Delete || c.Action == planner.Replace {
					t.Errorf("record %d: %s %s (%s)", killed, c.Action, c.Address, c.Reason)
				}
			}
			if len(recorded) == 4 {
				l.settled() // all was recorded: the blocks are not needed
			} else {
				l.write(imported + importBlocks).settled()
			}
			if now := unowned(l.world); now != before {
				t.Errorf("record %d: the world is\n%s, was\n%s", killed, now, before)
			}
			for _, i := range l.state().State.Instances {
				if i.Taking != "" {
					t.Errorf("record %d: %s is still being taken over", killed, i.Address)
				}
			}
			l.destroy = true
			l.apply()
			if d := l.world.dump(); d != "" {
				t.Errorf("record %d: left behind:\n%s", killed, d)
			}
		}
	}
}

// unowned is the world without the owners of its objects.
func unowned(w *world) string {
	text := w.dump()
	for _, o := range w.objects {
		text = strings.ReplaceAll(text, o.Owner, "")
	}
	return text
}
