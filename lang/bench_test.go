package lang

import (
	"fmt"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// Shapes of OPENTOFU's measurements (docs/adr): what an evaluation of N instances costs.
var shapes = []struct {
	name string
	text func(n int) string
}{
	{"count", func(n int) string {
		return fmt.Sprintf(`pod "p" {
  count    = %d
  replicas = 2
  labels   = { app = "p", index = tostring(count.index) }
  container "main" {
    image = "docker.io/library/nginx:1.27"
    args  = ["-g", "daemon off;"]
    env   = { MODE = "prod", NAME = "p-${count.index}" }
    port "http" {
      container = 80
    }
  }
}`, n)
	}},
	{"count-const", func(n int) string {
		return fmt.Sprintf(`pod "p" {
  count = %d
  container "main" {
    image = "docker.io/library/nginx:1.27"
  }
}`, n)
	}},
	{"for_each", func(n int) string {
		return fmt.Sprintf(`locals {
  all = { for i in range(%d) : "k${i}" => { name = "n${i}", replicas = i %% 3 } }
}
pod "p" {
  for_each = local.all
  replicas = each.value.replicas
  container "main" {
    image = "docker.io/library/${each.value.name}:1"
    env   = { KEY = each.key }
  }
}`, n)
	}},
	{"pair", func(n int) string {
		return fmt.Sprintf(`config "c" {
  count = %d
  files = { "a.txt" = "text ${count.index}" }
}
pod "p" {
  count = %d
  container "main" {
    image = "docker.io/library/nginx:1"
    env   = { VERSION = config.c[count.index].version }
    mount "/etc/c" {
      config = config.c[count.index]
    }
  }
}`, n/2, n/2)
	}},
	{"chain", func(n int) string {
		var b strings.Builder
		b.WriteString("config \"c0\" {\n  files = { a = \"0\" }\n}\n")
		for i := 1; i < n; i++ {
			fmt.Fprintf(&b, "config \"c%d\" {\n  files = { a = config.c%d.version }\n}\n", i, i-1)
		}
		return b.String()
	}},
	{"modules", func(n int) string { return modules(n, 1000) }},
	{"modules-100", func(n int) string { return modules(n, 100) }},
	{"all", func(n int) string {
		return fmt.Sprintf(`config "c" {
  count = %d
  files = { "a.txt" = "text ${count.index}" }
}
pod "p" {
  count = %d
  container "main" {
    image = "docker.io/library/nginx:1"
    args  = [config.c[count.index].version, tostring(length(config.c))]
  }
}`, n/2, n/2)
	}},
}

// modules are n instances in k instances of a module, pairs of which one refers
// to the other; module.m.hcl is the module.
func modules(n, k int) string {
	return fmt.Sprintf(`module "m" {
  source   = "./m"
  for_each = { for i in range(%d) : "k${i}" => i }
  text     = "text ${each.value}"
  each     = %d
}
config "all" {
  files = { "a" = tostring(length(values(module.m)[*].versions)) }
}
`, k, n/k/2)
}

const benchModule = `
variable "text" { type = string }
variable "each" { type = number }
config "c" {
  count = var.each
  files = { "a.txt" = "${var.text} ${count.index}" }
}
pod "p" {
  count = var.each
  container "main" {
    image = "docker.io/library/nginx:1"
    env   = { VERSION = config.c[count.index].version }
    mount "/etc/c" {
      config = config.c[count.index]
    }
  }
}
output "versions" { value = config.c[*].version }
`

// loadShape loads a shape with the module that it may call.
func loadShape(tb testing.TB, text string) (*Config, hcl.Diagnostics) {
	return Load("", Options{Schemas: testSchemas(), Files: map[string][]byte{
		"main.stowage.hcl": []byte(text), "m/main.stowage.hcl": []byte(benchModule),
	}})
}

// evaluate is what a plan does with a configuration, without planning.
func evaluate(tb testing.TB, c *Config) int {
	e, diags := NewEvaluator(c, Inputs{})
	if diags.HasErrors() {
		tb.Fatal(diags)
	}
	version := cty.UnknownVal(cty.String)
	n := 0
	for b := range e.Blocks() {
		keys, diags := e.Expand(b)
		if diags.HasErrors() {
			tb.Fatal(diags)
		}
		for _, key := range keys {
			inst, diags := e.Decode(b, key)
			if diags.HasErrors() {
				tb.Fatal(diags)
			}
			v := inst.Config
			if inst.Kind == "config" {
				v = cty.ObjectVal(map[string]cty.Value{"files": v.GetAttr("files"), "version": version})
			}
			e.Set(inst.Address, v)
			n++
		}
	}
	return n
}

func cpuTime(tb testing.TB) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkEvaluate reports CPU ns and bytes per instance for Order, Expand, Decode and Set of all.
func BenchmarkEvaluate(b *testing.B) {
	for _, shape := range shapes {
		for _, n := range []int{1_000, 10_000, 100_000} {
			b.Run(fmt.Sprintf("%s/%d", shape.name, n), func(b *testing.B) {
				c, diags := loadShape(b, shape.text(n))
				if diags.HasErrors() {
					b.Fatal(diags)
				}
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				instances, cpu := 0, cpuTime(b)
				for b.Loop() {
					instances += evaluate(b, c)
				}
				runtime.ReadMemStats(&after)
				// CPU time, garbage collection included: other work of the machine does not count.
				b.ReportMetric(float64(cpuTime(b)-cpu)/float64(instances), "cpu-ns/instance")
				b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/float64(instances), "B/instance")
			})
		}
	}
}

// BenchmarkLoad reports ns per block for parsing and checking a chain of blocks.
func BenchmarkLoad(b *testing.B) {
	for _, n := range []int{1_000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			src := shapes[4].text(n)
			for b.Loop() {
				if _, diags := loadText(b, src); diags.HasErrors() {
					b.Fatal(diags)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/block")
		})
	}
}

// TestMemoryOfManyInstances holds what DESIGN promises: 100,000 evaluated instances stay well under 500 MB.
func TestMemoryOfManyInstances(t *testing.T) {
	if testing.Short() {
		t.Skip("evaluates 100,000 instances")
	}
	c, diags := loadText(t, shapes[0].text(100_000))
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	e, _ := NewEvaluator(c, Inputs{})
	for b := range e.Blocks() {
		keys, _ := e.Expand(b)
		for _, key := range keys {
			inst, _ := e.Decode(b, key)
			e.Set(inst.Address, inst.Config)
		}
	}
	used := heap() - before
	runtime.KeepAlive(e)
	t.Logf("%d MB for 100,000 instances", used>>20)
	if used > 450<<20 {
		t.Errorf("100,000 instances hold %d MB", used>>20)
	}
}
