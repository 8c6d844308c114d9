package hosts

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

func TestThreeReadyHosts(t *testing.T) {
	t.Parallel()
	begin := time.Now()
	lab := Start(t, Options{N: 3, Variant: Ready})
	t.Logf("3 hosts ready after %.2f s", time.Since(begin).Seconds())
	h1, h2, h3 := lab.Hosts[0], lab.Hosts[1], lab.Hosts[2]

	for _, h := range lab.Hosts {
		if got := must(t, h, "hostname"); got != h.Name {
			t.Errorf("host %s calls itself %q", h.Name, got)
		}
		must(t, h, "ctr version && ctr plugins ls | grep -q 'overlayfs .* ok' && conntrack --version && test -x /usr/lib/cni/bridge")
		must(t, h, "test -c /dev/fuse -a -c /dev/net/tun && test \"$(systemctl is-system-running --wait)\" = running")
	}
	if a, b := must(t, h1, "cat /etc/machine-id"), must(t, h2, "cat /etc/machine-id"); a == b {
		t.Errorf("h1 and h2 share the machine id %s", a)
	}

	t.Run("container", func(t *testing.T) { testContainer(t, h1) })
	t.Run("users", func(t *testing.T) { testUsers(t, h1) })
	t.Run("power cut", func(t *testing.T) { testPowerCut(t, h2, h1) })
	t.Run("reboot", func(t *testing.T) { testReboot(t, h2) })
	t.Run("reboot from inside", func(t *testing.T) { testRebootFromInside(t, h2) })
	t.Run("partition", func(t *testing.T) { testPartition(t, h1, h2, h3) })
	t.Run("host key", func(t *testing.T) { testHostKey(t, lab, h3) })
	t.Run("known_hosts", func(t *testing.T) {
		for _, h := range []*Host{h1, h2} {
			_, err := run(t.Context(), "ssh", "-i", lab.Key, "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes",
				"-o", "UserKnownHostsFile="+lab.KnownHosts, "deploy@"+h.Addr, "true")
			if err != nil {
				t.Errorf("%s: %v", h.Name, err)
			}
		}
	})
}

// testContainer runs a container whose root is the host's own, with and
// without more memory than it may have.
func testContainer(t *testing.T, h *Host) {
	must(t, h, "mkdir /srv/root && mount --bind / /srv/root")
	if got := must(t, h, "ctr run --rm --rootfs /srv/root hello /bin/echo hello"); got != "hello" {
		t.Errorf("the container printed %q", got)
	}
	const use50M = `/bin/sh -c '/usr/bin/head -c 60M /dev/zero | /usr/bin/tail -c 50M | /usr/bin/wc -c'`
	if got := must(t, h, "ctr run --rm --memory-limit 200000000 --rootfs /srv/root roomy "+use50M); got != "52428800" {
		t.Errorf("with 200 MB of memory: %q", got)
	}
	// The kernel ends one of its processes, or all.
	if got, _ := h.Run(t.Context(), "ctr run --rm --memory-limit 20000000 --rootfs /srv/root tight "+use50M); strings.Contains(got, "52428800") {
		t.Error("20 MB of memory hold 50 MB")
	}
	if _, err := os.Stat(filepath.Join(h.Root(), "var/lib/containerd/io.containerd.metadata.v1.bolt")); err != nil {
		t.Errorf("Root does not show containerd's directory: %v", err)
	}
	live, err := h.Live()
	if err != nil {
		t.Fatal(err)
	}
	if !exists(live + "/run/containerd/containerd.sock") {
		t.Error("Live does not show /run")
	}
}

func testUsers(t *testing.T, h *Host) {
	ctx := t.Context()
	if out, err := h.RunAs(ctx, "deploy", "sudo -n id -un"); err != nil || out != "root\n" {
		t.Errorf("deploy: sudo id: %q, %v", out, err)
	}
	out, err := h.RunAs(ctx, "nosudo", "id -un && sudo -n true")
	if out != "nosudo\n" || err == nil {
		t.Errorf("nosudo: sudo true: %q, %v; want a refusal", out, err)
	}
	var exit *ssh.ExitError
	if !errors.As(err, &exit) || !strings.Contains(err.Error(), h.Name) || !strings.Contains(err.Error(), "password is required") {
		t.Errorf("the error does not say where and why: %v", err)
	}
}

func testPowerCut(t *testing.T, h, other *Host) {
	ctx := t.Context()
	before := must(t, h, "echo kept >/root/kept && sync /root/kept && echo lost >/run/lost && ip link add left type bridge && cat /proc/sys/kernel/random/boot_id")
	pids, err := h.Processes()
	if err != nil || len(pids) < 5 {
		t.Fatalf("processes of a running host: %v, %v", pids, err)
	}
	begin := time.Now()
	if err := h.PowerCut(ctx); err != nil {
		t.Fatal(err)
	}
	t.Logf("power cut: %.2f s", time.Since(begin).Seconds())
	if h.Running() {
		t.Error("it runs on")
	}
	if reachable(h) {
		t.Error("port 22 answers after the power cut")
	}
	if out, err := other.Run(ctx, "ping -c 1 -W 1 "+h.Addr); err == nil {
		t.Errorf("it answers a ping: %s", out)
	}
	if got, err := os.ReadFile(filepath.Join(h.Root(), "root/kept")); string(got) != "kept\n" {
		t.Errorf("its disk, seen from the machine: %q, %v", got, err)
	}
	if err := h.PowerCut(ctx); err != nil {
		t.Errorf("a second power cut: %v", err)
	}

	begin = time.Now()
	if err := h.Boot(ctx); err != nil {
		t.Fatal(err)
	}
	t.Logf("boot: %.2f s", time.Since(begin).Seconds())
	after := must(t, h, "cat /root/kept && ! test -e /run/lost && ! ip link show left 2>/dev/null && cat /proc/sys/kernel/random/boot_id")
	if id, ok := strings.CutPrefix(after, "kept\n"); !ok || id == before {
		t.Errorf("after the boot: %q; boot id before: %s", after, before)
	}
	if err := h.Boot(ctx); err == nil {
		t.Error("a running host boots")
	}
	must(t, other, "ping -c 1 -W 2 "+h.Addr)
}

func testReboot(t *testing.T, h *Host) {
	before := must(t, h, "echo kept >/root/kept; cat /proc/sys/kernel/random/boot_id")
	begin := time.Now()
	if err := h.Reboot(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Logf("reboot: %.2f s", time.Since(begin).Seconds())
	after := must(t, h, "cat /root/kept /proc/sys/kernel/random/boot_id")
	if id, ok := strings.CutPrefix(after, "kept\n"); !ok || id == before {
		t.Errorf("after the reboot: %q; boot id before: %s", after, before)
	}
}

func testRebootFromInside(t *testing.T, h *Host) {
	before := must(t, h, "cat /proc/sys/kernel/random/boot_id")
	h.Run(t.Context(), "systemctl reboot") // the connection may or may not end in order
	for deadline := time.Now().Add(20 * time.Second); ; {
		after, err := h.Run(t.Context(), "cat /proc/sys/kernel/random/boot_id")
		if err == nil && strings.TrimSpace(after) != before {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("it does not come back: %v", err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func testPartition(t *testing.T, h1, h2, h3 *Host) {
	ctx := t.Context()
	pings := func(from, to *Host) bool {
		_, err := from.Run(ctx, "ping -c 1 -W 1 "+to.Addr)
		return err == nil
	}
	if err := h1.Partition(ctx); err != nil {
		t.Fatal(err)
	}
	if reachable(h1) || pings(h2, h1) {
		t.Error("it is reachable in a partition")
	}
	if !h1.Running() {
		t.Error("a partition switched it off")
	}
	if live, err := h1.Live(); err != nil {
		t.Error(err)
	} else if carrier, _ := os.ReadFile(live + "/sys/class/net/eth0/carrier"); string(carrier) != "1\n" {
		t.Errorf("its network card has no link: %q", carrier)
	}
	if err := h1.Heal(ctx); err != nil {
		t.Fatal(err)
	}
	// A neighbour that did not answer is asked again after a second or so.
	eventually := func(what string, ok func() bool) {
		t.Helper()
		for range 10 {
			if ok() {
				return
			}
		}
		t.Errorf("after Heal %s", what)
	}
	eventually("h1 is not reachable", func() bool { return reachable(h1) })
	eventually("h2 does not reach h1", func() bool { return pings(h2, h1) })

	if err := h1.Partition(ctx, h2); err != nil {
		t.Fatal(err)
	}
	if pings(h1, h2) || pings(h2, h1) {
		t.Error("h1 and h2 reach each other in a partition")
	}
	if !pings(h1, h3) || !pings(h3, h2) {
		t.Error("a partition of h1 and h2 keeps them from h3")
	}
	if err := h1.Heal(ctx); err != nil {
		t.Fatal(err)
	}
	eventually("h1 does not reach h2", func() bool { return pings(h1, h2) })
	if err := h1.Heal(ctx); err != nil {
		t.Errorf("Heal without a partition: %v", err)
	}
}

func testHostKey(t *testing.T, lab *Lab, h *Host) {
	old := h.HostKey()
	if err := h.SetHostKey(t.Context()); err != nil {
		t.Fatal(err)
	}
	if h.HostKey() == old {
		t.Error("the key is the old one")
	}
	must(t, h, "true") // Run checks the key
	_, err := run(t.Context(), "ssh", "-i", lab.Key, "-o", "BatchMode=yes", "-o", "UserKnownHostsFile="+lab.KnownHosts, "root@"+h.Addr, "true")
	if err == nil || !strings.Contains(err.Error(), "IDENTIFICATION HAS CHANGED") {
		t.Errorf("ssh with the lab's known_hosts: %v; want a refusal", err)
	}
}

func TestBareHost(t *testing.T) {
	t.Parallel()
	h := Start(t, Options{Variant: Bare, Disk: 3 << 30}).Hosts[0]
	must(t, h, "! command -v containerd && ! command -v runc && ! command -v ctr")

	t.Run("bootstrap", func(t *testing.T) {
		begin := time.Now()
		out, err := h.RunAs(t.Context(), "deploy", "sudo apt-get update && sudo DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends containerd runc 2>&1")
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		t.Logf("apt-get update and install: %.1f s", time.Since(begin).Seconds())
		must(t, h, "ctr version")
	})

	t.Run("full disk", func(t *testing.T) {
		if err := h.FillDisk(1 << 20); err != nil {
			t.Fatal(err)
		}
		for _, dir := range []string{"/root", "/var/lib/containerd"} {
			_, err := h.Run(t.Context(), "head -c 5M /dev/zero >"+dir+"/big")
			if err == nil || !strings.Contains(err.Error(), "No space left") {
				t.Errorf("5 MB in 1 MB of %s: %v", dir, err)
			}
			must(t, h, "rm "+dir+"/big")
		}
		if err := h.FreeDisk(); err != nil {
			t.Fatal(err)
		}
		must(t, h, "head -c 5M /dev/zero >/root/big && sync /root/big && rm /root/big")
	})
}

// must runs a command in a host and returns its output without the newline.
func must(t *testing.T, h *Host, command string) string {
	t.Helper()
	out, err := h.Run(t.Context(), command)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return strings.TrimSuffix(out, "\n")
}

func reachable(h *Host) bool {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	return h.answers(ctx)
}
