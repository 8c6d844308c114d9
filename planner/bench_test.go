package planner_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/planner"
	"github.com/stowage-iac/stowage/state"
	"github.com/stowage-iac/stowage/state/local"
	"github.com/stowage-iac/stowage/state/statetest"
)

const benchNodes = `
node "n" {
  for_each = { a = 1, b = 2, c = 3, d = 4 }
  address  = "10.0.0.${each.value}"
  role     = each.key == "a" ? "manager" : "worker"
}
`

// shapes are configurations of n instances, as OPENTOFU.md has them.
var shapes = []struct {
	name   string
	config func(n int) string
}{
	{"count", func(n int) string {
		return fmt.Sprintf("config \"c\" {\n count = %d\n text = \"t${count.index}\"\n}\n", n)
	}},
	{"for_each", func(n int) string {
		return fmt.Sprintf("locals { m = { for i in range(%d) : \"k${i}\" => \"t${i}\" } }\nconfig \"c\" {\n for_each = local.m\n text = each.value\n}\n", n)
	}},
	{"pair", func(n int) string {
		return benchNodes + fmt.Sprintf(`
config "c" {
  count = %d
  text  = "t${count.index}"
}
pod "p" {
  count  = %d
  config = config.c[count.index]
  container "main" {
    image = "img@sha256:00"
    env   = { INDEX = "${count.index}", MODE = "prod" }
    port "http" { container = 80 }
  }
}
`, n/2, n/2)
	}},
	{"chain", func(n int) string {
		var b strings.Builder
		b.WriteString("config \"c0\" { text = \"start\" }\n")
		for i := 1; i < n; i++ {
			fmt.Fprintf(&b, "config \"c%d\" { text = config.c%d.text }\n", i, i-1)
		}
		return b.String()
	}},
}

// BenchmarkPlan prints for each shape what one instance costs: the first plan and
// the one without changes, and the planner's share without evaluation and kinds.
func BenchmarkPlan(b *testing.B) {
	for _, shape := range shapes {
		for _, n := range sizes(shape.name) {
			l := newLab(b, "n[\"a\"]", "n[\"b\"]", "n[\"c\"]", "n[\"d\"]")
			for name := range l.world.hosts {
				f := l.world.hosts[name]
				f.CPUs = 1 << 10
				l.world.hosts[name] = f
			}
			l.write(shape.config(n))
			cfg := l.load()
			b.Run(fmt.Sprintf("%s/%d/first", shape.name, n), func(b *testing.B) { benchPlan(b, l, cfg, n) })
			l.apply()
			b.Run(fmt.Sprintf("%s/%d/again", shape.name, n), func(b *testing.B) { benchPlan(b, l, cfg, n) })
		}
	}
}

func sizes(shape string) []int {
	if shape == "chain" {
		return []int{1000}
	}
	if os.Getenv("STOWAGE_BENCH_LARGE") != "" {
		return []int{10_000, 100_000}
	}
	return []int{10_000}
}

func benchPlan(b *testing.B, l *lab, cfg *lang.Config, n int) {
	loaded := l.state()
	in := l.input(cfg, loaded)
	b.ReportAllocs()
	var peak uint64
	for b.Loop() {
		if _, diags := planner.Make(context.Background(), in); diags.HasErrors() {
			b.Fatal(text(diags))
		}
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	peak = m.HeapSys
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n)/1000, "µs/instance")
	b.ReportMetric(float64(peak)/(1<<20), "MiB-heap")
}

// BenchmarkApply is the whole of planning and applying, per step, with kinds that
// answer at once: the journal in memory, and on this machine's disk, where every
// step is durable before the next begins.
func BenchmarkApply(b *testing.B) {
	const n = 10_000
	for name, backend := range map[string]func() state.Backend{
		"memory": func() state.Backend { return &statetest.Memory{} },
		"disk":   func() state.Backend { return local.New(filepath.Join(b.TempDir(), "state.json")) },
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				l := newLab(b).write(fmt.Sprintf("config \"c\" {\n count = %d\n text = \"t${count.index}\"\n}\n", n))
				l.store = state.NewStore(backend(), state.Options{Keys: l.keys, Version: "test"})
				start := time.Now()
				l.apply()
				b.ReportMetric(float64(time.Since(start).Microseconds())/n, "µs/step")
			}
		})
	}
}
