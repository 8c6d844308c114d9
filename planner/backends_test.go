package planner_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/stowage-iac/stowage/planner"
	"github.com/stowage-iac/stowage/ssh"
	"github.com/stowage-iac/stowage/state"
	"github.com/stowage-iac/stowage/state/cluster"
	"github.com/stowage-iac/stowage/state/etcd"
	"github.com/stowage-iac/stowage/state/http"
	"github.com/stowage-iac/stowage/state/local"
	"github.com/stowage-iac/stowage/state/postgres"
	"github.com/stowage-iac/stowage/state/registry"
	"github.com/stowage-iac/stowage/state/s3"
	"github.com/stowage-iac/stowage/state/statetest"
	"github.com/stowage-iac/stowage/test/servers"
)

// place is a kind of backend, on a real server where it needs one.
type place struct {
	name string
	open func(key string) (state.Backend, error) // an empty state for each key
}

// everyPlace starts the servers, and lists the backends: first the one in memory.
func everyPlace(t *testing.T) []place {
	t.Helper()
	database, bucket, web, member := servers.StartPostgres(t), servers.S3(t, nil), servers.StartHTTP(t), servers.Etcd(t)
	manager := servers.NewManager(t)
	manager.Start()
	dir := t.TempDir()
	t.Setenv("PGPASSWORD", database.Password)
	return []place{
		{"memory", func(string) (state.Backend, error) { return &statetest.Memory{}, nil }},
		{"local", func(key string) (state.Backend, error) { return local.New(filepath.Join(dir, key, "state.json")), nil }},
		{"etcd", func(key string) (state.Backend, error) {
			return etcd.New(etcd.Options{Endpoints: []string{member}, Prefix: key + "/"}), nil
		}},
		{"s3", func(key string) (state.Backend, error) {
			return s3.New(s3.Options{Bucket: "states", Key: key, Region: "us-east-1", Endpoint: bucket, PathStyle: true, AccessKey: "a", SecretKey: "s"})
		}},
		{"postgres", func(key string) (state.Backend, error) {
			return postgres.New(postgres.Options{Connection: fmt.Sprintf("postgres://%s@127.0.0.1:%d/postgres?sslmode=disable", database.User, database.Port),
				Name: key, Schema: "stowage"})
		}},
		{"http", func(key string) (state.Backend, error) {
			url := web + "/" + key
			return http.New(http.Options{Address: url, UpdateMethod: "POST", LockAddress: url + "/lock", LockMethod: "LOCK",
				UnlockAddress: url + "/lock", UnlockMethod: "UNLOCK", Username: servers.HTTPUser, Password: servers.HTTPPassword, Dir: filepath.Join(dir, key)})
		}},
		{"cluster", func(key string) (state.Backend, error) {
			return cluster.New(cluster.Options{Hosts: []ssh.Config{{Name: "m"}}, Name: key, Dir: filepath.Join(dir, key), Dial: manager.Dial, Patience: 20 * time.Second}), nil
		}},
	}
}

// The order of blocks and files, the parallelism and the backend change no byte of a
// plan, neither of its text nor of what is saved: not of the first, not of those on a
// state that was written through that backend, and not of one after an apply that was
// cut off there.
func TestPlanIsTheSameEverywhere(t *testing.T) {
	places := everyPlace(t)
	for _, name := range registry.Names() {
		if !slices.ContainsFunc(places, func(p place) bool { return p.name == name }) {
			t.Errorf("the backend %q is missing", name)
		}
	}
	run := 0
	fewer(t, 5)
	rapid.Check(t, func(r *rapid.T) {
		run++
		first, modules := drawWhole(r, "first", 0)
		second := first
		if rapid.IntRange(0, 3).Draw(r, "another") > 0 {
			second, _ = drawWhole(r, "second", 1)
		}
		cut := rapid.IntRange(0, 9).Draw(r, "cut")
		var want []map[string]string
		for i, p := range places {
			backend, err := p.open(fmt.Sprintf("run%d", run))
			if err != nil {
				r.Fatal(err)
			}
			l := drawLab(r)
			l.store = state.NewStore(backend, state.Options{Keys: l.keys, Version: "test"})
			l.lineage, l.hashKey = "the-same", slices.Repeat([]byte{7}, 32)
			l.world.facts["color"] = "red"
			parallelism := rapid.IntRange(1, 16).Draw(r, "parallelism")
			var got []map[string]string
			see := func(blocks []string) {
				l.write("")
				l.writeWhole(nil, modules)
				for n, b := range rapid.Permutation(blocks).Draw(r, "order") {
					file := fmt.Sprintf("%d.stowage.hcl", n%3)
					l.files[file] = append(l.files[file], b+"\n"...)
				}
				got = append(got, l.seen(parallelism))
			}
			see(first)
			l.during = func(in *planner.ApplyInput) { in.Parallelism = parallelism }
			l.apply()
			l.world.renumber()
			see(second)
			l.cutOff(cut)
			see(second)
			if err := l.store.Close(); err != nil {
				r.Fatal(err)
			}
			if i == 0 {
				want = got
			}
			for n, step := range []string{"first plan", "plan after an apply", "plan after one that was cut off"} {
				for _, part := range slices.Sorted(maps.Keys(want[n])) {
					if got[n][part] != want[n][part] {
						r.Fatalf("%s: the %s: its %s is\n%s\ninstead of\n%s", p.name, step, part, got[n][part], want[n][part])
					}
				}
				if len(got[n]) != len(want[n]) {
					r.Fatalf("%s: the %s has %d parts instead of %d", p.name, step, len(got[n]), len(want[n]))
				}
			}
		}
	})
}

// seen is all that a plan is: its text, its warnings, and what a saved one holds
// besides the files of the configuration.
func (l *lab) seen(parallelism int) map[string]string {
	l.tb.Helper()
	loaded, cfg := l.state(), l.load()
	if loaded.Interrupted != nil {
		loaded.Interrupted.Started = time.Unix(0, 0)
	}
	in := l.input(cfg, loaded)
	in.Data = planner.NewDataReader(planner.DataOptions{Parallelism: parallelism}).Read
	p, diags := planner.Make(context.Background(), in)
	if diags.HasErrors() {
		l.tb.Fatal(text(diags))
	}
	var saved bytes.Buffer
	if err := p.Save(&saved, planner.SaveOptions{Kinds: l.world.kinds(), Config: cfg, Keys: l.keys}); err != nil {
		l.tb.Fatal(err)
	}
	all := unpacked(l.tb, saved.Bytes(), l.keys)
	for name := range all {
		if strings.HasPrefix(name, "sources/") && strings.Count(name, "/") == 1 {
			delete(all, name)
		}
	}
	all["text"], all["warnings"] = p.String(), text(diags)+text(p.Warnings)
	return all
}

// cutOff applies, one step after the other, until the process dies at the result of
// the nth change that is made, before or after it is recorded; 0 is the first.
func (l *lab) cutOff(n int) {
	l.tb.Helper()
	var changes []string
	for _, c := range l.plan().Changes {
		if c.Action != planner.NoOp && c.Action != planner.Read {
			changes = append(changes, c.Address)
		}
	}
	if len(changes) == 0 {
		return
	}
	during := l.during
	l.during = func(in *planner.ApplyInput) {
		in.Parallelism = 1
		in.Journal = &deadly{Journal: in.Journal.(*state.Journal), world: l.world, left: math.MaxInt, at: changes[n%len(changes)], after: n%2 == 0}
	}
	if _, diags := l.tryApply(context.Background()); !diags.HasErrors() || l.world.frozen == nil {
		l.tb.Fatalf("it was not cut off at %s: %s", changes[n%len(changes)], text(diags))
	}
	l.world.frozen, l.during = nil, during
	l.world.renumber()
}

// renumber gives the objects the revisions that they would have, had they been written
// in the order of their names.
func (w *world) renumber() {
	for i, name := range sortedKeys(w.objects) {
		o := w.objects[name]
		o.ModRevision = int64(i + 1)
		w.objects[name] = o
	}
	w.revision = int64(len(w.objects))
}

// fewer has the properties of a test checked that many times less often than others,
// where each check does that much more.
func fewer(t *testing.T, times int) {
	checks := flag.Lookup("rapid.checks").Value
	before := checks.String()
	n, err := strconv.Atoi(before)
	if err != nil {
		t.Fatal(err)
	}
	checks.Set(strconv.Itoa(max(1, n/times)))
	t.Cleanup(func() { checks.Set(before) })
}
