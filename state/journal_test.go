package state_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/stowage-iac/stowage/state"
	"github.com/stowage-iac/stowage/state/statetest"
)

func instance(address string, sensitive bool) *state.Instance {
	i := &state.Instance{Address: address, Kind: "pod", Value: []byte(`{"a":1}`)}
	if sensitive {
		i.Sensitive = []string{"a"}
	}
	return i
}

// session is one process's operation on a state.
type session struct {
	t      testing.TB
	locked *state.Locked
	base   *state.Loaded
	*state.Journal
}

func begin(t testing.TB, s *state.Store, name string) *session {
	t.Helper()
	l, err := s.Lock(context.Background(), name, 0)
	if err != nil {
		t.Fatal(err)
	}
	base, err := l.Load(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	j, err := l.Begin(context.Background(), base, state.Operation{Name: name, Plan: "p"})
	if err != nil {
		t.Fatal(err)
	}
	return &session{t, l, base, j}
}

func (s *session) done(addresses ...string) *session {
	s.t.Helper()
	for _, a := range addresses {
		if err := s.Done(a, instance(a, strings.HasPrefix(a, "secret"))); err != nil {
			s.t.Fatal(err)
		}
	}
	return s
}

func (s *session) begun(addresses ...string) *session {
	s.t.Helper()
	for _, a := range addresses {
		if err := s.Journal.Begin(a, "create"); err != nil {
			s.t.Fatal(err)
		}
	}
	return s
}

// die leaves everything as a killed process does.
func (s *session) die() {
	s.Leave()
	s.locked.Unlock()
}

func (s *session) end() *state.State {
	s.t.Helper()
	final, err := s.Close(context.Background())
	if err != nil {
		s.t.Fatal(err)
	}
	s.locked.Unlock()
	return final
}

func load(t testing.TB, s *state.Store) *state.Loaded {
	t.Helper()
	l, err := s.Load(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// An apply that is interrupted, and ends in order, is told of with what it has done; the
// next one that comes to its end leaves nothing to tell.
func TestStoppedApply(t *testing.T) {
	s := store(t, &statetest.Memory{})
	run := begin(t, s, "apply").done("node.a", "pod.a").begun("pod.b")
	run.Stop()
	run.done("pod.b").end()
	l := load(t, s)
	if l.Interrupted == nil || l.Interrupted.Running || len(l.Interrupted.Underway) > 0 {
		t.Fatalf("%+v", l.Interrupted)
	}
	if diff := cmp.Diff([]string{"node.a", "pod.a", "pod.b"}, l.Interrupted.Done); diff != "" {
		t.Error(diff)
	}
	begin(t, s, "apply").done("pod.c").begun("pod.d").end() // what it leaves under way it does not know the end of
	l = load(t, s)
	if diff := cmp.Diff([][]string{{"pod.c"}, {"pod.d"}}, [][]string{l.Interrupted.Done, l.Interrupted.Underway}); diff != "" {
		t.Error(diff)
	}
	begin(t, s, "apply").done("pod.d").end()
	if l = load(t, s); l.Interrupted != nil {
		t.Errorf("%+v", l.Interrupted)
	}
}

// What is finished is told once: a replacement takes two steps, and is written down before.
func TestInterruptedReplacement(t *testing.T) {
	s := store(t, &statetest.Memory{})
	begin(t, s, "apply").done("pod.a", "pod.b", "pod.c").end()

	run := begin(t, s, "apply")
	for _, a := range []string{"pod.a", "pod.b", "pod.c"} {
		marked := instance(a, false)
		marked.Replace = true
		if err := run.Done(a, marked); err != nil {
			t.Fatal(err)
		}
	}
	for _, a := range []string{"pod.a", "pod.b"} {
		run.begun(a)
		if err := run.Done(a, nil); err != nil {
			t.Fatal(err)
		}
	}
	run.begun("pod.b").done("pod.d", "pod.b").begun("pod.a").die()
	l := load(t, s)
	if diff := cmp.Diff([][]string{{"pod.d", "pod.b"}, {"pod.a"}}, [][]string{l.Interrupted.Done, l.Interrupted.Underway}); diff != "" {
		t.Error(diff)
	}
}

// An apply is killed, the next command tells of it, and the next apply goes on.
func TestInterruptedApply(t *testing.T) {
	s := store(t, &statetest.Memory{})
	begin(t, s, "apply").done("node.a").end()

	begin(t, s, "apply").begun("pod.a", "pod.b", "pod.c").done("pod.a").die()
	l := load(t, s)
	if l.Interrupted == nil || l.Interrupted.Running {
		t.Fatalf("interrupted: %+v", l.Interrupted)
	}
	if diff := cmp.Diff([]string{"pod.a"}, l.Interrupted.Done); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"pod.b", "pod.c"}, l.Interrupted.Underway); diff != "" {
		t.Error(diff)
	}
	if len(l.State.Instances) != 2 {
		t.Errorf("%d instances", len(l.State.Instances))
	}
	next, err := s.Lock(context.Background(), "apply", 0)
	if err != nil {
		t.Fatal(err)
	}
	if l, err := next.Load(context.Background()); err != nil || l.Interrupted == nil || l.Interrupted.Running {
		t.Errorf("under the next lock: %+v, %v", l, err)
	}
	next.Unlock()

	// The second is killed, too, before it comes to what the first left.
	second := begin(t, s, "apply")
	if got := load(t, s).Interrupted; got == nil || !got.Running {
		t.Errorf("while the second runs: %+v", got)
	}
	second.done("pod.b").die()
	if diff := cmp.Diff([]string{"pod.c"}, load(t, s).Interrupted.Underway); diff != "" {
		t.Error(diff)
	}

	// The third fails elsewhere: pod.c is still open.
	third := begin(t, s, "apply").begun("pod.d")
	if err := third.Fail("pod.d"); err != nil {
		t.Fatal(err)
	}
	third.end()
	if diff := cmp.Diff([]string{"pod.c"}, load(t, s).Interrupted.Underway); diff != "" {
		t.Error(diff)
	}

	// The fourth ends well: its plan has settled everything.
	begin(t, s, "apply").done("pod.d").end()
	l = load(t, s)
	if l.Interrupted != nil || len(l.State.Instances) != 4 {
		t.Errorf("at the end: %+v, %d instances", l.Interrupted, len(l.State.Instances))
	}
}

// The serial grows with every record, and Close changes nothing that a reader
// of the whole journal has not seen.
func TestSerial(t *testing.T) {
	s := store(t, &statetest.Memory{})
	last := load(t, s).State.Serial
	run := begin(t, s, "apply")
	for n := range 5 {
		run.done(fmt.Sprintf("pod.p%d", n))
		now := load(t, s).State.Serial
		if now <= last {
			t.Errorf("serial %d after %d", now, last)
		}
		last = now
	}
	if final := run.end(); final.Serial != last || load(t, s).State.Serial != last {
		t.Errorf("closed with %d, read with %d, before it was %d", final.Serial, load(t, s).State.Serial, last)
	}
}

// The file of a plain state becomes an encrypted one at its first secret, within
// the journal, and the hash key is stored from then on.
func TestEncryptionBeginsWithTheFirstSecret(t *testing.T) {
	m := &statetest.Memory{}
	s := store(t, m)
	begin(t, s, "apply").done("pod.a").end()
	if stored, _ := m.Read(t.Context()); !bytes.Contains(stored.Snapshot, []byte(`{"a":1}`)) || bytes.Contains(stored.Snapshot, []byte("hash_key")) {
		t.Fatalf("a state with nothing sensitive is %s", stored.Snapshot)
	}
	run := begin(t, s, "apply").done("pod.b")
	key := run.State().HashKey
	run.done("secret.x", "pod.c")
	stored, _ := m.Read(t.Context())
	before, after, ok := bytes.Cut(stored.Journal, []byte(" key {"))
	if !ok || !bytes.Contains(before, []byte("pod.b")) || bytes.Contains(after, []byte("secret.x")) || bytes.Contains(after, []byte("pod.c")) {
		t.Errorf("journal:\n%s", stored.Journal)
	}
	run.die()
	for _, when := range []string{"from the journal", "from the snapshot"} {
		l := load(t, s)
		if len(l.State.Instances) != 4 || !l.Encrypted || !bytes.Equal(l.State.HashKey, key) {
			t.Errorf("%s: %d instances, encrypted %v", when, len(l.State.Instances), l.Encrypted)
		}
		begin(t, s, "apply").end()
	}
	stored, _ = m.Read(t.Context())
	if bytes.Contains(stored.Snapshot, []byte("secret.x")) || bytes.Contains(stored.Snapshot, []byte(`"a"`)) {
		t.Errorf("snapshot:\n%s", stored.Snapshot)
	}
}

// A write cut off at any byte loses only what was not acknowledged; one flipped
// byte is noticed, or hits nothing but the unacknowledged end.
func TestTornAndDamagedJournals(t *testing.T) {
	for _, kind := range []string{"pod", "secret"} {
		t.Run(kind, func(t *testing.T) {
			m := &statetest.Memory{}
			s := store(t, m)
			run := begin(t, s, "apply")
			var ends []int // of the acknowledged records
			for n := range 4 {
				run.done(fmt.Sprintf("%s.x%d", kind, n))
				stored, _ := m.Read(t.Context())
				ends = append(ends, len(stored.Journal))
			}
			run.die()
			whole, _ := m.Read(t.Context())
			first := bytes.IndexByte(whole.Journal, '\n') + 1
			for cut := first; cut < len(whole.Journal); cut++ {
				m.Set(state.Stored{Journal: whole.Journal[:cut]})
				want := 0
				for _, end := range ends {
					if cut >= end {
						want++
					}
				}
				if got := len(load(t, s).State.Instances); got != want {
					t.Fatalf("cut at %d: %d instances, want %d", cut, got, want)
				}
			}
			for at := range whole.Journal {
				flipped := bytes.Clone(whole.Journal)
				flipped[at] ^= 1
				m.Set(state.Stored{Journal: flipped})
				l, err := s.Load(t.Context())
				if at == ends[2]-1 {
					continue // the line end before the last record: looks like one torn record
				}
				if at < ends[2] {
					if !errors.Is(err, state.ErrDamaged) {
						t.Fatalf("byte %d of %d flipped: %v", at, len(flipped), err)
					}
				} else if err != nil || len(l.State.Instances) != 3 {
					t.Fatalf("byte %d of the last record flipped: %v", at, err)
				}
			}
		})
	}
}

// Many goroutines' records share flushes, and each is there.
func TestGroupCommit(t *testing.T) {
	m := &statetest.Memory{}
	s := store(t, m)
	run := begin(t, s, "apply")
	var wg sync.WaitGroup
	const n = 2000
	for i := range n {
		wg.Go(func() {
			if err := run.Done(fmt.Sprintf("pod.p%d", i), instance(fmt.Sprintf("pod.p%d", i), i%2 == 0)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	run.die()
	if got := len(load(t, s).State.Instances); got != n {
		t.Errorf("%d instances", got)
	}
	if m.Flushes() > n {
		t.Errorf("%d flushes for %d records", m.Flushes(), n)
	}
}

// A disk that fails is told to every caller, and Close still saves what was done.
func TestFullDisk(t *testing.T) {
	m := &failing{}
	s := store(t, m)
	run := begin(t, s, "apply").done("pod.a")
	m.full = true
	for range 2 {
		if err := run.Done("pod.b", instance("pod.b", false)); !errors.Is(err, errFull) {
			t.Errorf("got %v", err)
		}
	}
	if final := run.end(); len(final.Instances) != 2 {
		t.Errorf("saved %d instances", len(final.Instances))
	}
	if got := load(t, s); len(got.State.Instances) != 2 || got.Interrupted != nil {
		t.Errorf("read %+v", got)
	}
}

var errFull = errors.New("no space left on device")

// failing is a backend whose journals fail when full.
type failing struct {
	statetest.Memory
	full bool
}

func (f *failing) Lock(ctx context.Context, info state.LockInfo, wait time.Duration) (state.Session, error) {
	s, err := f.Memory.Lock(ctx, info, wait)
	return failingSession{s, f}, err
}

type failingSession struct {
	state.Session
	f *failing
}

func (s failingSession) StartJournal(ctx context.Context, head []byte) (state.Log, error) {
	l, err := s.Session.StartJournal(ctx, head)
	return failingLog{l, s.f}, err
}

type failingLog struct {
	state.Log
	f *failing
}

func (l failingLog) Append(p []byte) error {
	if l.f.full {
		return errFull
	}
	return l.Log.Append(p)
}

// Whatever is recorded, in whatever order, with crashes in between, is what is read.
func TestWhatIsRecordedIsRead(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		s := store(t, &statetest.Memory{})
		want := map[string]*state.Instance{}
		names := rapid.SampledFrom([]string{"pod.a", `pod.b["x, y\"z"]`, "pod.ü[1]", "secret.d", "pod.\x01"})
		for range rapid.IntRange(1, 5).Draw(r, "operations") {
			run := begin(t, s, "apply")
			for range rapid.IntRange(0, 6).Draw(r, "records") {
				name := names.Draw(r, "name")
				if rapid.Bool().Draw(r, "delete") {
					delete(want, name)
					if err := run.Done(name, nil); err != nil {
						r.Fatal(err)
					}
					continue
				}
				i := &state.Instance{Address: name, Kind: "pod",
					Value:          []byte(rapid.SampledFrom([]string{"null", `{"value":[1,",\"value\":"]}`, "[\n 1\n]"}).Draw(r, "value")),
					Sensitive:      rapid.SliceOfN(rapid.String(), 0, 2).Draw(r, "sensitive"),
					Deps:           rapid.SliceOfN(names, 0, 3).Draw(r, "deps"),
					Placement:      rapid.SliceOfN(rapid.String(), 0, 3).Draw(r, "placement"),
					PreventDestroy: rapid.Bool().Draw(r, "prevent"), DeleteTimeout: rapid.SampledFrom([]string{"", "5m0s"}).Draw(r, "timeout"), Incomplete: rapid.Bool().Draw(r, "incomplete")}
				want[name] = i
				if err := run.Done(name, i); err != nil {
					r.Fatal(err)
				}
			}
			if rapid.Bool().Draw(r, "crash") {
				run.die()
			} else {
				run.end()
			}
			if diff := cmp.Diff(normal(want), normal(load(t, s).State.Instances)); diff != "" {
				r.Fatal(diff)
			}
		}
	})
}

// normal is what survives: values without line ends, no empty lists.
func normal(m map[string]*state.Instance) map[string]state.Instance {
	out := map[string]state.Instance{}
	for a, i := range m {
		n := *i
		n.Value = []byte(strings.NewReplacer("\n", "", " ", "").Replace(string(i.Value)))
		for _, l := range []*[]string{&n.Sensitive, &n.Deps, &n.Placement} {
			if len(*l) == 0 {
				*l = nil
			}
		}
		out[a] = n
	}
	return out
}

// A move is one record: whatever is killed when, the instance is at one of the two
// addresses, and what was under way stays so.
func TestMove(t *testing.T) {
	s := store(t, &statetest.Memory{})
	begin(t, s, "apply").done("pod.a", "secret.s").begun("pod.a").die()
	j := begin(t, s, "apply")
	moved := instance("pod.b", false)
	moved.Object = "a"
	secret := instance("secret.t", true)
	secret.Object = "s"
	if err := errors.Join(j.Move("pod.a", moved), j.Move("secret.s", secret)); err != nil {
		t.Fatal(err)
	}
	if err := j.Move("pod.b", moved); err == nil {
		t.Error("a move to the same address is recorded")
	}
	j.die()
	l := load(t, s)
	if d := cmp.Diff(map[string]*state.Instance{"pod.b": moved, "secret.t": secret}, l.State.Instances); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"pod.b"}, l.Interrupted.Underway); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(l.State.Instances, begin(t, s, "apply").end().Instances); d != "" {
		t.Errorf("the snapshot differs: %s", d)
	}
}
