package main

import (
	"context"
	"time"
)

// start measures `stowage version`, beside /bin/true: the floor of any process.
func start(ctx context.Context, b *bench) error {
	u, err := processes(ctx, 20, "", nil, b.binary, "version")
	if err != nil {
		return err
	}
	floor, err := processes(ctx, 20, "", nil, "/bin/true")
	if err != nil {
		return err
	}
	b.add(figure{name: "version: CPU", value: ms(u.cpu), beside: ms(floor.cpu) + " /bin/true", demand: "≤ 20 ms", met: u.cpu <= 20*time.Millisecond})
	// A child's peak counts from what the process that started it had.
	b.add(figure{name: "version: peak memory, this measuring process included", value: mib(u.peak), beside: mib(floor.peak) + " /bin/true", demand: "≤ 30 MiB", met: u.peak <= 30<<20})
	return nil
}
