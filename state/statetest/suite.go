package statetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/stowage-iac/stowage/state"
)

// Run checks that a backend keeps its contract. open gives backends for the same
// empty state, as several processes would have.
func Run(t *testing.T, open func(t *testing.T) func() state.Backend) {
	for name, test := range map[string]func(*testing.T, func() state.Backend){
		"nothing is stored at first":              testEmpty,
		"what was replaced is read":               testReplace,
		"a wrong base serial loses":               testConflict,
		"a journal grows and goes":                testJournal,
		"one holder at a time, and it has a name": testLock,
		"a waiting one gets the lock":             testWait,
		"twenty writers lose nothing":             testWriters,
		"ten earlier versions are kept":           testVersions,
		"an earlier version is rewritten":         testRewrite,
		"a large state is whole":                  testLarge,
		"a lock is broken by its ID only":         testBreak,
	} {
		t.Run(name, func(t *testing.T) {
			next := open(t)
			test(t, func() state.Backend {
				b := next()
				if c, ok := b.(io.Closer); ok {
					t.Cleanup(func() { c.Close() })
				}
				return b
			})
		})
	}
}

var info = state.LockInfo{ID: "1", Operation: "apply", Who: "ann@desk", PID: 7, Created: time.Unix(1_700_000_000, 0).UTC(), Path: "x"}

// snapshot is the least that a backend must understand: a header line.
func snapshot(serial uint64) []byte {
	return fmt.Appendf(nil, "{\"format_version\":1,\"lineage\":\"l\",\"serial\":%d,\n\"x\":1}\n", serial)
}

func lock(t *testing.T, b state.Backend) state.Session {
	t.Helper()
	s, err := b.Lock(t.Context(), info, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Unlock() })
	return s
}

func read(t *testing.T, b state.Backend) state.Stored {
	t.Helper()
	stored, err := b.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return stored
}

func testEmpty(t *testing.T, open func() state.Backend) {
	if s := read(t, open()); s.Snapshot != nil || s.Journal != nil {
		t.Errorf("an empty state has %q and %q", s.Snapshot, s.Journal)
	}
	if _, held, err := open().Holder(t.Context()); held || err != nil {
		t.Errorf("held %v, %v", held, err)
	}
}

func testReplace(t *testing.T, open func() state.Backend) {
	s := lock(t, open())
	for serial := range uint64(30) {
		if err := s.Replace(t.Context(), serial, snapshot(serial+1)); err != nil {
			t.Fatal(err)
		}
		if got := read(t, open()).Snapshot; !bytes.Equal(got, snapshot(serial+1)) {
			t.Fatalf("read %q after writing serial %d", got, serial+1)
		}
	}
}

func testConflict(t *testing.T, open func() state.Backend) {
	s := lock(t, open())
	if err := s.Replace(t.Context(), 0, snapshot(5)); err != nil {
		t.Fatal(err)
	}
	for _, base := range []uint64{0, 4, 6} {
		if err := s.Replace(t.Context(), base, snapshot(7)); !errors.Is(err, state.ErrConflict) {
			t.Errorf("on base %d: %v", base, err)
		}
	}
	if got := read(t, open()).Snapshot; !bytes.Equal(got, snapshot(5)) {
		t.Errorf("the loser left %q", got)
	}
}

func testJournal(t *testing.T, open func() state.Backend) {
	s := lock(t, open())
	if err := s.DropJournal(t.Context()); err != nil {
		t.Fatalf("nothing to drop: %v", err)
	}
	l, err := s.StartJournal(t.Context(), []byte("head\n"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.StartJournal(t.Context(), []byte("other\n")); err == nil {
		t.Error("a second journal was begun over the first")
	}
	want := "head\n"
	for n := range 5 {
		line := fmt.Sprintf("line %d\n", n)
		if err := l.Append([]byte(line)); err != nil {
			t.Fatal(err)
		}
		want += line
		if got := read(t, open()).Journal; string(got) != want {
			t.Fatalf("read %q, appended was %q", got, want)
		}
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if err := s.DropJournal(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := read(t, open()).Journal; got != nil {
		t.Errorf("dropped, and still there: %q", got)
	}
}

func testLock(t *testing.T, open func() state.Backend) {
	s := lock(t, open())
	_, err := open().Lock(t.Context(), state.LockInfo{Who: "bob@laptop"}, 0)
	var locked *state.LockedError
	if !errors.As(err, &locked) || !errors.Is(err, state.ErrLocked) {
		t.Fatalf("a held lock gives %v", err)
	}
	if locked.Holder != info {
		t.Errorf("holder %+v, want %+v", locked.Holder, info)
	}
	if got, held, err := open().Holder(t.Context()); err != nil || !held || got != info {
		t.Errorf("Holder: %+v %v %v", got, held, err)
	}
	for range 2 {
		if err := s.Unlock(); err != nil {
			t.Fatal(err)
		}
	}
	if _, held, err := open().Holder(t.Context()); held || err != nil {
		t.Errorf("after Unlock: held %v, %v", held, err)
	}
	again := lock(t, open())
	if err := s.Unlock(); err != nil { // of a lock that is gone
		t.Fatal(err)
	}
	if _, held, _ := open().Holder(t.Context()); !held {
		t.Error("an old session's Unlock took the new one's lock")
	}
	again.Unlock()
}

func testWait(t *testing.T, open func() state.Backend) {
	s := lock(t, open())
	got := make(chan error, 1)
	go func() {
		next, err := open().Lock(context.Background(), info, time.Minute)
		if err == nil {
			err = next.Unlock()
		}
		got <- err
	}()
	s.Unlock()
	if err := <-got; err != nil {
		t.Error(err)
	}
	s = lock(t, open())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := open().Lock(ctx, info, time.Minute); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled wait: %v", err)
	}
	s.Unlock()
}

func testWriters(t *testing.T, open func() state.Backend) {
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			b := open()
			s, err := b.Lock(context.Background(), info, time.Minute)
			if err != nil {
				t.Error(err)
				return
			}
			defer s.Unlock()
			stored, err := b.Read(context.Background())
			if err != nil {
				t.Error(err)
				return
			}
			var serial uint64
			if stored.Snapshot != nil {
				if serial, err = state.SnapshotSerial(stored.Snapshot); err != nil {
					t.Error(err)
				}
			}
			if err := s.Replace(context.Background(), serial, snapshot(serial+1)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := read(t, open()).Snapshot; !bytes.Equal(got, snapshot(20)) {
		t.Errorf("after 20 writers: %q", got)
	}
}

func testVersions(t *testing.T, open func() state.Backend) {
	s := lock(t, open())
	const writes = 14
	for serial := range uint64(writes) {
		if err := s.Replace(t.Context(), serial, snapshot(serial+1)); err != nil {
			t.Fatal(err)
		}
	}
	versions, err := open().Versions(t.Context())
	if err != nil || len(versions) < state.KeepVersions {
		t.Fatalf("%d earlier versions, %v", len(versions), err)
	}
	for n, v := range versions[:state.KeepVersions] {
		want := uint64(writes - 1 - n)
		if v.Serial != want || v.Size != int64(len(snapshot(want))) {
			t.Errorf("version %d is %+v, want serial %d", n, v, want)
		}
		if data, err := open().Version(t.Context(), v.Serial); err != nil || !bytes.Equal(data, snapshot(v.Serial)) {
			t.Errorf("serial %d: %q, %v", v.Serial, data, err)
		}
	}
	if _, err := open().Version(t.Context(), 999); !errors.Is(err, state.ErrNoVersion) {
		t.Errorf("a version that never was: %v", err)
	}
}

// testRewrite rewrites an earlier version over and over, and the present one beside
// it: whoever reads gets one of before or of after.
func testRewrite(t *testing.T, open func() state.Backend) {
	s := lock(t, open())
	for serial := range uint64(3) {
		if err := s.Replace(t.Context(), serial, snapshot(serial+1)); err != nil {
			t.Fatal(err)
		}
	}
	form := func(n int) []byte { return fmt.Appendf(snapshot(2), "%d\n", n) }
	rewritten := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			b := open()
			last := -1
			for done := false; !done; {
				select {
				case <-rewritten:
					done = true
				default:
				}
				data, err := b.Version(t.Context(), 2)
				if err != nil {
					t.Errorf("a reader beside the writer: %v", err)
					return
				}
				n := -1
				if rest, ok := bytes.CutPrefix(data, snapshot(2)); !ok || len(rest) > 0 && !bytes.Equal(data, form(number(rest, &n))) || n < last {
					t.Errorf("a reader got %q after the form %d", data, last)
					return
				}
				last = n
				if v, err := b.Versions(t.Context()); err != nil || len(v) != 2 {
					t.Errorf("a reader lists %v, %v", v, err)
					return
				}
			}
		})
	}
	const forms = 20
	for n := range forms {
		if err := s.Rewrite(t.Context(), 2, form(n)); err != nil {
			t.Fatal(err)
		}
	}
	close(rewritten)
	readers.Wait()
	if data, err := open().Version(t.Context(), 2); err != nil || !bytes.Equal(data, form(forms-1)) {
		t.Errorf("rewritten it is %q, %v", data, err)
	}
	if err := s.Rewrite(t.Context(), 1, nil); err != nil {
		t.Error(err)
	}
	if _, err := open().Version(t.Context(), 1); !errors.Is(err, state.ErrNoVersion) {
		t.Errorf("a version that was removed: %v", err)
	}
	for _, serial := range []uint64{1, 3, 9} { // removed, the present one, never there
		if err := s.Rewrite(t.Context(), serial, snapshot(serial)); !errors.Is(err, state.ErrNoVersion) {
			t.Errorf("serial %d: %v", serial, err)
		}
	}
	if got := read(t, open()).Snapshot; !bytes.Equal(got, snapshot(3)) {
		t.Errorf("the present state became %q", got)
	}
}

// number reads the number on a line into n, and returns it.
func number(line []byte, n *int) int {
	fmt.Sscanf(string(line), "%d\n", n)
	return *n
}

func testLarge(t *testing.T, open func() state.Backend) {
	s := lock(t, open())
	large := snapshot(1)
	for n := range 500_000 {
		large = fmt.Appendf(large, "%d\n", n*7919)
	}
	if err := s.Replace(t.Context(), 0, large); err != nil {
		t.Fatal(err)
	}
	if got := read(t, open()).Snapshot; !bytes.Equal(got, large) {
		t.Errorf("read %d bytes, written were %d", len(got), len(large))
	}
	l, err := s.StartJournal(t.Context(), large)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := l.Append(large); err != nil {
		t.Fatal(err)
	}
	if got := read(t, open()).Journal; !bytes.Equal(got, append(bytes.Clone(large), large...)) {
		t.Errorf("the journal has %d bytes, want %d", len(got), 2*len(large))
	}
}

// Where the backend can tell that the holder lives it refuses; else the broken
// lock is free, and who had it writes no more.
func testBreak(t *testing.T, open func() state.Backend) {
	if err := open().Break(t.Context(), info.ID); !errors.Is(err, state.ErrNotLocked) {
		t.Errorf("nobody holds it: %v", err)
	}
	old := lock(t, open())
	if err := old.Replace(t.Context(), 0, snapshot(1)); err != nil {
		t.Fatal(err)
	}
	l, err := old.StartJournal(t.Context(), []byte("head\n"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var locked *state.LockedError
	if err := open().Break(t.Context(), "2"); !errors.As(err, &locked) || locked.Holder != info {
		t.Errorf("of another ID: %v", err)
	}
	err = open().Break(t.Context(), info.ID)
	if errors.Is(err, state.ErrAlive) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	s := lock(t, open())
	before := read(t, open())
	if string(before.Journal) != "head\n" {
		t.Errorf("the journal of the old one is %q", before.Journal)
	}
	if err := old.Replace(t.Context(), 1, snapshot(2)); err == nil {
		t.Error("a broken lock's holder wrote a snapshot")
	}
	if err := l.Append([]byte("late\n")); err == nil {
		t.Error("a broken lock's holder wrote to its journal")
	}
	if err := old.DropJournal(t.Context()); err == nil {
		t.Error("a broken lock's holder dropped the journal")
	}
	if err := old.Unlock(); err != nil {
		t.Errorf("Unlock of a broken lock: %v", err)
	}
	if after := read(t, open()); !bytes.Equal(after.Snapshot, before.Snapshot) || !bytes.Equal(after.Journal, before.Journal) {
		t.Errorf("%q became %q", before, after)
	}
	if err := s.DropJournal(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Replace(t.Context(), 1, snapshot(2)); err != nil {
		t.Errorf("the new holder: %v", err)
	}
}
