package state_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stowage-iac/stowage/state"
	"github.com/stowage-iac/stowage/state/statetest"
)

func say(string) {}

// A state moves with its earlier versions, there and back, and nobody goes on
// with the place that it left.
func TestMigrate(t *testing.T) {
	keys := testKeys(t)
	open := func(m *statetest.Memory) *state.Store { return state.NewStore(m, state.Options{Keys: keys}) }
	a, b := &statetest.Memory{}, &statetest.Memory{}
	for n := range 4 {
		fill(t, open(a), n+1, n%2 == 1)
	}
	before, err := open(a).Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	m, err := state.Migrate(t.Context(), open(a), open(b), 0, say)
	if err != nil || m.Serial != before.State.Serial || m.Versions != 3 || m.Instances != 4 {
		t.Fatalf("%+v, %v", m, err)
	}
	after, err := open(b).Load(t.Context())
	if err != nil || after.State.Lineage != before.State.Lineage || len(after.State.Instances) != 4 {
		t.Fatalf("%+v, %v", after, err)
	}
	if s, err := open(b).Version(t.Context(), before.State.Serial-1); err != nil || len(s.Instances) != 3 {
		t.Errorf("the version before: %v", err)
	}
	if _, err := open(a).Load(t.Context()); !errors.Is(err, state.ErrMoved) {
		t.Errorf("the old place is read: %v", err)
	}
	if st, err := open(a).Standing(t.Context()); err != nil || st.Exists || st.Moved == "" {
		t.Errorf("%+v, %v", st, err)
	}
	if _, err := state.Migrate(t.Context(), open(a), open(b), 0, say); !errors.Is(err, state.ErrMoved) {
		t.Errorf("moved twice: %v", err)
	}
	fill(t, open(b), 7, true)
	if _, err := state.Migrate(t.Context(), open(b), open(a), 0, say); err != nil {
		t.Fatal(err)
	}
	if back, err := open(a).Load(t.Context()); err != nil || len(back.State.Instances) != 7 || back.State.Serial <= after.State.Serial {
		t.Errorf("back: %+v, %v", back, err)
	}
	// Neither another state nor one that went on is overwritten.
	c := &statetest.Memory{}
	fill(t, open(c), 1, false)
	if _, err := state.Migrate(t.Context(), open(a), open(c), 0, say); !errors.Is(err, state.ErrConflict) {
		t.Errorf("over another state: %v", err)
	}
	if left, err := open(c).Load(t.Context()); err != nil || len(left.State.Instances) != 1 {
		t.Errorf("%+v, %v", left, err)
	}
}

// Cut off at any write, Migrate is called again and goes on.
func TestMigrateCutOff(t *testing.T) {
	keys := testKeys(t)
	for cut := range 7 {
		t.Run(fmt.Sprint(cut), func(t *testing.T) {
			a, b := &statetest.Memory{}, &statetest.Memory{}
			open := func(m state.Backend) *state.Store { return state.NewStore(m, state.Options{Keys: keys}) }
			for n := range 4 {
				fill(t, open(a), n+1, false)
			}
			left := cut
			_, err := state.Migrate(t.Context(), open(&cutting{Memory: a, left: &left}), open(&cutting{Memory: b, left: &left}), 0, say)
			if err == nil && cut < 5 {
				t.Fatal("it was not cut off")
			}
			if err != nil {
				if st, standErr := open(a).Standing(t.Context()); standErr != nil || !st.Exists {
					t.Fatalf("the old place after %v: %+v, %v", err, st, standErr)
				}
				if _, err := state.Migrate(t.Context(), open(a), open(b), 0, say); err != nil {
					t.Fatal(err)
				}
			}
			if got, err := open(b).Load(t.Context()); err != nil || len(got.State.Instances) != 4 {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}
