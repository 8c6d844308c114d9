package keyed_test

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stowage-iac/stowage/state"
	"github.com/stowage-iac/stowage/state/keyed"
	"github.com/stowage-iac/stowage/state/statetest"
)

// memory is a store in memory. With lossy, every other answer of a write does not
// come, whether it was done or not.
type memory struct {
	mu       sync.Mutex
	objects  map[string]keyed.Object
	revision int
	holder   *memoryLock
	lossy    bool
	random   *rand.Rand
}

var errLost = errors.New("the connection broke")

func newMemory() *memory {
	return &memory{objects: map[string]keyed.Object{}, random: rand.New(rand.NewPCG(1, 2))}
}

func (m *memory) Get(_ context.Context, key string) (keyed.Object, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	o, ok := m.objects[key]
	if !ok {
		return o, keyed.ErrAbsent
	}
	o.Data = bytes.Clone(o.Data)
	return o, nil
}

func (m *memory) All(ctx context.Context, prefix string) (all []keyed.Object, err error) {
	keys, _ := m.Keys(ctx, prefix)
	for _, key := range keys {
		if o, err := m.Get(ctx, key); err == nil {
			all = append(all, o)
		}
	}
	return all, nil
}

func (m *memory) Keys(_ context.Context, prefix string) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	keys := slices.Sorted(maps.Keys(m.objects))
	return slices.DeleteFunc(keys, func(k string) bool { return !strings.HasPrefix(k, prefix) }), nil
}

func (m *memory) Put(_ context.Context, key string, data []byte, revision string) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.lossy && m.random.IntN(4) == 0 {
		return "", errLost
	}
	if m.objects[key].Revision != revision {
		return "", keyed.ErrChanged
	}
	m.revision++
	now := strconv.Itoa(m.revision)
	m.objects[key] = keyed.Object{Key: key, Data: bytes.Clone(data), Revision: now}
	if m.lossy && m.random.IntN(3) == 0 {
		return "", errLost
	}
	return now, nil
}

func (m *memory) Delete(_ context.Context, keys []string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, key := range keys {
		delete(m.objects, key)
	}
	return nil
}

type memoryLock struct {
	m    *memory
	info []byte
	lost chan struct{}
}

func (m *memory) Acquire(_ context.Context, info []byte) (keyed.Held, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.holder != nil {
		return nil, keyed.ErrHeld
	}
	m.holder = &memoryLock{m, info, make(chan struct{})}
	return m.holder, nil
}

func (m *memory) Holder(context.Context) ([]byte, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.holder == nil {
		return nil, false, nil
	}
	return m.holder.info, true, nil
}

// Break does not tell the holder: that it writes no more is keyed's to see to.
func (m *memory) Break(_ context.Context, info []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.holder == nil || !bytes.Equal(m.holder.info, info) {
		return keyed.ErrChanged
	}
	m.holder = nil
	return nil
}

func (l *memoryLock) Lost() <-chan struct{} { return l.lost }

func (l *memoryLock) Release(context.Context) error {
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	if l.m.holder == l {
		l.m.holder = nil
	}
	return nil
}

func options() keyed.Options {
	return keyed.Options{Location: "memory", Previous: "memory", Limit: 1 << 20, Retry: time.Millisecond}
}

func TestConformance(t *testing.T) {
	statetest.Run(t, func(*testing.T) func() state.Backend {
		m := newMemory()
		return func() state.Backend { return keyed.New(m, options()) }
	})
}

// Answers that do not come neither lose nor double a write.
func TestLostAnswers(t *testing.T) {
	m := newMemory()
	store := state.NewStore(keyed.New(m, options()), state.Options{Keys: state.NewKeyring(state.KeyOptions{Getenv: func(string) string { return "" }})})
	m.lossy = true
	want := map[string]string{}
	for round := range 200 {
		func() {
			l, err := store.Lock(t.Context(), "apply", time.Second)
			if err != nil {
				return // four in a row
			}
			defer l.Unlock()
			base, err := l.Load(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for address, value := range want {
				if i := base.State.Instances[address]; i == nil || string(i.Value) != value {
					t.Fatalf("round %d: %s was acknowledged as %s and is %v", round, address, value, i)
				}
			}
			j, err := l.Begin(t.Context(), base, state.Operation{Name: "apply"})
			if err != nil {
				return
			}
			for n := range 5 {
				i := &state.Instance{Address: "pod.p[" + strconv.Itoa(n) + "]", Kind: "pod", Value: []byte(strconv.Itoa(round))}
				// Not acknowledged, it may be there or not.
				delete(want, i.Address)
				if j.Done(i.Address, i) == nil {
					want[i.Address] = string(i.Value)
				}
			}
			j.Close(t.Context())
		}()
	}
	if len(want) == 0 {
		t.Error("nothing was ever written")
	}
	m.lossy = false
	if _, err := store.Lock(t.Context(), "apply", 0); err != nil {
		t.Error(err)
	}
	// What crashes left behind does not pile up.
	if n := len(m.objects); n > 60 {
		t.Errorf("%d objects are left", n)
	}
}
