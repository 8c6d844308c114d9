package agent

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"filippo.io/age"

	"github.com/stowage-iac/stowage/agent/runtime"
	"github.com/stowage-iac/stowage/agent/runtime/fake"
	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/network"
)

// fakeNet gives addresses and remembers host ports.
type fakeNet struct {
	mu    sync.Mutex
	ports map[string][]network.HostPort
}

func (f *fakeNet) Start(context.Context, netip.Prefix) error { return nil }
func (f *fakeNet) Create(_ context.Context, id string) (network.Pod, error) {
	return network.Pod{ID: id, IP: netip.MustParseAddr("10.210.9.2")}, nil
}
func (f *fakeNet) Publish(p network.Pod, want []network.HostPort) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for id, ports := range f.ports {
		for _, hp := range want {
			if id != p.ID && slices.Contains(ports, hp) {
				return &network.PortTakenError{Port: hp, Holder: "pod " + id}
			}
		}
	}
	f.ports[p.ID] = want
	return nil
}
func (f *fakeNet) Reset(string) error { return nil }
func (f *fakeNet) Delete(id string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.ports, id)
	return nil
}
func (f *fakeNet) Retain(map[string]bool) error       { return nil }
func (f *fakeNet) Heal(context.Context) (bool, error) { return false, nil }
func (f *fakeNet) Warnings() []string                 { return nil }

type fakeDaemon struct{}

func (fakeDaemon) Ready() error                                        { return nil }
func (fakeDaemon) Version(context.Context) (string, error)             { return "fake", nil }
func (fakeDaemon) ContentRoot(context.Context) (string, error)         { return "", errors.ErrUnsupported }
func (fakeDaemon) ReapStrays(context.Context, func(string) bool) error { return nil }
func (fakeDaemon) Close() error                                        { return nil }

// simulated is an agent on fakes, in the virtual time of a synctest bubble.
type simulated struct {
	*manager
	*fake.Runtime
	agent *Agent
	stop  func()
	// goingDown makes stop the end of the host, not only of the agent.
	goingDown bool
}

const fakeImage = "img@sha256:1"

func simulate(t *testing.T, prepare func(*simulated)) *simulated {
	t.Helper()
	dir, err := os.MkdirTemp("", "sim")
	if err != nil {
		t.Fatal(err)
	}
	s := &simulated{manager: newManager(), Runtime: &fake.Runtime{}}
	s.Runtime.AddImage(fakeImage, runtime.Image{})
	s.manager.keep = []string{fakeImage}
	if prepare != nil {
		prepare(s)
	}
	o := Options{Cluster: "c1", Node: "n1", DataDir: dir + "/data", RunDir: dir + "/run", Source: s.manager, Reporter: s.manager,
		Identity: func() (age.Identity, error) { return nil, errors.New("no key") },
		Log:      slog.New(slog.NewTextHandler(io.Discard, nil))}.withDefaults()
	a, err := assemble(o, s.Runtime, s.Runtime, fakeDaemon{}, &fakeNet{ports: map[string][]network.HostPort{}})
	if err != nil {
		t.Fatal(err)
	}
	a.hostStops = func() bool { return s.goingDown }
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	s.agent = a
	s.stop = func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := unmountBelow(o.RunDir); err != nil {
			t.Error(err)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	}
	return s
}

func simplePod(args ...string) api.PodTemplate {
	return api.PodTemplate{Restart: "always", Containers: []api.Container{{Name: "main", Image: fakeImage, Command: args}}}
}

// startTimes returns when the pod's containers were started, relative to the first.
func (s *simulated) startTimes(pod string) []time.Duration {
	var out []time.Duration
	var first time.Time
	for _, st := range s.Starts() {
		if !strings.HasPrefix(st.ID, pod+"-") {
			continue
		}
		if first.IsZero() {
			first = st.At
		}
		out = append(out, st.At.Sub(first))
	}
	return out
}

// A container that always ends at once is started again after exactly 0, 1, 2,
// 4, … 256, 300, 300 … seconds.
func TestBackOffTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := simulate(t, nil)
		s.assign("crash", 0, simplePod("exit", "1"))
		time.Sleep(30 * time.Minute)
		synctest.Wait()
		s.stop()
		want := []time.Duration{0}
		for _, d := range []int{0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300} {
			want = append(want, want[len(want)-1]+time.Duration(d)*time.Second)
		}
		got := s.startTimes("crash")
		if len(got) < len(want) || !slices.Equal(got[:len(want)], want) {
			t.Errorf("started at %v\nwant       %v", got, want)
		}
	})
}

// Ten minutes up and the next end counts as the first again; a moment less and it does not.
func TestBackOffIsForgottenAfterTenMinutes(t *testing.T) {
	for _, c := range []struct {
		up   time.Duration
		want time.Duration // the wait after an end after that time
	}{{10*time.Minute - time.Second, 4 * time.Second}, {10 * time.Minute, 0}} {
		t.Run(c.up.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := simulate(t, nil)
				s.assign("web", 0, simplePod("forever"))
				synctest.Wait()
				end := func() time.Time {
					starts := s.Starts()
					if err := s.Exit(starts[len(starts)-1].ID, 1, false); err != nil {
						t.Fatal(err)
					}
					return time.Now()
				}
				for range 3 { // 0, 1, 2 seconds
					end()
					time.Sleep(5 * time.Second)
					synctest.Wait()
				}
				starts := s.Starts()
				time.Sleep(c.up - time.Since(starts[len(starts)-1].At))
				ended := end()
				time.Sleep(time.Minute)
				synctest.Wait()
				s.stop()
				starts = s.Starts()
				if got := starts[len(starts)-1].At.Sub(ended); got != c.want {
					t.Errorf("after %v up it was started again after %v, want %v", c.up, got, c.want)
				}
			})
		})
	}
}

func TestStopIsTermThenKill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := simulate(t, func(s *simulated) { s.IgnoreTerm = true })
		pod := simplePod("forever")
		pod.StopGrace = 7 * time.Second
		key := s.assign("web", 0, pod)
		synctest.Wait()
		begin := time.Now()
		s.withdraw(key)
		time.Sleep(7*time.Second - time.Millisecond)
		synctest.Wait()
		if d := s.Dump(); !strings.Contains(d, "running") {
			t.Errorf("killed before its grace was over: %q", d)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if d := s.Dump(); d != "" {
			t.Errorf("%v after the withdrawal: %q", time.Since(begin), d)
		}
		s.stop()
	})
}

// The end of the agent leaves containers alone; the end of the host ends them in order.
func TestHostGoesDown(t *testing.T) {
	for _, down := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := simulate(t, func(s *simulated) { s.IgnoreTerm = true })
			pod := simplePod("forever")
			pod.StopGrace = 3 * time.Second
			s.assign("web", 0, pod)
			synctest.Wait()
			s.goingDown = down
			begin := time.Now()
			s.stop()
			took, state := time.Since(begin), s.Dump()
			if down && (took != 3*time.Second || !strings.Contains(state, "exited")) {
				t.Errorf("%v after the end of the host began: %s", took, state)
			}
			if !down && (took != 0 || !strings.Contains(state, "running")) {
				t.Errorf("%v after the end of the agent: %s", took, state)
			}
		})
	}
}

// What a pod lacks is looked for again after 1, 2, 4, … 30, 30 seconds; when it comes, at once.
func TestMissingImageIsRetriedAtOnceWhenItComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := simulate(t, nil)
		pod := simplePod("forever")
		pod.Containers[0].Image = "late@sha256:2"
		key := s.assign("web", 0, pod)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if st := s.status[key]; st.Reason != "ImageMissing" || st.Phase != api.PhasePending {
			t.Errorf("got %+v", st)
		}
		s.AddImage("late@sha256:2", runtime.Image{})
		synctest.Wait()
		if st := s.status[key]; st.Phase != api.PhaseRunning {
			t.Errorf("got %+v", st)
		}
		s.stop()
	})
}

// Unwanted images go after an hour; those in use or to be kept stay.
func TestImagesAreCollected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := simulate(t, func(s *simulated) {
			s.AddImage("used@sha256:3", runtime.Image{})
			s.AddImage("unused@sha256:4", runtime.Image{})
		})
		pod := simplePod("forever")
		pod.Containers[0].Image = "used@sha256:3"
		s.assign("web", 0, pod)
		time.Sleep(59 * time.Minute)
		synctest.Wait()
		before, _ := s.Refs(t.Context())
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		after, _ := s.Refs(t.Context())
		s.stop()
		if want := []string{fakeImage, "unused@sha256:4", "used@sha256:3"}; !slices.Equal(before, want) {
			t.Errorf("after 59 minutes: %v", before)
		}
		if want := []string{fakeImage, "used@sha256:3"}; !slices.Equal(after, want) {
			t.Errorf("after 64 minutes: %v", after)
		}
	})
}

// A change is reported at once, a silent node every second.
func TestReportsAreImmediateAndRegular(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := simulate(t, nil)
		synctest.Wait()
		time.Sleep(10*time.Second + time.Second/2)
		s.mu.Lock()
		seen := s.last.SeenAt
		s.mu.Unlock()
		if age := time.Since(seen); age > time.Second {
			t.Errorf("the last heartbeat is %v old", age)
		}
		key := s.assign("web", 0, simplePod("forever"))
		synctest.Wait() // no time passes
		if st := s.status[key]; st.Phase != api.PhaseRunning {
			t.Errorf("got %+v", st)
		}
		s.stop()
	})
}

// Whatever a manager missed it gets when it is back, events included.
func TestManagerAwayAndBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := simulate(t, nil)
		a, b := s.assign("a", 0, simplePod("forever")), s.assign("b", 0, simplePod("forever"))
		synctest.Wait()
		s.leave()
		if err := s.Exit(s.Starts()[0].ID, 1, false); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(s.Starts()) != 3 {
			t.Errorf("it was not healed without a manager: %v", s.Starts())
		}
		s.mu.Lock()
		clear(s.status)
		events := len(s.events)
		s.mu.Unlock()
		s.comeBack()
		time.Sleep(6 * time.Second)
		synctest.Wait()
		restarts := s.status[a].Restarts + s.status[b].Restarts
		if len(s.status) != 2 || restarts != 1 || len(s.events) <= events {
			t.Errorf("status %+v, %d events", s.status, len(s.events)-events)
		}
		s.stop()
	})
}

func TestHostPortOfAnotherPod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := simulate(t, nil)
		pod := simplePod("forever")
		pod.Containers[0].Ports = []api.Port{{Container: 80, Host: 8080}}
		first := s.assign("a", 0, pod)
		synctest.Wait()
		second := s.assign("b", 0, pod)
		synctest.Wait()
		if st := s.status[second]; st.Reason != "PortTaken" || st.Message != "node n1: host port 8080/tcp is held by pod a-0: free it or choose another port" {
			t.Errorf("got %+v", st)
		}
		s.withdraw(first)
		time.Sleep(30 * time.Second) // the longest wait
		synctest.Wait()
		if st := s.status[second]; st.Phase != api.PhaseRunning {
			t.Errorf("got %+v", st)
		}
		s.stop()
	})
}
