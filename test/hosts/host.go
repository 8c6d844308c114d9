package hosts

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// bootTimeout bounds a boot whose context has no deadline. A boot takes about
// a second; a machine that compiles meanwhile makes it several.
const bootTimeout = time.Minute

// Host is one Debian host. Its methods may be called from several goroutines;
// those that switch it on or off wait for each other.
type Host struct {
	Name string // h1, h2, …; its host name
	Addr string // its IPv4 address; sshd listens on port 22

	index int
	lab   *Lab
	disk  disk

	mu      sync.Mutex    // held while the host is switched on or off
	on      bool          // it should run; a reboot from inside starts it again
	ended   chan struct{} // closed when the nspawn that we started has ended
	exit    error         // how it ended
	keyMu   sync.Mutex
	hostKey string
}

// HostKey is the host's public key as known_hosts has it, "ssh-ed25519 AAAA…".
func (h *Host) HostKey() string {
	h.keyMu.Lock()
	defer h.keyMu.Unlock()
	return h.hostKey
}

// Root is the host's root directory as the machine sees it: all that is on its
// disk, also while it is off. /proc, /dev, /run and other mounts that a running
// host makes for itself are not in it; see Live.
func (h *Host) Root() string { return h.disk.root() }

// Live is the running host's root directory as its own processes see it, with
// /run and every other mount. It is valid until the host is switched off.
func (h *Host) Live() (string, error) {
	pids, err := processes(h.machine())
	if err != nil {
		return "", h.fail("look inside", err)
	}
	init := initProcess(pids)
	if init == 0 {
		return "", h.fail("look inside", errors.New("it is off"))
	}
	return fmt.Sprintf("/proc/%d/root", init), nil
}

// Processes lists the ids, as the machine has them, of all that runs in the
// host, containers included, and of its nspawn.
func (h *Host) Processes() ([]int, error) { return processes(h.machine()) }

// Running reports whether the host is switched on.
func (h *Host) Running() bool {
	pids, err := processes(h.machine())
	return err == nil && len(pids) > 0
}

// PowerCut takes the host's power away: from one moment to the next it neither
// runs nor answers. Its disk stays as it is.
func (h *Host) PowerCut(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.on = false
	// First the cable, so that no dying process says goodbye.
	if err := unplug(ctx, h.lab.slot, h.index); err != nil {
		return h.fail("power cut", err)
	}
	if err := killAll(ctx, h.machine()); err != nil {
		return h.fail("power cut", err)
	}
	if err := h.clear(ctx); err != nil {
		return h.fail("power cut", err)
	}
	return nil
}

// Boot switches the host on and waits until it answers on port 22.
func (h *Host) Boot(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.Running() {
		return h.fail("boot", errors.New("it is on already"))
	}
	if err := h.boot(ctx); err != nil {
		return h.fail("boot", err)
	}
	return nil
}

// Reboot shuts the host down in order, as systemctl reboot does, and boots it
// again. It returns when port 22 answers. A reboot from inside the host works
// as well, as long as the process that started its lab lives.
func (h *Host) Reboot(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	pids, err := processes(h.machine())
	if err != nil {
		return h.fail("reboot", err)
	}
	init := initProcess(pids)
	if init == 0 {
		return h.fail("reboot", errors.New("it is off"))
	}
	h.on = false                                // the nspawn that ends now is not to be started twice
	const rebootTarget = syscall.Signal(34 + 5) // SIGRTMIN+5, see systemd(1)
	if err := syscall.Kill(init, rebootTarget); err != nil {
		return h.fail("reboot", err)
	}
	wait, cancel := context.WithTimeoutCause(ctx, bootTimeout, errors.New("it takes too long"))
	defer cancel()
	if err := waitGone(wait, h.machine()); err != nil {
		return h.fail("reboot: shut down", err)
	}
	if err := h.boot(ctx); err != nil {
		return h.fail("reboot", err)
	}
	return nil
}

// boot starts a host that is off. h.mu is held.
func (h *Host) boot(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, bootTimeout, errors.New("it takes too long"))
	defer cancel()
	if err := h.clear(ctx); err != nil {
		return err
	}
	cgroups, err := makeCgroups(h.machine())
	if err != nil {
		return err
	}
	if err := plug(ctx, h.lab.slot, h.index); err != nil {
		return err
	}
	cmd, err := spawn(h.lab.slot, h.index, h.disk, cgroups)
	if err != nil {
		return err
	}
	h.on = true
	h.ended = make(chan struct{})
	go h.follow(cmd, h.ended)
	// From here on the process can be found, and ended, by its cgroups.
	for inside := cgroups[len(cgroups)-1:]; len(processesIn(inside)) == 0; {
		select {
		case <-h.ended:
			return h.endedEarly()
		case <-time.After(time.Millisecond):
		}
	}
	return h.waitBooted(ctx)
}

// waitBooted waits until the host answers on port 22 and lets users in; with
// containerd enabled also for its socket.
func (h *Host) waitBooted(ctx context.Context) error {
	for answered := false; ; {
		answered = answered || h.answers(ctx)
		if answered && h.settled() {
			return nil
		}
		select {
		case <-h.ended:
			return h.endedEarly()
		case <-ctx.Done():
			return fmt.Errorf("port 22 does not answer: %w; its console:\n%s", context.Cause(ctx), tail(h.disk.console(), 15))
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (h *Host) endedEarly() error {
	return fmt.Errorf("it ended while booting (%v); its console:\n%s", h.exit, tail(h.disk.console(), 15))
}

// settled looks into the running host for what comes a moment after sshd.
func (h *Host) settled() bool {
	live, err := h.Live()
	if err != nil || exists(live+"/run/nologin") {
		return false
	}
	enabled := exists(live + "/etc/systemd/system/multi-user.target.wants/containerd.service")
	return !enabled || exists(live+"/run/containerd/containerd.sock")
}

// follow waits for a host's nspawn to end. When the host rebooted by itself,
// it starts it again.
func (h *Host) follow(cmd *exec.Cmd, ended chan struct{}) {
	err := cmd.Wait()
	h.exit = err
	close(ended)
	if !rebooted(err) {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.on && !h.Running() {
		if err := h.boot(context.Background()); err != nil {
			fmt.Fprintf(h.lab.log, "%v\n", h.fail("reboot from inside", err))
		}
	}
}

// clear removes what a host that is off leaves in the kernel: its cable and
// network namespace (with their addresses, rules and sockets) and its cgroups.
func (h *Host) clear(ctx context.Context) error {
	if h.ended != nil {
		select {
		case <-h.ended:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	if err := unplug(ctx, h.lab.slot, h.index); err != nil {
		return err
	}
	if err := dropNamespace(ctx, h.lab.slot, h.index); err != nil {
		return err
	}
	if err := removeNspawnTraces(h.machine()); err != nil {
		return err
	}
	return removeCgroups(ctx, h.machine())
}

// FillDisk leaves the host at most left bytes free on its disk. It needs
// Options.Disk.
func (h *Host) FillDisk(left int64) error {
	if err := h.disk.fill(left); err != nil {
		return h.fail("fill its disk", err)
	}
	return nil
}

// FreeDisk undoes FillDisk.
func (h *Host) FreeDisk() error {
	if err := h.disk.free(); err != nil {
		return h.fail("free its disk", err)
	}
	return nil
}

func (h *Host) machine() string { return h.lab.slot.machine(h.index) }

// fail gives an error the host's name.
func (h *Host) fail(what string, err error) error {
	return fmt.Errorf("test host %s (%s): %s: %w", h.Name, h.Addr, what, err)
}
