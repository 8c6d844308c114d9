package main

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// waitFor waits until the process that began at started (0: any) has ended,
// whoever's child it is.
func waitFor(ctx context.Context, pid int, started uint64) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return poll(ctx, pid, started) // no such process, or an old kernel
	}
	defer unix.Close(fd)
	for alive(pid, started) {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 250)
		if n > 0 || err != nil && !errors.Is(err, unix.EINTR) {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

func poll(ctx context.Context, pid int, started uint64) error {
	for alive(pid, started) {
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
