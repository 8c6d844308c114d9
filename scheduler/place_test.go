package scheduler

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

const mi = 1 << 20

// node has a CPU count and memory in Mi.
func node(name string, cpus, memory int64) Node {
	return Node{Name: name, Schedulable: true, MilliCPU: cpus * 1000, Memory: memory * mi, Labels: map[string]string{"zone": name}}
}

// text prints a result, one line a replica.
func text(r Result) string {
	var b strings.Builder
	for _, d := range r.Decisions {
		fmt.Fprintf(&b, "%s[%d] → %s", d.Pod, d.Slot, d.Node)
		if d.Kept {
			b.WriteString(" kept")
		}
		b.WriteByte('\n')
	}
	for _, u := range r.Unplaced {
		fmt.Fprintf(&b, "%s[%d] fits nowhere\n", u.Pod, u.Slot)
		for _, reason := range u.Reasons {
			fmt.Fprintf(&b, "  %s %s\n", reason.Node, reason.Why)
		}
	}
	return b.String()
}

func slots(n int) []int {
	s := make([]int, n)
	for i := range s {
		s[i] = i
	}
	return s
}

// Each story is a set of nodes and requests, and where the replicas go.
func TestPlace(t *testing.T) {
	gpu := node("g", 2, 1024)
	gpu.Taints = map[string]string{"gpu": "no_schedule"}
	manager := node("m", 2, 1024)
	manager.Schedulable = false
	busy := node("b", 2, 1024)
	busy.Running = []Running{{Pod: "db", Slot: 1, MilliCPU: 1880, Memory: 1000 * mi, HostPorts: []string{"5432/tcp"}}}
	for name, c := range map[string]struct {
		nodes    []Node
		requests []Request
		want     string
	}{
		"replicas spread over the nodes": {
			[]Node{node("a", 2, 1024), node("b", 2, 1024), node("c", 2, 1024)},
			[]Request{{Pod: "web", Slots: slots(4), MilliCPU: 100}},
			"web[0] → a\nweb[1] → b\nweb[2] → c\nweb[3] → a\n"},
		"so do pods that ask for nothing": {
			[]Node{node("a", 2, 1024), node("b", 2, 1024)},
			[]Request{{Pod: "x", Slots: slots(1)}, {Pod: "y", Slots: slots(1)}},
			"x[0] → a\ny[0] → b\n"},
		"the emptier node is taken first": {
			[]Node{busy, node("c", 2, 1024)},
			[]Request{{Pod: "web", Slots: slots(1)}},
			"web[0] → c\n"},
		"pack fills one node first": {
			[]Node{node("a", 2, 1024), node("b", 2, 1024)},
			[]Request{{Pod: "web", Slots: slots(5), MilliCPU: 500, Memory: 100 * mi, Strategy: "pack"}},
			"web[0] → a\nweb[1] → a\nweb[2] → a\nweb[3] → a\nweb[4] → b\n"},
		"the large ones come first": {
			[]Node{node("a", 2, 1024), node("b", 1, 1024)},
			[]Request{{Pod: "a-small", Slots: slots(2), MilliCPU: 500}, {Pod: "z-large", Slots: slots(1), MilliCPU: 2000}},
			"a-small[0] → b\na-small[1] → b\nz-large[0] → a\n"},
		"what fits nowhere says why": {
			[]Node{busy, gpu, manager, node("z", 2, 1024)},
			[]Request{{Pod: "web", Slots: slots(1), MilliCPU: 250, Memory: 64 * mi, HostPorts: []string{"5432/tcp"}, Where: "zone in (b, y)"}},
			`web[0] fits nowhere
  b has 120m CPU free of the 250m asked for; has 24Mi memory free of the 64Mi asked for; has host port 5432/tcp taken by db[1]
  g has the taint "gpu", which the pod does not tolerate; does not match where = "zone in (b, y)" (zone is "g")
  m is not asked to run pods (schedulable = false); does not match where = "zone in (b, y)" (zone is "m")
  z does not match where = "zone in (b, y)" (zone is "z")
`},
		"a tolerated taint is no hindrance": {
			[]Node{gpu}, []Request{{Pod: "web", Slots: slots(1), Tolerate: []string{"gpu"}}}, "web[0] → g\n"},
		"one per node": {
			[]Node{node("a", 2, 1024), node("b", 2, 1024)},
			[]Request{{Pod: "web", Slots: slots(3), OnePerNode: true}},
			`web[0] → a
web[1] → b
web[2] fits nowhere
  a runs a replica of web already, and one per node is allowed
  b runs a replica of web already, and one per node is allowed
`},
		"a host port is one pod's": {
			[]Node{node("a", 2, 1024)},
			[]Request{{Pod: "x", Slots: slots(1), HostPorts: []string{"80/tcp"}}, {Pod: "y", Slots: slots(1), HostPorts: []string{"80/tcp"}},
				{Pod: "z", Slots: slots(1), HostPorts: []string{"80/udp"}}},
			"x[0] → a\nz[0] → a\ny[0] fits nowhere\n  a has host port 80/tcp taken by x[0]\n"},
		"on all nodes that allow it": {
			[]Node{busy, gpu, manager, node("z", 2, 1024)},
			[]Request{{Pod: "logs", OnAll: true, MilliCPU: 200}},
			"logs[1] → z\nlogs[0] fits nowhere\n  b has 120m CPU free of the 200m asked for\n"},
		"on all nodes, a new one in between": {
			[]Node{node("a", 2, 1024), node("b", 2, 1024), node("c", 2, 1024)},
			[]Request{{Pod: "logs", OnAll: true, Previous: map[int]string{0: "a", 1: "c"}}},
			"logs[0] → a kept\nlogs[1] → c kept\nlogs[2] → b\n"},
		"on all nodes, one gone": {
			[]Node{node("a", 2, 1024), node("c", 2, 1024)},
			[]Request{{Pod: "logs", OnAll: true, Previous: map[int]string{0: "a", 1: "b", 2: "c"}}},
			"logs[0] → a kept\nlogs[1] → c\n"},
		"what ran somewhere stays there": {
			[]Node{node("a", 2, 1024), node("b", 2, 1024)},
			[]Request{{Pod: "large", Slots: slots(1), MilliCPU: 1500}, {Pod: "web", Slots: slots(3), MilliCPU: 600, Previous: map[int]string{0: "b", 1: "b", 2: "gone"}}},
			"large[0] → a\nweb[0] → b kept\nweb[1] → b kept\nweb[2] → b\n"},
		"unless it does not fit any more": {
			[]Node{busy, node("c", 2, 1024)},
			[]Request{{Pod: "web", Slots: slots(1), MilliCPU: 200, Previous: map[int]string{0: "b"}}},
			"web[0] → c\n"},
		"an expression that cannot be read": {
			[]Node{node("a", 2, 1024)}, []Request{{Pod: "web", Slots: slots(1), Where: "zone in"}},
			"web[0] fits nowhere\n  a the label expression \"zone in\", column 8: a list of values in parentheses is expected, not the end\n"},
		"no nodes": {nil, []Request{{Pod: "web", Slots: slots(1)}}, "web[0] fits nowhere\n"},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, text(Place(c.nodes, c.requests))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A decision says how good the node is, which would have been next, and what is left.
func TestDecision(t *testing.T) {
	r := Place([]Node{node("a", 2, 1000), node("b", 1, 1000)}, []Request{{Pod: "web", Slots: slots(1), MilliCPU: 500, Memory: 100 * mi}})
	want := []Decision{{Pod: "web", Node: "a", Score: 92.125, RunnerUp: "b", RunnerUpScore: 86.5, FreeMilliCPU: 1500, FreeMemory: 900 * mi}}
	if diff := cmp.Diff(want, r.Decisions); diff != "" {
		t.Error(diff)
	}
	r = Place([]Node{node("a", 2, 1000)}, []Request{{Pod: "web", Slots: slots(1)}})
	if d := r.Decisions[0]; d.RunnerUp != "" || d.RunnerUpScore != 0 {
		t.Errorf("alone: %+v", d)
	}
}

func TestFilter(t *testing.T) {
	n := node("a", 1, 100)
	n.Running = []Running{{Pod: "web", Slot: 3, MilliCPU: 900}}
	r := Request{Pod: "web", MilliCPU: 200, OnePerNode: true}
	want := []string{"has 100m CPU free of the 200m asked for", "runs a replica of web already, and one per node is allowed"}
	if diff := cmp.Diff(want, Filter(n, r)); diff != "" {
		t.Error(diff)
	}
	if !Eligible(n, r) {
		t.Error("a full node is not eligible")
	}
	n.Schedulable = false
	if Eligible(n, r) {
		t.Error("an unschedulable node is eligible")
	}
	if got := Filter(node("b", 1, 100), r); got != nil {
		t.Errorf("a free node: %v", got)
	}
}

func TestQuantities(t *testing.T) {
	for bytes, want := range map[int64]string{0: "0", 512: "512", 1 << 30: "1Gi", 3 << 29: "1536Mi", 64*mi - 1: "63Mi", 5 << 19: "2560Ki", 1<<40 + 1: "1024Gi"} {
		if got := memory(bytes); got != want {
			t.Errorf("%d: %s, want %s", bytes, got, want)
		}
	}
	for milli, want := range map[int64]string{0: "0", 250: "250m", 2000: "2", 1500: "1500m"} {
		if got := cpu(milli); got != want {
			t.Errorf("%d: %s, want %s", milli, got, want)
		}
	}
}

// drawWorld makes nodes and requests.
func drawWorld(t *rapid.T) ([]Node, []Request) {
	var nodes []Node
	for n := range rapid.IntRange(0, 6).Draw(t, "nodes") {
		x := node(fmt.Sprintf("n%d", n), rapid.Int64Range(0, 4).Draw(t, "cpus"), rapid.Int64Range(0, 512).Draw(t, "memory"))
		x.Schedulable = rapid.IntRange(0, 5).Draw(t, "unschedulable") > 0
		x.Labels = map[string]string{"zone": rapid.SampledFrom([]string{"a", "b"}).Draw(t, "zone")}
		if rapid.IntRange(0, 4).Draw(t, "taint") == 0 {
			x.Taints = map[string]string{"gpu": "no_schedule"}
		}
		nodes = append(nodes, x)
	}
	var requests []Request
	for n := range rapid.IntRange(0, 6).Draw(t, "requests") {
		r := Request{Pod: fmt.Sprintf("p%d", n), Slots: slots(rapid.IntRange(0, 6).Draw(t, "slots")),
			MilliCPU: rapid.Int64Range(0, 1500).Draw(t, "cpu"), Memory: rapid.Int64Range(0, 200).Draw(t, "memory") * mi,
			Strategy:   rapid.SampledFrom([]string{"", "spread", "pack"}).Draw(t, "strategy"),
			Where:      rapid.SampledFrom([]string{"", "zone = a", "!zone", "zone in (a, b)"}).Draw(t, "where"),
			OnAll:      rapid.IntRange(0, 4).Draw(t, "on all") == 0,
			OnePerNode: rapid.IntRange(0, 3).Draw(t, "one per node") == 0,
			Previous:   map[int]string{}}
		if rapid.Bool().Draw(t, "tolerates") {
			r.Tolerate = []string{"gpu"}
		}
		if rapid.IntRange(0, 2).Draw(t, "port") == 0 {
			r.HostPorts = []string{"80/tcp"}
		}
		for _, s := range r.Slots {
			if rapid.Bool().Draw(t, "had a place") {
				r.Previous[s] = fmt.Sprintf("n%d", rapid.IntRange(0, 7).Draw(t, "previous"))
			}
		}
		requests = append(requests, r)
	}
	return nodes, requests
}

func byPod(requests []Request) map[string]*Request {
	m := map[string]*Request{}
	for n := range requests {
		m[requests[n].Pod] = &requests[n]
	}
	return m
}

// No node gets more than it has, none a pod that its rules exclude, and every
// replica is either placed or explained for every node.
func TestNeverOvercommitsAndAlwaysExplains(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nodes, requests := drawWorld(t)
		result, pods := Place(nodes, requests), byPod(requests)
		for _, n := range nodes {
			left := n
			for _, d := range result.Decisions {
				if d.Node != n.Name {
					continue
				}
				r := pods[d.Pod]
				if r.OnAll {
					r.OnePerNode = true
				}
				if why := Filter(left, *r); len(why) > 0 {
					t.Fatalf("%s[%d] is on %s, which %v", d.Pod, d.Slot, n.Name, why)
				}
				if d.Score < 0 || d.Score > 100 || d.FreeMilliCPU < 0 || d.FreeMemory < 0 {
					t.Fatalf("%+v", d)
				}
				left.Running = append(left.Running, Running{Pod: d.Pod, Slot: d.Slot, MilliCPU: r.MilliCPU, Memory: r.Memory, HostPorts: r.HostPorts})
			}
		}
		outcomes := map[string]int{}
		for _, d := range result.Decisions {
			outcomes[replicaName(d.Pod, d.Slot)]++
		}
		for _, u := range result.Unplaced {
			outcomes[replicaName(u.Pod, u.Slot)]++
			if want := len(nodes); len(u.Reasons) != want && !pods[u.Pod].OnAll {
				t.Fatalf("%d reasons for %d nodes", len(u.Reasons), want)
			}
			for _, reason := range u.Reasons {
				if reason.Why == "" {
					t.Fatalf("no reason for %s: %+v", reason.Node, u)
				}
			}
		}
		for _, r := range requests {
			if r.OnAll {
				continue
			}
			for _, s := range r.Slots {
				if outcomes[replicaName(r.Pod, s)] != 1 {
					t.Fatalf("%s[%d] has %d outcomes", r.Pod, s, outcomes[replicaName(r.Pod, s)])
				}
			}
		}
	})
}

// The order in which nodes, requests and slots come makes no difference.
func TestOrderMakesNoDifference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nodes, requests := drawWorld(t)
		want := Place(nodes, requests)
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		random.Shuffle(len(nodes), func(a, b int) { nodes[a], nodes[b] = nodes[b], nodes[a] })
		random.Shuffle(len(requests), func(a, b int) { requests[a], requests[b] = requests[b], requests[a] })
		for _, r := range requests {
			random.Shuffle(len(r.Slots), func(a, b int) { r.Slots[a], r.Slots[b] = r.Slots[b], r.Slots[a] })
		}
		if diff := cmp.Diff(want, Place(nodes, requests)); diff != "" {
			t.Fatal(diff)
		}
	})
}

// Placing again what is placed changes nothing.
func TestPlacedStaysPlaced(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nodes, requests := drawWorld(t)
		first, pods := Place(nodes, requests), byPod(requests)
		for _, r := range pods {
			r.Previous = map[int]string{}
		}
		for _, d := range first.Decisions {
			pods[d.Pod].Previous[d.Slot] = d.Node
		}
		second := Place(nodes, requests)
		where := func(r Result) (lines []string) {
			for _, d := range r.Decisions {
				lines = append(lines, fmt.Sprint(d.Pod, d.Slot, d.Node))
			}
			return lines
		}
		if diff := cmp.Diff(where(first), where(second)); diff != "" {
			t.Fatal(diff)
		}
		for _, d := range second.Decisions {
			if !d.Kept {
				t.Fatalf("%+v is not kept", d)
			}
		}
	})
}

// Spread never puts two more replicas of a pod on one node than on another that has room for them.
func TestSpreadIsEven(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, replicas := rapid.IntRange(1, 8).Draw(t, "nodes"), rapid.IntRange(0, 40).Draw(t, "replicas")
		var nodes []Node
		for i := range n {
			nodes = append(nodes, node(fmt.Sprintf("n%d", i), rapid.Int64Range(40, 80).Draw(t, "cpus"), 1000))
		}
		count := make(map[string]int)
		for _, d := range Place(nodes, []Request{{Pod: "web", Slots: slots(replicas), MilliCPU: 1000}}).Decisions {
			count[d.Node]++
		}
		counts := make([]int, 0, n)
		for _, x := range nodes {
			counts = append(counts, count[x.Name])
		}
		if slices.Max(counts)-slices.Min(counts) > 1 {
			t.Fatalf("%v", counts)
		}
	})
}

func bigWorld(nodes, pods, replicas int) ([]Node, []Request) {
	var ns []Node
	for n := range nodes {
		x := node(fmt.Sprintf("n%03d", n), 100_000, 100_000_000)
		x.Labels["spot"] = fmt.Sprint(n % 2)
		ns = append(ns, x)
	}
	var rs []Request
	for p := range pods {
		rs = append(rs, Request{Pod: fmt.Sprintf("pod%05d", p), Slots: slots(replicas), MilliCPU: int64(p%7) * 50, Memory: int64(p%5) * mi, Where: "spot in (0, 1)"})
	}
	return ns, rs
}

func BenchmarkPlace(b *testing.B) {
	for _, c := range []struct{ nodes, pods, replicas int }{{3, 10_000, 1}, {100, 1, 10_000}, {100, 1_000, 10}, {100, 10_000, 1}} {
		b.Run(fmt.Sprintf("nodes=%d,pods=%d,replicas=%d", c.nodes, c.pods, c.replicas), func(b *testing.B) {
			nodes, requests := bigWorld(c.nodes, c.pods, c.replicas)
			for b.Loop() {
				Place(nodes, requests)
			}
		})
	}
}

// Time grows with replicas × nodes, not faster.
func TestTenThousandReplicas(t *testing.T) {
	nodes, requests := bigWorld(100, 1000, 10)
	start := time.Now()
	r := Place(nodes, requests)
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("10,000 replicas on 100 nodes took %v", took)
	}
	if len(r.Decisions) != 10_000 {
		t.Errorf("%d placed", len(r.Decisions))
	}
}

// TestPlaceCounts: what is known of a request from another with the same demands, or of a
// pod with one slot, changes nothing: replicas of a pod that several requests are for, in
// whatever order, are spread as those of one.
func TestPlaceCounts(t *testing.T) {
	spot := node("s", 4, 4096)
	spot.Taints = map[string]string{"spot": "no_schedule"}
	nodes := []Node{node("a", 4, 4096), node("b", 4, 4096), spot}
	for name, c := range map[string]struct {
		requests []Request
		want     string
	}{
		"two requests": {[]Request{{Pod: "p", Slots: []int{1}}, {Pod: "o", Slots: []int{0}}, {Pod: "p", Slots: []int{0}}}, "o[0] → a\np[0] → b\np[1] → a\n"},
		"one per node": {[]Request{{Pod: "p", Slots: []int{1}, OnePerNode: true, Where: "zone in (a)"}, {Pod: "p", Slots: []int{0}, OnePerNode: true}}, "p[0] → a\np[1] fits nowhere\n" +
			"  a runs a replica of p already, and one per node is allowed\n" +
			"  b does not match where = \"zone in (a)\" (zone is \"b\")\n" +
			"  s has the taint \"spot\", which the pod does not tolerate; does not match where = \"zone in (a)\" (zone is \"s\")\n"},
		"demands": {[]Request{{Pod: "a", Slots: []int{0}, Where: "zone in (s)", Tolerate: []string{"spot"}}, {Pod: "b", Slots: []int{0}, Tolerate: []string{"spot"}}, {Pod: "c", Slots: []int{0}}},
			"a[0] → s\nb[0] → a\nc[0] → b\n"},
		"slots in no order": {[]Request{{Pod: "p", Slots: []int{2, 0, 2, 1}}}, "p[0] → a\np[1] → b\np[2] → a\n"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := text(Place(nodes, c.requests)); got != c.want {
				t.Error(cmp.Diff(c.want, got))
			}
		})
	}
}
