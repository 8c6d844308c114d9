package hosts

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"
)

// maxHosts bounds the hosts that run on the machine at a time, over all labs.
// A host that idles takes some 60 MB and no CPU to speak of; a host that works
// wants its share of the CPUs. A lab that is larger runs when it is alone.
func maxHosts() int { return max(12, 8*runtime.NumCPU()) }

// claim takes a free lab number for n hosts and creates the lab's directory
// and record. It sweeps the labs of dead owners on its way, and waits while
// the machine is full.
func claim(ctx context.Context, r record, n int, log io.Writer) (slot, *fileLock, error) {
	for announced := false; ; announced = true {
		s, lock, err := tryClaim(ctx, r, n, log)
		if err != nil || lock != nil {
			return s, lock, err
		}
		if !announced {
			fmt.Fprintf(log, "waiting: with %d hosts more than %d would run on this machine\n", n, maxHosts())
		}
		if err := pause(ctx, 200*time.Millisecond); err != nil {
			return 0, nil, fmt.Errorf("wait for room for %d test hosts (\"hosts list\" shows the others): %w", n, err)
		}
	}
}

// tryClaim is one attempt; without room it returns no lock and no error.
func tryClaim(ctx context.Context, r record, n int, log io.Writer) (slot, *fileLock, error) {
	machine, err := lockMachine(ctx)
	if err != nil {
		return 0, nil, err
	}
	defer machine.release()
	if err := sweep(ctx); err != nil {
		fmt.Fprintln(log, err) // somebody else's; their number stays taken
	}
	records, err := readRecords()
	if err != nil {
		return 0, nil, err
	}
	running := 0
	for _, other := range records {
		running += len(other.Hosts)
	}
	if running > 0 && running+n > maxHosts() {
		return 0, nil, nil
	}
	for s := slot(1); s <= maxSlot; s++ {
		if exists(s.dir()) {
			continue
		}
		lock, err := tryLock(s.lock())
		if errors.Is(err, errLocked) {
			continue
		}
		if err != nil {
			return 0, nil, err
		}
		r.Slot = s
		if err := begin(&r); err != nil {
			os.RemoveAll(s.dir())
			lock.remove()
			return 0, nil, err
		}
		return s, lock, nil
	}
	return 0, nil, fmt.Errorf("all %d lab numbers are taken", maxSlot)
}

func begin(r *record) error {
	if err := os.MkdirAll(r.Slot.dir(), 0o755); err != nil {
		return err
	}
	if err := r.write(); err != nil {
		return err
	}
	return adjustMachine()
}

// sweep destroys the labs whose owner is dead. The machine must be locked.
func sweep(ctx context.Context) error {
	records, err := readRecords()
	if err != nil {
		return err
	}
	var errs []error
	for _, r := range records {
		if r.Kept {
			continue
		}
		lock, err := tryLock(r.Slot.lock())
		if errors.Is(err, errLocked) {
			continue // its owner lives
		}
		if err == nil {
			if err = destroy(ctx, r.Slot, lock); err != nil {
				lock.release()
			}
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("sweep lab %d, whose owner is gone: %w", r.Slot, err))
		}
	}
	return errors.Join(errs...)
}

// goneWithin bounds the wait for what the kernel removes a while after it was told.
const goneWithin = 20 * time.Second

// destroy removes a lab with all that it has on the machine, whatever of it
// exists. The caller holds the machine's lock and the lab's, and loses the
// latter.
func destroy(ctx context.Context, s slot, lock *fileLock) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	all := s.prefix() + "-*"
	for _, step := range []func() error{
		func() error { return killAll(ctx, all) },
		func() error { return networkDown(ctx, s) },
		func() error { return removeCgroups(ctx, all) },
		func() error { return removeNspawnTraces(all) },
		func() error { return removeTree(s.dir()) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	// A host that starts meanwhile has all mounts of the machine for a moment, and
	// the kernel lets go of a loop device only with its last mount.
	left, err := leftovers(ctx, s)
	for deadline := time.Now().Add(goneWithin); err == nil && len(left) > 0 && time.Now().Before(deadline); left, err = leftovers(ctx, s) {
		time.Sleep(50 * time.Millisecond)
	}
	if err != nil {
		return err
	}
	if len(left) > 0 {
		return fmt.Errorf("it left behind: %s", strings.Join(left, ", "))
	}
	lock.remove()
	records, err := readRecords()
	if err != nil || len(records) > 0 {
		return err
	}
	os.Remove(labsDir)
	return restoreMachine()
}

// destroyOne is destroy for callers that do not hold the machine's lock.
func destroyOne(ctx context.Context, s slot, lock *fileLock) error {
	machine, err := lockMachine(context.WithoutCancel(ctx))
	if err != nil {
		return err
	}
	err = destroy(ctx, s, lock)
	machine.releaseOrRemove()
	return err
}
