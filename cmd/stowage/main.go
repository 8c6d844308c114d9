// Stowage is the command line: it plans where containers go on your hosts and
// applies exactly that plan. Everything it does lies in the packages below internal.
package main

import (
	"context"
	"os"
	"runtime/debug"

	"github.com/stowage-iac/stowage/cmd/stowage/internal/cli"
	"github.com/stowage-iac/stowage/cmd/stowage/internal/command"
)

// gcPercent lets the heap grow to three times what is live before it is collected:
// a run is short, and a plan of 10,000 instances takes a third less CPU for 25 MiB
// more (make bench). GOGC overrides it.
const gcPercent = 200

// memoryLimit is from where on the heap is collected more often, bytes. It is no bound:
// what is live may be more. GOMEMLIMIT overrides it.
const memoryLimit = 900 << 20

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
	os.Exit(stowage())
}

func stowage() int {
	t := cli.Process()
	if err := cli.StartLog(t); err != nil {
		return t.Usage("%s: %v", cli.Name, err)
	}
	return command.App().Main(context.Background(), t, os.Args[1:])
}
