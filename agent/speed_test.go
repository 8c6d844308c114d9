package agent

import (
	"fmt"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stowage-iac/stowage/api"
)

// ctrRun starts a container as a person would, and returns how long that took.
func (n *node) ctrRun(t testing.TB, id string) time.Duration {
	t.Helper()
	begin := time.Now()
	c := exec.Command("ctr", "-a", n.d.Socket, "-n", n.o.Namespace, "run", "-d", n.image, id, "sleep", "1000000")
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("ctr run: %v\n%s", err, out)
	}
	return time.Since(begin)
}

func (n *node) ctrRemove(t testing.TB, id string) {
	t.Helper()
	for _, args := range [][]string{{"task", "rm", "-f", id}, {"container", "rm", id}} {
		c := exec.Command("ctr", append([]string{"-a", n.d.Socket, "-n", n.o.Namespace}, args...)...)
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("ctr: %v\n%s", err, out)
		}
	}
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

// A killed container runs again within 1.5 times what `ctr run` needs to start it.
func TestRestartTime(t *testing.T) {
	n := startNode(t)
	key := n.assign("web", 0, n.pod("exec sleep 1000000"))
	st := n.phase(t, key, api.PhaseRunning)
	n.ctrRun(t, "warm")
	n.ctrRemove(t, "warm")
	var ours, theirs []time.Duration
	const rounds = 7
	for i := range rounds {
		id := fmt.Sprintf("floor-%d", i)
		theirs = append(theirs, n.ctrRun(t, id))
		n.ctrRemove(t, id)

		// A fresh replica each time: only the first restart is at once.
		key := n.assign("kill", i, n.pod("exec sleep 1000000"))
		st = n.phase(t, key, api.PhaseRunning)
		begin := time.Now()
		if err := syscall.Kill(st.Containers[0].PID, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		n.await(t, "running again", func() bool {
			s := n.status[key]
			return s.Phase == api.PhaseRunning && s.Containers[0].PID != st.Containers[0].PID
		})
		ours = append(ours, time.Since(begin))
	}
	floor, got := median(theirs), median(ours)
	t.Logf("killed to running %v, ctr run %v: %.2f", got, floor, float64(got)/float64(floor))
	if float64(got) > 1.5*float64(floor) {
		t.Errorf("killed to running took %v, more than 1.5 times ctr run's %v", got, floor)
	}
}

// Ten pods are started within 1.5 times what ten `ctr run -d` at once need.
func TestTenPodsAtOnce(t *testing.T) {
	n := startNode(t)
	n.ctrRun(t, "warm")
	n.ctrRemove(t, "warm")
	var ours, theirs []time.Duration
	for round := range 3 {
		var all sync.WaitGroup
		begin := time.Now()
		for i := range 10 {
			all.Go(func() { n.ctrRun(t, fmt.Sprintf("floor-%d", i)) })
		}
		all.Wait()
		theirs = append(theirs, time.Since(begin))
		for i := range 10 {
			n.ctrRemove(t, fmt.Sprintf("floor-%d", i))
		}

		begin = time.Now()
		var keys []string
		for i := range 10 {
			keys = append(keys, n.assign(fmt.Sprintf("web%d", round), i, n.pod("exec sleep 1000000")))
		}
		n.await(t, "ten running", func() bool {
			return !slices.ContainsFunc(keys, func(k string) bool { return n.status[k].Phase != api.PhaseRunning })
		})
		ours = append(ours, time.Since(begin))
		for _, k := range keys {
			n.withdraw(k)
		}
		for _, k := range keys {
			n.goneFor(t, k)
		}
	}
	floor, got := median(theirs), median(ours)
	t.Logf("ten pods %v, ten ctr run %v: %.2f", got, floor, float64(got)/float64(floor))
	if float64(got) > 1.5*float64(floor) {
		t.Errorf("ten pods took %v, more than 1.5 times ctr run's %v", got, floor)
	}
}
