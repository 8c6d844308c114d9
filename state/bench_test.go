package state_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stowage-iac/stowage/state"
	"github.com/stowage-iac/stowage/state/local"
	"github.com/stowage-iac/stowage/state/statetest"
)

// testKeys is a keyring of the test's own; nothing of the user's is read or made.
func testKeys(t testing.TB, env ...string) *state.Keyring {
	vars := map[string]string{"XDG_CONFIG_HOME": t.TempDir()}
	for n := 0; n < len(env); n += 2 {
		vars[env[n]] = env[n+1]
	}
	return state.NewKeyring(state.KeyOptions{Getenv: func(name string) string { return vars[name] }})
}

// kilobyte is an instance of about 1 KB.
func kilobyte(n int, sensitive bool) *state.Instance {
	i := &state.Instance{Address: fmt.Sprintf(`pod.web["%06d"]`, n), Kind: "pod",
		Deps: []string{fmt.Sprintf(`config.site["%06d"]`, n)}, Placement: []string{"a", "b", "c"},
		Value: fmt.Appendf(nil, `{"replicas":3,"container":[{"name":"web","env":{"X":%q}}],"n":%d}`, strings.Repeat("abcdefghi ", 90), n)}
	if sensitive {
		i.Sensitive = []string{`container[0].env["X"]`}
	}
	return i
}

func store(t testing.TB, b state.Backend) *state.Store {
	return state.NewStore(b, state.Options{Keys: testKeys(t)})
}

// fill writes n instances of 1 KB as one snapshot.
func fill(t testing.TB, s *state.Store, n int, sensitive bool) {
	t.Helper()
	l, err := s.Lock(t.Context(), "apply", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Unlock()
	base, err := l.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	next := *base.State
	next.Instances = map[string]*state.Instance{}
	for i := range n {
		k := kilobyte(i, sensitive)
		next.Instances[k.Address] = k
	}
	if err := l.Write(t.Context(), base, &next); err != nil {
		t.Fatal(err)
	}
}

func BenchmarkLoad(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		for _, sensitive := range []bool{false, true} {
			b.Run(fmt.Sprintf("n=%d,encrypted=%v", n, sensitive), func(b *testing.B) {
				s := store(b, local.New(filepath.Join(b.TempDir(), "s.json")))
				fill(b, s, n, sensitive)
				b.ReportAllocs()
				for b.Loop() {
					l, err := s.Load(b.Context())
					if err != nil || len(l.State.Instances) != n {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkSave(b *testing.B) {
	for _, sensitive := range []bool{false, true} {
		b.Run(fmt.Sprintf("n=10000,encrypted=%v", sensitive), func(b *testing.B) {
			s := store(b, &statetest.Memory{})
			fill(b, s, 10_000, sensitive)
			l, err := s.Lock(b.Context(), "apply", 0)
			if err != nil {
				b.Fatal(err)
			}
			defer l.Unlock()
			base, err := l.Load(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				j, err := l.Begin(b.Context(), base, state.Operation{Name: "apply"})
				if err != nil {
					b.Fatal(err)
				}
				if _, err := j.Close(b.Context()); err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				if base, err = l.Load(b.Context()); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
		})
	}
}

// The cost of a record without the disk.
func BenchmarkRecord(b *testing.B) {
	for _, sensitive := range []bool{false, true} {
		b.Run(fmt.Sprintf("encrypted=%v", sensitive), func(b *testing.B) {
			s := store(b, &statetest.Memory{})
			l, err := s.Lock(b.Context(), "apply", 0)
			if err != nil {
				b.Fatal(err)
			}
			defer l.Unlock()
			base, err := l.Load(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			j, err := l.Begin(b.Context(), base, state.Operation{Name: "apply", Sensitive: sensitive})
			if err != nil {
				b.Fatal(err)
			}
			i := kilobyte(1, sensitive)
			for b.Loop() {
				if err := j.Done(i.Address, i); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// Records of 64 goroutines on a real disk: one flush carries many.
func BenchmarkRecordsOnDisk(b *testing.B) {
	s := store(b, local.New(filepath.Join(b.TempDir(), "s.json")))
	l, err := s.Lock(b.Context(), "apply", 0)
	if err != nil {
		b.Fatal(err)
	}
	defer l.Unlock()
	base, err := l.Load(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	j, err := l.Begin(b.Context(), base, state.Operation{Name: "apply"})
	if err != nil {
		b.Fatal(err)
	}
	i := kilobyte(1, false)
	for b.Loop() {
		var wg sync.WaitGroup
		for range 64 {
			wg.Go(func() {
				if err := j.Done(i.Address, i); err != nil {
					b.Error(err)
				}
			})
		}
		wg.Wait()
	}
}
