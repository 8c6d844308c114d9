package hosts

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// Options says which hosts a lab has. The zero value is one bare host.
type Options struct {
	N       int       // how many hosts; default 1, at most 99
	Variant Variant   // default Bare
	Disk    int64     // size of each host's disk in bytes; 0: the machine's free space
	Log     io.Writer // progress of slow steps; default none
}

// Lab is a set of running hosts that reach each other.
type Lab struct {
	Hosts      []*Host
	Key        string // path of the private key that every host lets in
	KnownHosts string // path of a known_hosts file with the keys of all hosts
	Dir        string // the lab's directory; it goes with the lab

	slot     slot
	lock     *fileLock
	recordMu sync.Mutex
	record   record
	log      io.Writer
}

// New boots a lab and returns when every host answers on port 22. It installs
// what the machine lacks and builds the base image if it is missing. The lab
// belongs to this process: Stop removes it, and if the process dies first, the
// next New of any process does.
func New(ctx context.Context, opts Options) (*Lab, error) {
	if opts.N == 0 {
		opts.N = 1
	}
	if opts.Variant == "" {
		opts.Variant = Bare
	}
	if opts.Log == nil {
		opts.Log = io.Discard
	}
	if opts.N < 1 || opts.N > 99 {
		return nil, fmt.Errorf("a lab of %d test hosts: want 1 to 99", opts.N)
	}
	base, err := prepare(ctx, opts.Variant, opts.Log)
	if err != nil {
		return nil, fmt.Errorf("test hosts: %w", err)
	}
	r := record{Variant: opts.Variant, Base: base, Owner: owner(), Created: time.Now().Round(time.Second)}
	for i := 1; i <= opts.N; i++ {
		r.Hosts = append(r.Hosts, hostRecord{Index: i})
	}
	slot, lock, err := claim(ctx, r, opts.N, opts.Log)
	if err != nil {
		return nil, fmt.Errorf("test hosts: %w", err)
	}
	r.Slot = slot
	l := newLab(r, lock, opts.Log)
	if err := l.start(ctx, opts); err != nil {
		return nil, errors.Join(fmt.Errorf("test hosts: lab %d: %w", slot, err), l.Stop(ctx))
	}
	return l, nil
}

// newLab is the lab of a record, as it is on the machine.
func newLab(r record, lock *fileLock, log io.Writer) *Lab {
	dir := r.Slot.dir()
	l := &Lab{
		Key:        filepath.Join(dir, "id_ed25519"),
		KnownHosts: filepath.Join(dir, "known_hosts"),
		Dir:        dir,
		slot:       r.Slot,
		lock:       lock,
		record:     r,
		log:        log,
	}
	for _, hr := range r.Hosts {
		name := fmt.Sprintf("h%d", hr.Index)
		l.Hosts = append(l.Hosts, &Host{
			Name:    name,
			Addr:    r.Slot.addr(hr.Index),
			index:   hr.Index,
			lab:     l,
			disk:    disk{filepath.Join(dir, name)},
			hostKey: hr.HostKey,
		})
	}
	return l
}

// start makes the lab's network and disks and boots the hosts.
func (l *Lab) start(ctx context.Context, opts Options) error {
	private, public, err := newKey("stowage test hosts")
	if err != nil {
		return err
	}
	if err := os.WriteFile(l.Key, private, 0o600); err != nil {
		return err
	}
	if err := os.WriteFile(l.Key+".pub", []byte(public+"\n"), 0o644); err != nil {
		return err
	}
	if err := networkUp(ctx, l.slot); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, h := range l.Hosts {
		group.Go(func() error {
			if err := h.install(ctx, l.record.Base, opts.Disk, public); err != nil {
				return h.fail("make its disk", err)
			}
			return h.Boot(ctx)
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	known, err := knownHosts(l.Hosts)
	if err != nil {
		return err
	}
	if err := os.WriteFile(l.KnownHosts, []byte(known), 0o644); err != nil {
		return err
	}
	return l.write()
}

// install makes the host's disk and writes what tells it from the others.
func (h *Host) install(ctx context.Context, base string, size int64, public string) error {
	if err := h.disk.create(ctx, base, size); err != nil {
		return err
	}
	resolv, err := resolvConf()
	if err != nil {
		return err
	}
	id := make([]byte, 16)
	rand.Read(id)
	names := "127.0.0.1 localhost\n127.0.1.1 " + h.Name + "\n::1 localhost ip6-localhost ip6-loopback\n"
	for _, file := range []struct{ path, text string }{
		{"/etc/machine-id", fmt.Sprintf("%x\n", id)},
		{"/etc/hostname", h.Name + "\n"},
		{"/etc/hosts", names},
		{"/etc/resolv.conf", resolv},
	} {
		if err := h.disk.write(file.path, []byte(file.text), 0o644); err != nil {
			return err
		}
	}
	if err := h.authorize(public); err != nil {
		return err
	}
	return h.newHostKey()
}

// resolvConf is the machine's list of name servers. A resolver on a loopback
// address is of no use to a host; systemd-resolved keeps the real ones beside.
func resolvConf() (string, error) {
	data, err := os.ReadFile("/run/systemd/resolve/resolv.conf")
	if err != nil {
		data, err = os.ReadFile("/etc/resolv.conf")
	}
	return string(data), err
}

// Stop switches the hosts off and removes all that the lab has on the machine.
// It does so even when ctx has ended.
func (l *Lab) Stop(ctx context.Context) error {
	for _, h := range l.Hosts {
		h.mu.Lock() // no host starts by itself from here on
		h.on = false
		defer h.mu.Unlock()
	}
	if err := destroyOne(ctx, l.slot, l.lock); err != nil {
		l.lock.release()
		return fmt.Errorf("test hosts: remove lab %d: %w", l.slot, err)
	}
	for _, h := range l.Hosts {
		if h.ended != nil {
			<-h.ended // no zombie either
		}
	}
	return nil
}

// write brings the lab's record up to date.
func (l *Lab) write() error {
	l.recordMu.Lock()
	defer l.recordMu.Unlock()
	for i, h := range l.Hosts {
		l.record.Hosts[i].HostKey = h.HostKey()
	}
	return l.record.write()
}
