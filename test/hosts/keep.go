package hosts

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// Keep lets the lab live on when this process ends, until somebody opens it
// and stops it. The Lab must not be used afterwards.
func (l *Lab) Keep() error {
	l.disown()
	l.record.Kept = true
	if err := l.write(); err != nil {
		return fmt.Errorf("test hosts: keep lab %d: %w", l.slot, err)
	}
	l.lock.remove()
	return nil
}

// Open takes a kept lab into this process, by its number. Give it back with
// Close, or end it with Stop. A host of an opened lab that reboots from inside
// stays off until it is booted.
func Open(ctx context.Context, number int) (*Lab, error) {
	s := slot(number)
	if number < 1 || number > maxSlot || !exists(s.dir()) {
		return nil, fmt.Errorf("test hosts: there is no lab %d", number)
	}
	lock, err := waitLock(ctx, s.lock())
	if err != nil {
		return nil, fmt.Errorf("test hosts: lab %d: %w", number, err)
	}
	r, err := readRecord(s)
	if err == nil && !r.Kept {
		err = errors.New("it belongs to a test")
	}
	if err != nil {
		lock.release()
		return nil, fmt.Errorf("test hosts: lab %d: %w", number, err)
	}
	return newLab(*r, lock, io.Discard), nil
}

// Close gives an opened lab back; its hosts run on.
func (l *Lab) Close() {
	l.disown()
	l.lock.remove()
}

// disown lets no host of the lab be started again by this process.
func (l *Lab) disown() {
	for _, h := range l.Hosts {
		h.mu.Lock()
		h.on = false
		h.mu.Unlock()
	}
}

// Number is the lab's number on this machine, for Open.
func (l *Lab) Number() int { return int(l.slot) }

// Info describes a lab that exists on the machine.
type Info struct {
	Number  int
	Variant Variant
	Kept    bool   // made by "hosts up"; the others belong to a running test
	Owner   string // the process that made it
	Created time.Time
	Hosts   []HostInfo
}

// HostInfo describes a host of a lab.
type HostInfo struct {
	Name, Addr string
	Running    bool
}

// List describes all labs of the machine, by number.
func List() ([]Info, error) {
	records, err := readRecords()
	if err != nil {
		return nil, fmt.Errorf("test hosts: %w", err)
	}
	var labs []Info
	for _, r := range records {
		info := Info{Number: int(r.Slot), Variant: r.Variant, Kept: r.Kept, Owner: r.Owner, Created: r.Created}
		for _, h := range newLab(*r, nil, io.Discard).Hosts {
			info.Hosts = append(info.Hosts, HostInfo{h.Name, h.Addr, h.Running()})
		}
		labs = append(labs, info)
	}
	return labs, nil
}

// Sweep removes the labs whose process died before it could. Every New does
// the same.
func Sweep(ctx context.Context) error {
	machine, err := lockMachine(ctx)
	if err != nil {
		return err
	}
	err = sweep(ctx)
	machine.releaseOrRemove()
	if err != nil {
		return fmt.Errorf("test hosts: %w", err)
	}
	return nil
}
