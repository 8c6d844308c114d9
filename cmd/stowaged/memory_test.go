package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stowage-iac/stowage/api"
)

func newWorker() api.NodeConfig { return api.NodeConfig{Role: api.RoleWorker} }

// BenchmarkMemory reports the resident memory (VmRSS) of a real stowaged after
// ten idle seconds, in MB, and how much of it is not file pages. The limits to
// keep are 40 MB for a worker and 80 MB for the single manager.
func BenchmarkMemory(b *testing.B) {
	for _, role := range []string{api.RoleWorker, api.RoleManager} {
		b.Run(role, func(b *testing.B) {
			for b.Loop() {
				i := newInstance(b, api.NodeConfig{Role: role})
				cmd := i.start("run")
				i.healthy()
				<-time.After(10 * time.Second)
				rss, anonymous := resident(b, cmd.Process.Pid)
				b.ReportMetric(rss, "MB-RSS")
				b.ReportMetric(anonymous, "MB-anonymous")
				b.ReportMetric(0, "ns/op")
			}
		})
	}
}

func resident(t testing.TB, pid int) (rss, anonymous float64) {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		var kb float64
		if n, _ := fmt.Sscanf(line, "VmRSS: %f kB", &kb); n == 1 {
			rss = kb / 1024
		}
		if n, _ := fmt.Sscanf(line, "RssAnon: %f kB", &kb); n == 1 {
			anonymous = kb / 1024
		}
	}
	return rss, anonymous
}
