package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

const (
	// heapFloor is what a heap may grow to before it is collected, bytes: a run is short,
	// and most end before that. A plan of 10,000 instances takes a tenth less CPU for it.
	heapFloor = 40 << 20
	// gcPercent lets a larger heap grow to six times what is live. What a plan makes it
	// mostly keeps, so that a collection finds little: without any, no shape of 100,000
	// takes more than 900 MiB (make bench).
	gcPercent = 500
	// memoryLimit is from where on the heap is collected more often, bytes. It is no
	// bound: it gives way to half more than what is live, for a heap that is collected all
	// the time does not get smaller.
	memoryLimit = 960 << 20
)

// collectRarely sets when the heap is collected. GOGC and GOMEMLIMIT override it.
func collectRarely() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(heapFloor / (4 << 20) * 100) // a percentage of 4 MiB, as long as less is live
	}
	afterEach(adjust)
}

// adjust sets how far the heap may grow until the next collection.
func adjust() {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	live := uint64(heapFloor)
	if sample[0].Value.Kind() == metrics.KindUint64 {
		live = max(sample[0].Value.Uint64(), 1)
	}
	if os.Getenv("GOGC") == "" {
		percent := gcPercent
		if live < heapFloor {
			percent = max(percent, int((heapFloor-live)*100/live))
		}
		debug.SetGCPercent(percent)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(max(memoryLimit, int64(live+live/2)))
	}
}

// afterEach calls f after each collection.
func afterEach(f func()) {
	type cycle struct{ _ *byte }
	runtime.AddCleanup(new(cycle), func(struct{}) { f(); afterEach(f) }, struct{}{})
}
