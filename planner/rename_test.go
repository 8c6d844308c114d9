package planner_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/planner"
	"github.com/stowage-iac/stowage/state"
)

const unrenamed = `
node "a" { address = "10.0.0.1" }
config "c" {
  count = 2
  text  = "x"
}
pod "web" {
  config = config.c[0]
  container "main" { image = "img" }
}
pod "all" {
  depends_on = [config.c]
  container "main" { image = "img" }
}
`

// rename is "state mv".
func (l *lab) rename(from, to string) *planner.Renamed {
	l.tb.Helper()
	f, ok1 := lang.ParseAddress(from)
	t, ok2 := lang.ParseAddress(to)
	if !ok1 || !ok2 {
		l.tb.Fatalf("%s or %s is no address", from, to)
	}
	ctx := context.Background()
	locked, err := l.store.Lock(ctx, "state mv", 0)
	if err != nil {
		l.tb.Fatal(err)
	}
	defer locked.Unlock()
	base, err := locked.Load(ctx)
	if err != nil {
		l.tb.Fatal(err)
	}
	r, diags := planner.Rename(base.State, l.world.kinds(), f, t)
	if diags.HasErrors() {
		l.tb.Fatalf("%s", text(diags))
	}
	if err := locked.Edit(ctx, base, r.State, r.Now); err != nil {
		l.tb.Fatal(err)
	}
	return r
}

// A renamed block plans as nothing, touches nothing, and is what a moved block makes of it.
func TestRename(t *testing.T) {
	for _, c := range []struct{ from, to, config string }{
		{"config.c", "config.d", strings.NewReplacer(`"c"`, `"d"`, "config.c", "config.d").Replace(unrenamed)},
		{"pod.web", "pod.front", strings.Replace(unrenamed, `"web"`, `"front"`, 1)},
		{"node.a", "node.b", strings.Replace(unrenamed, `"a"`, `"b"`, 1)},
		{"pod.all", "pod.all[0]", strings.Replace(unrenamed, `pod "all" {`, "pod \"all\" {\n  count = 1", 1)},
	} {
		t.Run(c.from+" "+c.to, func(t *testing.T) {
			l, twin := newLab(t, "a").write(unrenamed), newLab(t, "a").write(unrenamed)
			l.settled()
			twin.settled()
			before := l.world.dump()
			l.rename(c.from, c.to)
			if p := l.write(c.config).plan(); !p.Empty() {
				t.Errorf("there is something to do:\n%s", p)
			}
			if now := l.world.dump(); now != before {
				t.Errorf("the world is\n%s, was\n%s", now, before)
			}
			twin.write(c.config + "\nmoved {\n  from = " + c.from + "\n  to = " + c.to + "\n}\n").settled()
			if renamed, moved := records(l.state().State), records(twin.state().State); !slices.Equal(renamed, moved) {
				t.Errorf("renamed:\n%s\nmoved:\n%s", strings.Join(renamed, "\n"), strings.Join(moved, "\n"))
			}
			l.destroy = true
			l.apply()
			if d := l.world.dump(); d != "" {
				t.Errorf("left behind:\n%s", d)
			}
		})
	}
}

// records are the instances as text.
func records(s *state.State) []string {
	var out []string
	for _, address := range sortedKeys(s.Instances) {
		i := s.Instances[address]
		out = append(out, strings.Join([]string{address, i.Object, string(i.Value), strings.Join(i.Deps, " "), strings.Join(i.Placement, " ")}, " | "))
	}
	return out
}

// What used a whole block uses the instance that left it, too: it is destroyed before.
func TestRenameOfAPart(t *testing.T) {
	l := newLab(t, "a").write(unrenamed)
	l.settled()
	l.rename("config.c[1]", "config.other")
	s := l.state().State
	if deps := s.Instances["pod.all"].Deps; !slices.Equal(deps, []string{"config.c", "config.other"}) {
		t.Errorf("pod.all depends on %v", deps)
	}
	if deps := s.Instances["pod.web"].Deps; slices.Contains(deps, "config.other") {
		t.Errorf("pod.web depends on %v", deps)
	}
	l.destroy = true
	if order := l.plan().String(); !strings.Contains(order, "0. delete pod.all\n1. delete config.other after 0\n") {
		t.Errorf("the order is\n%s", order)
	}
}

// An object that has an old name does not meet the default name of another.
func TestRenameOntoNamesInUse(t *testing.T) {
	l := newLab(t, "a").write(unrenamed)
	l.settled()
	l.rename("pod.web", "pod.tmp")
	l.rename("pod.all", "pod.web")
	l.rename("pod.tmp", "pod.all")
	s := l.state().State
	if a, w := s.Instances["pod.all"], s.Instances["pod.web"]; a.Object != "web" || w.Object != "all" {
		t.Errorf("pod.all is %q, pod.web is %q", a.Object, w.Object)
	}
	l.rename("pod.all", "pod.tmp")
	l.rename("pod.web", "pod.all")
	l.rename("pod.tmp", "pod.web")
	if p := l.plan(); !p.Empty() {
		t.Errorf("there and back again is\n%s", p)
	}
}
