package cluster_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stowage-iac/stowage/api"
)

// BenchmarkApply writes 500 pods of 3 replicas, 16 at a time, and waits until
// every replica was bound, reported ready by its agent, and seen by its waiter:
// the cluster's own share of a large apply.
func BenchmarkApply(b *testing.B) {
	for b.Loop() {
		l := newLab(b)
		for _, name := range []string{"a", "b", "c"} {
			l.obey(name, l.agent(name))
		}
		begin := time.Now()
		var all sync.WaitGroup
		slots := make(chan struct{}, 16)
		for i := range 500 {
			all.Go(func() {
				slots <- struct{}{}
				defer func() { <-slots }()
				name := fmt.Sprint("p", i)
				l.put(api.KindPod, name, pod(name, "a", "b", "c"))
				if _, err := l.op.WaitPod(b.Context(), name, nil); err != nil {
					b.Error(err)
				}
			})
		}
		all.Wait()
		b.ReportMetric(500/time.Since(begin).Seconds(), "pods/s")
		l.end()
	}
}
