package state_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"filippo.io/age"

	"github.com/stowage-iac/stowage/state"
	"github.com/stowage-iac/stowage/state/local"
)

// keysOf are private keys; the first encrypts.
func keysOf(ids ...*age.X25519Identity) *state.Keyring {
	var lines []string
	for _, id := range ids {
		lines = append(lines, id.String())
	}
	return keyring(map[string]string{"STOWAGE_AGE_KEY": strings.Join(lines, "\n")}, ids[0].Recipient().String())
}

// locked does something to a state under its lock.
func locked(t *testing.T, s *state.Store, operation string, do func(*state.Locked, *state.Loaded) error) {
	t.Helper()
	l, err := s.Lock(t.Context(), operation, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Unlock()
	base, err := l.Load(t.Context())
	if err == nil {
		err = do(l, base)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// write writes a state with one secret, whose value is n.
func write(t *testing.T, s *state.Store, n int) {
	t.Helper()
	locked(t, s, "apply", func(l *state.Locked, base *state.Loaded) error {
		next := *base.State
		next.Instances = map[string]*state.Instance{"secret.s": {Address: "secret.s", Kind: "secret", Value: fmt.Appendf(nil, "%d", n), Sensitive: []string{""}}}
		return l.Write(t.Context(), base, &next)
	})
}

func rekey(t *testing.T, s *state.Store, drop bool) (done state.Rekeyed) {
	t.Helper()
	locked(t, s, "state rekey", func(l *state.Locked, base *state.Loaded) (err error) {
		done, err = l.Rekey(t.Context(), base, drop)
		return err
	})
	return done
}

// After a rotation the old key opens nothing that the backend keeps, the new one all
// of it, and the values are what they were. Whoever has both keys and reads beside the
// rotation never sees an error.
func TestRekeyReachesEarlierVersions(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.json")
	before, after := newKey(t), newKey(t)
	old := state.NewStore(local.New(path), state.Options{Keys: keysOf(before)})
	now := state.NewStore(local.New(path), state.Options{Keys: keysOf(after)})
	both := state.NewStore(local.New(path), state.Options{Keys: keysOf(after, before)})
	const writes = 6
	for n := 1; n <= writes; n++ {
		write(t, old, n)
	}
	rotated := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for done := false; !done; {
				select {
				case <-rotated:
					done = true
				default:
				}
				l, err := both.Load(t.Context())
				if err != nil || string(l.State.Instances["secret.s"].Value) != fmt.Sprint(writes) {
					t.Errorf("beside the rotation: %v, %v", l, err)
					return
				}
				s, err := both.Version(t.Context(), 2)
				if err != nil || string(s.Instances["secret.s"].Value) != "2" {
					t.Errorf("serial 2 beside the rotation: %v, %v", s, err)
					return
				}
			}
		})
	}
	done := rekey(t, both, false)
	close(rotated)
	readers.Wait()
	if !slices.Equal(done.Earlier, []uint64{6, 5, 4, 3, 2, 1}) || done.Unread != nil || done.Dropped != nil {
		t.Errorf("%+v", done)
	}
	if _, err := old.Load(t.Context()); !errors.Is(err, state.ErrKey) {
		t.Errorf("the old key opens the state: %v", err)
	}
	for n := uint64(1); n <= writes; n++ {
		if _, err := old.Version(t.Context(), n); !errors.Is(err, state.ErrKey) {
			t.Errorf("the old key opens serial %d: %v", n, err)
		}
		s, err := now.Version(t.Context(), n)
		if err != nil || string(s.Instances["secret.s"].Value) != fmt.Sprint(n) || s.Serial != n || s.Operation != "apply" {
			t.Errorf("serial %d: %+v, %v", n, s, err)
		}
	}
}

// What no key at hand opens stays, and is told; or it goes.
func TestRekeyOfWhatCannotBeRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.json")
	lost, id := newKey(t), newKey(t)
	both := state.NewStore(local.New(path), state.Options{Keys: keysOf(id, lost)})
	write(t, state.NewStore(local.New(path), state.Options{Keys: keysOf(lost)}), 1)
	write(t, both, 2)
	s := state.NewStore(local.New(path), state.Options{Keys: keysOf(id)})
	if done := rekey(t, s, false); !slices.Equal(done.Unread, []uint64{1}) || !slices.Equal(done.Earlier, []uint64{2}) {
		t.Errorf("%+v", done)
	}
	if done := rekey(t, s, true); !slices.Equal(done.Dropped, []uint64{3, 2, 1}) {
		t.Errorf("%+v", done)
	}
	if _, earlier, err := s.History(t.Context()); err != nil || len(earlier) != 0 {
		t.Errorf("%v, %v", earlier, err)
	}
}
