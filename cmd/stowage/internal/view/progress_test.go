package view

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stowage-iac/stowage/planner"
)

// safe is a buffer for several goroutines.
type safe struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safe) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safe) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// scenario is an apply of 25 seconds.
func scenario(p planner.Progress) {
	op := func(address string, v planner.Verb) planner.Operation {
		return planner.Operation{Address: address, Verb: v, Started: time.Now()}
	}
	refresh := op("node.a", planner.Refreshing)
	p.Start(refresh)
	time.Sleep(time.Second)
	p.Done(refresh, false)
	push, pod, old := op("image.web → a", planner.Pushing), op("pod.web", planner.Creating), op("config.old", planner.Destroying)
	p.Begin(3)
	p.Start(push)
	p.Start(old)
	time.Sleep(3 * time.Second)
	p.Update(push, "1.2 of 2.1 MB, 400.0 kB/s")
	p.Done(old, true)
	time.Sleep(time.Second)
	p.Update(push, "2.1 of 2.1 MB, 500.0 kB/s")
	p.Done(push, false)
	p.Start(pod)
	p.Update(pod, "waiting for 2 of 3 replicas")
	time.Sleep(12 * time.Second)
	p.Retry(pod, planner.Retry{After: 4 * time.Second, Attempt: 2, Of: 5, Why: "host a: connection lost"})
	time.Sleep(3500 * time.Millisecond)
	p.Update(pod, "waiting for 1 of 3 replicas")
	time.Sleep(4500 * time.Millisecond)
	p.Done(pod, false)
}

// TestOverall says how many operations are done and about how long the rest takes,
// as soon as that can be told.
func TestOverall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out safe
		p := NewProgress(View{}, &out, nil)
		p.Begin(40)
		for i := range 12 {
			op := planner.Operation{Address: fmt.Sprintf("pod.web[%d]", i), Verb: planner.Creating, Started: time.Now()}
			p.Start(op)
			time.Sleep(5 * time.Second)
			p.Done(op, i == 3)
		}
		if got, want := p.overall(time.Now()), "12 of 40 done, 1 of them failed, 1m0s elapsed, about 2m20s left"; got != want {
			t.Errorf("%q instead of %q", got, want)
		}
		p.Close()
		if got := out.String(); !strings.Contains(got, "\n6 of 40 done, 1 of them failed, 30s elapsed, about 2m50s left\n") && !strings.Contains(got, "\n5 of 40 done, 1 of them failed, 30s elapsed, about 3m30s left\n") {
			t.Errorf("a log is not told how far it is:\n%s", got)
		}
		for n, want := range map[int]string{0: "", 1: "", 2: "0 of 2 done, 0s elapsed"} {
			p.Begin(n)
			p.failed = 0
			if got := p.overall(time.Now()); got != want {
				t.Errorf("of %d: %q", n, got)
			}
		}
	})
}

// TestPlainProgress is what a log file gets: a line when something starts, every
// ten seconds while it runs, and when it ends.
func TestPlainProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out safe
		p := NewProgress(View{}, &out, nil)
		scenario(p)
		p.Close()
		p.Close()
		golden(t, "progress.txt", out.String())
	})
}

// TestScreen follows the same apply on a terminal of 40 columns: at every moment
// there is one line per running operation below what has finished.
func TestScreen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tty := newTerminal(40, 12)
		p := NewProgress(View{}, tty, tty.size)
		var film strings.Builder
		done := make(chan struct{})
		go func() {
			time.Sleep(50 * time.Millisecond) // between two redraws, not at the same time
			for {
				select {
				case <-done:
					return
				case <-time.After(2 * time.Second):
					fmt.Fprintf(&film, "--- a screen\n%s", tty.text())
				}
			}
		}()
		scenario(p)
		close(done)
		p.Close()
		synctest.Wait()
		fmt.Fprintf(&film, "--- the end, cursor shown: %v\n%s", tty.cursor(), tty.text())
		golden(t, "screen.txt", film.String())
	})
}

// TestScreenSurvivesResizing makes the terminal narrower and wider while lines
// are live: nothing finished is lost and no live line stays behind.
func TestScreenSurvivesResizing(t *testing.T) {
	tty := newTerminal(60, 10)
	s := &screen{out: tty, size: tty.size}
	live := []string{"pod.a: Creating… 1s  waiting for 2 of 3 replicas", "pod.b: Creating… 1s"}
	s.draw("first finished", live)
	for i, width := range []int{25, 60, 15, 80} {
		tty.resize(width)
		s.draw(fmt.Sprintf("finished %d", i), live)
	}
	s.end()
	want := "first finished\nfinished 0\nfinished 1\nfinished 2\nfinished 3\n"
	if got := tty.text(); got != want {
		t.Errorf("the screen is\n%s", got)
	}
}

// TestScreenBoundsLiveLines keeps as many lines as fit and counts the others.
func TestScreenBoundsLiveLines(t *testing.T) {
	tty := newTerminal(20, 6)
	s := &screen{out: tty, size: tty.size}
	var live []string
	for i := range 30 {
		live = append(live, fmt.Sprintf("pod.number-%d: Creating… 1s", i))
	}
	s.draw("", live)
	s.draw("done", live)
	want := "done\npod.number-0: Crea…\npod.number-1: Crea…\npod.number-2: Crea…\n… and 27 more\n"
	if got := tty.text(); got != want {
		t.Errorf("the screen is\n%s", got)
	}
}

// TestProgressIsSafeForManyGoroutines runs many operations at once.
func TestProgressIsSafeForManyGoroutines(t *testing.T) {
	tty := newTerminal(80, 24)
	p := NewProgress(View{}, tty, tty.size)
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			op := planner.Operation{Address: fmt.Sprint("pod.p", i), Verb: planner.Creating, Started: time.Now()}
			p.Start(op)
			p.Update(op, "x")
			p.Done(op, i%7 == 0)
		})
	}
	wg.Wait()
	p.Close()
	if n := strings.Count(tty.all(), "Creation complete") + strings.Count(tty.all(), "Creation failed"); n != 50 {
		t.Errorf("%d operations ended, want 50:\n%s", n, tty.all())
	}
}
