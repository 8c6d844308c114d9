// Package conformance is what every runtime.Runtime promises, as a test suite.
package conformance

import (
	"context"
	"errors"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stowage-iac/stowage/agent/runtime"
)

// Harness is a runtime to test, and containers that it can run.
type Harness struct {
	Runtime runtime.Runtime
	Image   string // present
	// Forever is a container that runs until it is signalled; Ends one that ends
	// at once with the code; Broken one whose program does not exist, nil where a
	// runtime has no programs.
	Forever func(id string) runtime.Spec
	Ends    func(id string, code int) runtime.Spec
	Broken  func(id string) runtime.Spec
}

const label = "stowage.test"

// Run runs the suite. IDs begin with "conf-" and are removed.
func Run(t *testing.T, h Harness) {
	t.Run("a started container runs and is listed", func(t *testing.T) {
		pid := h.start(t, h.Forever("conf-runs"))
		c := h.find(t, "conf-runs")
		if c.State != runtime.Running || c.PID != pid || c.Labels[label] != "yes" {
			t.Errorf("got %+v, want running as %d", c, pid)
		}
	})
	t.Run("wait returns the exit code, again and again", func(t *testing.T) {
		h.start(t, h.Ends("conf-ends", 7))
		for range 2 {
			e := h.wait(t, "conf-ends")
			if e.Code != 7 || e.OOM || time.Since(e.At) > time.Minute || time.Since(e.At) < 0 {
				t.Errorf("got %+v", e)
			}
		}
		if c := h.find(t, "conf-ends"); c.State != runtime.Exited || c.Exit.Code != 7 {
			t.Errorf("listed as %+v", c)
		}
	})
	t.Run("a signal ends it", func(t *testing.T) {
		h.start(t, h.Forever("conf-signal"))
		if err := h.Runtime.Signal(t.Context(), "conf-signal", syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if e := h.wait(t, "conf-signal"); e.Code != 137 {
			t.Errorf("got %+v, want 128+9", e)
		}
		if err := h.Runtime.Signal(t.Context(), "conf-signal", syscall.SIGTERM); !errors.Is(err, runtime.ErrNotFound) {
			t.Errorf("a signal to an ended container: %v", err)
		}
	})
	t.Run("removing kills and leaves nothing, twice", func(t *testing.T) {
		h.start(t, h.Forever("conf-remove"))
		for range 2 {
			if err := h.Runtime.Remove(t.Context(), "conf-remove"); err != nil {
				t.Fatal(err)
			}
		}
		if _, ok := h.lookup(t, "conf-remove"); ok {
			t.Error("it is still listed")
		}
		if _, err := h.Runtime.Wait(t.Context(), "conf-remove"); !errors.Is(err, runtime.ErrNotFound) {
			t.Errorf("wait: %v", err)
		}
		h.start(t, h.Forever("conf-remove")) // the ID is free again
	})
	t.Run("a settled container keeps its record only", func(t *testing.T) {
		h.start(t, h.Ends("conf-settle", 3))
		h.wait(t, "conf-settle")
		if err := h.Runtime.Settle(t.Context(), "conf-settle", map[string]string{"stowage.exit": "3"}); err != nil {
			t.Fatal(err)
		}
		c := h.find(t, "conf-settle")
		if c.State != runtime.Empty || c.Labels["stowage.exit"] != "3" || c.Labels[label] != "yes" {
			t.Errorf("got %+v", c)
		}
	})
	t.Run("a missing image is told from other failures", func(t *testing.T) {
		s := h.Forever("conf-missing")
		s.Image = "stowage.test/absent@sha256:0000000000000000000000000000000000000000000000000000000000000000"
		if _, err := h.Runtime.Start(t.Context(), s); !errors.Is(err, runtime.ErrImageMissing) {
			t.Errorf("start: %v", err)
		}
		if _, err := h.Runtime.Image(t.Context(), s.Image); !errors.Is(err, runtime.ErrImageMissing) {
			t.Errorf("image: %v", err)
		}
	})
	t.Run("a failed start leaves nothing", func(t *testing.T) {
		if h.Broken == nil {
			t.Skip("this runtime runs no programs")
		}
		if _, err := h.Runtime.Start(t.Context(), h.Broken("conf-broken")); err == nil || errors.Is(err, runtime.ErrImageMissing) {
			t.Errorf("got %v", err)
		}
		if _, ok := h.lookup(t, "conf-broken"); ok {
			t.Error("it is listed")
		}
	})
	t.Run("wait ends with its context", func(t *testing.T) {
		h.start(t, h.Forever("conf-cancel"))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := h.Runtime.Wait(ctx, "conf-cancel"); err == nil {
			t.Error("no error")
		}
	})
}

func (h Harness) start(t *testing.T, s runtime.Spec) int {
	t.Helper()
	s.Labels = map[string]string{label: "yes"}
	t.Cleanup(func() {
		if err := h.Runtime.Remove(context.Background(), s.ID); err != nil {
			t.Error(err)
		}
	})
	pid, err := h.Runtime.Start(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

func (h Harness) wait(t *testing.T, id string) runtime.Exit {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	e, err := h.Runtime.Wait(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func (h Harness) lookup(t *testing.T, id string) (runtime.Container, bool) {
	t.Helper()
	list, err := h.Runtime.List(t.Context(), label)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(list, func(c runtime.Container) bool { return c.ID == id })
	if i < 0 {
		return runtime.Container{}, false
	}
	return list[i], true
}

func (h Harness) find(t *testing.T, id string) runtime.Container {
	t.Helper()
	c, ok := h.lookup(t, id)
	if !ok {
		t.Fatalf("%s is not listed", id)
	}
	return c
}
