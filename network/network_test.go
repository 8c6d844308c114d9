package network

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

var testRange = netip.MustParsePrefix("10.210.7.0/24")

func options(t *testing.T) Options {
	o := Options{Bridge: "stowage0", Table: "stowage", RunDir: t.TempDir(), DataDir: t.TempDir(), Supernet: netip.MustParsePrefix("10.210.0.0/16")}
	t.Cleanup(func() {
		if err := Teardown(context.Background(), o); err != nil {
			t.Error(err)
		}
	})
	return o
}

func start(t *testing.T, o Options) *Network {
	t.Helper()
	n := New(o)
	if err := n.Start(t.Context(), testRange); err != nil {
		t.Fatal(err)
	}
	return n
}

func create(t *testing.T, n *Network, id string) Pod {
	t.Helper()
	p, err := n.Create(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// inPod runs f on a thread in the pod's network namespace.
func inPod(t *testing.T, p Pod, f func() error) {
	t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		back, err := openNamespaces("net")
		if err != nil {
			done <- err
			return
		}
		fd, err := os.Open(p.Net)
		if err == nil {
			defer fd.Close()
			err = unix.Setns(int(fd.Fd()), unix.CLONE_NEWNET)
		}
		if err == nil {
			err = f()
		}
		done <- errors.Join(err, back.enter())
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// serve answers every TCP connection and UDP packet at port of the pod with name.
func serve(t *testing.T, p Pod, port int, name string) {
	t.Helper()
	inPod(t, p, func() error {
		addr := fmt.Sprintf(":%d", port)
		l, err := net.Listen("tcp4", addr)
		if err != nil {
			return err
		}
		u, err := net.ListenPacket("udp4", addr)
		if err != nil {
			return err
		}
		t.Cleanup(func() { l.Close(); u.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				fmt.Fprintf(c, "%s sees %s\n", name, c.RemoteAddr().(*net.TCPAddr).IP)
				c.Close()
			}
		}()
		go func() {
			b := make([]byte, 100)
			for {
				_, from, err := u.ReadFrom(b)
				if err != nil {
					return
				}
				fmt.Fprintf(packetTo{u, from}, "%s sees %s\n", name, from.(*net.UDPAddr).IP)
			}
		}()
		return nil
	})
}

type packetTo struct {
	net.PacketConn
	to net.Addr
}

func (p packetTo) Write(b []byte) (int, error) { return p.WriteTo(b, p.to) }

// ask connects, sends a byte and returns the answer's line.
func ask(proto, addr string) (string, error) {
	c, err := net.DialTimeout(proto, addr, 2*time.Second)
	if err != nil {
		return "", err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(2 * time.Second))
	if proto == "udp4" {
		c.Write([]byte("?"))
	}
	line, err := bufio.NewReader(c).ReadString('\n')
	if errors.Is(err, io.EOF) && line != "" {
		err = nil
	}
	return strings.TrimSpace(line), err
}

func expect(t *testing.T, proto, addr, want string) {
	t.Helper()
	got, err := ask(proto, addr)
	if err != nil || got != want {
		t.Errorf("%s %s: got %q, %v; want %q", proto, addr, got, err, want)
	}
}

func TestHostPortLeadsToPod(t *testing.T) {
	n := start(t, options(t))
	// A client beyond the host, and the host's address on that side.
	far := outside(t)
	web, other := create(t, n, "web-0"), create(t, n, "other-0")
	serve(t, web, 80, "web")
	ports := []HostPort{{"tcp", 8080, 80}, {"udp", 8080, 80}}
	if err := n.Publish(web, ports); err != nil {
		t.Fatal(err)
	}
	gw := gateway(testRange).String()
	for _, proto := range []string{"tcp4", "udp4"} {
		expect(t, proto, web.IP.String()+":80", "web sees "+gw)
		expect(t, proto, "127.0.0.1:8080", "web sees "+gw)
		expect(t, proto, "192.0.2.1:8080", "web sees 192.0.2.1")
		inPod(t, far, func() error { expect(t, proto, "192.0.2.1:8080", "web sees 192.0.2.2"); return nil })
		inPod(t, other, func() error {
			expect(t, proto, web.IP.String()+":80", "web sees "+other.IP.String())
			expect(t, proto, "192.0.2.1:8080", "web sees "+gw)
			return nil
		})
		inPod(t, web, func() error { // itself, through its host port
			expect(t, proto, "192.0.2.1:8080", "web sees "+gw)
			return nil
		})
	}
	if err := n.Publish(web, nil); err != nil {
		t.Fatal(err)
	}
	if got, err := ask("tcp4", "192.0.2.1:8080"); err == nil {
		t.Errorf("a withdrawn port still answers %q", got)
	}
}

// outside is a namespace beyond the host, at 192.0.2.2; the host is 192.0.2.1 there.
func outside(t *testing.T) Pod {
	dir := t.TempDir()
	far := Pod{ID: "far", IP: netip.MustParseAddr("192.0.2.2"), Net: filepath.Join(dir, "far/net"), IPC: filepath.Join(dir, "far/ipc")}
	if err := pinNamespaces(far); err != nil {
		t.Fatal(err)
	}
	run("ip", "link", "add", "up0", "type", "veth", "peer", "name", "far0")
	run("ip", "addr", "add", "192.0.2.1/24", "dev", "up0")
	run("ip", "link", "set", "up0", "up")
	run("nsenter", "--net="+far.Net, "ip", "link", "set", "lo", "up")
	fd, err := os.Open(far.Net)
	if err != nil {
		t.Fatal(err)
	}
	defer fd.Close()
	l, err := netlink.LinkByName("far0")
	if err != nil {
		t.Fatal(err)
	}
	if err := netlink.LinkSetNsFd(l, int(fd.Fd())); err != nil {
		t.Fatal(err)
	}
	run("nsenter", "--net="+far.Net, "ip", "addr", "add", "192.0.2.2/24", "dev", "far0")
	run("nsenter", "--net="+far.Net, "ip", "link", "set", "far0", "up")
	t.Cleanup(func() {
		run("ip", "link", "del", "up0")
		if err := unpinNamespaces(filepath.Join(dir, "far")); err != nil {
			t.Error(err)
		}
	})
	return far
}

func TestEgressIsMasqueraded(t *testing.T) {
	n := start(t, options(t))
	far := outside(t)
	serve(t, far, 53, "far")
	pod := create(t, n, "web-0")
	inPod(t, pod, func() error {
		expect(t, "tcp4", "192.0.2.2:53", "far sees 192.0.2.1")
		expect(t, "udp4", "192.0.2.2:53", "far sees 192.0.2.1")
		return nil
	})
}

func TestPodsCannotReachTheHostsLoopback(t *testing.T) {
	n := start(t, options(t))
	l, err := net.ListenPacket("udp4", "127.0.0.1:9000")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	pod := create(t, n, "web-0")
	// What a pod with CAP_NET_ADMIN could do: send 127.0.0.1 out of its eth0.
	for _, cmd := range []string{
		"ip route del local 127.0.0.1 dev lo table local",
		"ip route del local 127.0.0.0/8 dev lo table local",
		"ip route add 127.0.0.1/32 via " + gateway(testRange).String() + " src " + pod.IP.String(),
		"sysctl -q net.ipv4.conf.eth0.route_localnet=1",
	} {
		run("nsenter", append([]string{"--net=" + pod.Net}, strings.Fields(cmd)...)...)
	}
	inPod(t, pod, func() error {
		c, err := net.Dial("udp4", "127.0.0.1:9000")
		if err != nil {
			return err
		}
		defer c.Close()
		_, err = c.Write([]byte("hello"))
		return err
	})
	l.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
	if k, from, err := l.ReadFrom(make([]byte, 100)); err == nil {
		t.Errorf("a loopback listener of the host got %d bytes from %s", k, from)
	}
}

func TestTakenPortsNameTheirHolder(t *testing.T) {
	n := start(t, options(t))
	a, b := create(t, n, "a-0"), create(t, n, "b-0")
	if err := n.Publish(a, []HostPort{{"tcp", 8080, 80}}); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", ":9090")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	u, err := net.ListenPacket("udp4", "127.0.0.1:9091")
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	self := fmt.Sprintf("exe (pid %d)", os.Getpid())
	for _, c := range []struct {
		port   HostPort
		holder string
	}{
		{HostPort{"tcp", 8080, 80}, "pod a-0"},
		{HostPort{"tcp", 9090, 80}, self},
		{HostPort{"udp", 9091, 80}, self},
	} {
		err := n.Publish(b, []HostPort{{"tcp", 7070, 70}, c.port})
		var taken *PortTakenError
		if !errors.As(err, &taken) || taken.Holder != c.holder {
			t.Errorf("%v: got %v; want it held by %s", c.port, err, c.holder)
		}
	}
	if table := run("nft", "list", "table", "ip", "stowage"); strings.Contains(table, "7070") {
		t.Errorf("a refused change was made in part:\n%s", table)
	}
	if err := n.Publish(b, []HostPort{{"udp", 8080, 80}}); err != nil {
		t.Errorf("the same port of another protocol: %v", err)
	}
}

// A client that connects in a loop while other ports change never sees a failure.
func TestUpdatesDropNoTraffic(t *testing.T) {
	n := start(t, options(t))
	web := create(t, n, "web-0")
	serve(t, web, 80, "web")
	if err := n.Publish(web, []HostPort{{"tcp", 8080, 80}}); err != nil {
		t.Fatal(err)
	}
	stop, failed := make(chan struct{}), make(chan error, 1)
	go func() {
		defer close(failed)
		for {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := ask("tcp4", "127.0.0.1:8080"); err != nil {
				failed <- err
				return
			}
		}
	}()
	other := create(t, n, "other-0")
	for i := range 20 {
		if err := n.Publish(other, []HostPort{{"tcp", uint16(10000 + i), 80}, {"udp", uint16(10000 + i), 80}}); err != nil {
			t.Fatal(err)
		}
		if i%10 == 0 { // a restarted agent lays its table again
			again := New(n.o)
			if err := again.Start(t.Context(), testRange); err != nil {
				t.Fatal(err)
			}
		}
	}
	close(stop)
	if err := <-failed; err != nil {
		t.Fatal(err)
	}
}

func TestRestartContinuesWithWhatIsThere(t *testing.T) {
	o := options(t)
	n := start(t, o)
	web := create(t, n, "web-0")
	gone := create(t, n, "gone-0")
	serve(t, web, 80, "web")
	for p, port := range map[Pod]uint16{web: 8080, gone: 8081} {
		if err := n.Publish(p, []HostPort{{"tcp", port, 80}}); err != nil {
			t.Fatal(err)
		}
	}
	n = start(t, o)
	expect(t, "tcp4", "127.0.0.1:8080", "web sees 10.210.7.1")
	if err := n.Retain(map[string]bool{"web-0": true}); err != nil {
		t.Fatal(err)
	}
	if again := create(t, n, "web-0"); again != web {
		t.Errorf("web-0 was %v and is %v", web, again)
	}
	expect(t, "tcp4", "127.0.0.1:8080", "web sees 10.210.7.1")
	if _, err := os.Stat(gone.Net); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the namespace of a pod that is gone: %v", err)
	}
	if table := run("nft", "list", "table", "ip", "stowage"); strings.Contains(table, "8081") {
		t.Errorf("the port of a pod that is gone is still there:\n%s", table)
	}
	fresh := create(t, n, "fresh-0")
	if fresh.IP == web.IP {
		t.Errorf("%s was given twice", web.IP)
	}
}

// After a reboot the files are there and the mounts are not.
func TestRebootKeepsAddresses(t *testing.T) {
	o := options(t)
	n := start(t, o)
	before := []Pod{create(t, n, "a-0"), create(t, n, "b-0")}
	for _, p := range before {
		for _, path := range []string{p.Net, p.IPC} {
			if err := unix.Unmount(path, 0); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := removeBridge(o.Bridge); err != nil {
		t.Fatal(err)
	}
	if err := removeTable(o.Table); err != nil {
		t.Fatal(err)
	}
	n = start(t, o)
	for _, p := range before {
		if after := create(t, n, p.ID); after != p {
			t.Errorf("%v is %v after a reboot", p, after)
		}
	}
}

func TestTeardownLeavesNothing(t *testing.T) {
	if err := os.WriteFile(forwardSysctl, []byte("0"), 0o644); err != nil {
		t.Fatal(err)
	}
	before := run("nft", "list", "ruleset") + run("ip", "-br", "link") + run("ip", "route", "show", "table", "all")
	o := options(t)
	n := start(t, o)
	for i := range 5 {
		p := create(t, n, fmt.Sprintf("web-%d", i))
		if err := n.Publish(p, []HostPort{{"tcp", uint16(8000 + i), 80}}); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := Teardown(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	after := run("nft", "list", "ruleset") + run("ip", "-br", "link") + run("ip", "route", "show", "table", "all")
	if before != after {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
	if b, _ := os.ReadFile(forwardSysctl); string(b) != "0\n" {
		t.Errorf("ip_forward is %q, was 0", b)
	}
	left, _ := filepath.Glob(o.RunDir + "/*")
	data, _ := filepath.Glob(o.DataDir + "/*")
	if len(left)+len(data) != 0 {
		t.Errorf("left: %v %v", left, data)
	}
}

// A firewall's reload often begins with "flush ruleset".
func TestHealAfterDamageByOthers(t *testing.T) {
	n := start(t, options(t))
	web := create(t, n, "web-0")
	serve(t, web, 80, "web")
	if err := n.Publish(web, []HostPort{{"tcp", 8080, 80}}); err != nil {
		t.Fatal(err)
	}
	if healed, err := n.Heal(t.Context()); healed || err != nil {
		t.Errorf("nothing was wrong: %v, %v", healed, err)
	}
	for _, damage := range []string{"nft flush ruleset", "nft flush chain ip stowage output", "nft flush map ip stowage tcp_ports", "ip link del stowage0"} {
		f := strings.Fields(damage)
		run(f[0], f[1:]...)
		if _, err := ask("tcp4", "127.0.0.1:8080"); err == nil {
			t.Fatalf("%s did no harm", damage)
		}
		if healed, err := n.Heal(t.Context()); !healed || err != nil {
			t.Errorf("after %s: %v, %v", damage, healed, err)
		}
		expect(t, "tcp4", "127.0.0.1:8080", "web sees 10.210.7.1")
	}
}

func TestForeignDropPolicyIsNamed(t *testing.T) {
	run("nft", "add table ip filter; add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }")
	defer run("nft", "delete table ip filter")
	n := start(t, options(t))
	if w := n.Warnings(); len(w) != 1 || !strings.Contains(w[0], `"FORWARD" of table "filter"`) {
		t.Errorf("warnings: %q", w)
	}
}

// The time of a pod's namespaces, link and address; removal is not in it.
func BenchmarkCreate(b *testing.B) {
	o := Options{Bridge: "stowage0", Table: "stowage", RunDir: b.TempDir(), DataDir: b.TempDir(), Supernet: netip.MustParsePrefix("10.210.0.0/16")}
	n := New(o)
	if err := n.Start(b.Context(), testRange); err != nil {
		b.Fatal(err)
	}
	defer Teardown(context.Background(), o)
	for b.Loop() {
		if _, err := n.Create(b.Context(), "web-0"); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := n.Delete("web-0"); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}
