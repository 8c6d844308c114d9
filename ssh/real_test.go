package ssh

import (
	"bytes"
	"context"
	"io"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stowage-iac/stowage/api"
	"github.com/stowage-iac/stowage/test/hosts"
)

func labConfig(lab *hosts.Lab, i int, user string) Config {
	h := lab.Hosts[i]
	return Config{Name: h.Name, Address: h.Addr, User: user, PrivateKey: lab.Key, KnownHosts: lab.KnownHosts}
}

func labDial(t *testing.T, lab *hosts.Lab, i int, user string) Host {
	t.Helper()
	h, err := Dial(t.Context(), labConfig(lab, i, user), Options{AgentSocket: "none", Home: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

// Who may log in, as what, and what is said to who may not.
func TestRealUsersAndKeys(t *testing.T) {
	lab := hosts.Start(t, hosts.Options{N: 1})
	host := lab.Hosts[0]
	options := Options{AgentSocket: "none", Home: t.TempDir()}
	for _, user := range []string{"root", "deploy"} {
		h := labDial(t, lab, 0, user)
		if out, err := h.Run(t.Context(), Command{Script: "id -u"}); err != nil || out.Stdout != "0\n" {
			t.Errorf("%s: %+v, %v", user, out, err)
		}
		if err := h.Put(t.Context(), "/root/"+user+"/file", 0o600, -1, strings.NewReader("x")); err != nil {
			t.Errorf("%s: %v", user, err)
		}
		if out, err := h.Run(t.Context(), Command{Script: "stat -c '%U %a' /root/" + user + "/file"}); err != nil || out.Stdout != "root 600\n" {
			t.Errorf("%s: %+v, %v", user, out, err)
		}
		// What a cancelled command started is root's: the user could not end it.
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		if _, err := h.Run(ctx, Command{Script: "sleep 4321 & sleep 4321"}); err == nil {
			t.Errorf("%s: no error", user)
		}
		if out, err := h.Run(t.Context(), Command{Script: "ps -e -o args | grep -c '[s]leep 4321'; true"}); err != nil || out.Stdout != "0\n" {
			t.Errorf("%s: still running: %+v, %v", user, out, err)
		}
		s, err := Inspect(t.Context(), h)
		if err != nil || s.Init != "systemd" || s.PackageTool != "apt" || s.OS != "debian" || !s.Root || s.Hostname != host.Name {
			t.Errorf("%s: %+v, %v", user, s, err)
		}
		if l := (Listener{Protocol: "tcp", Port: 22, Process: "sshd"}); !listens(s, l) {
			t.Errorf("%s: sshd is not among %+v", user, s.Listeners)
		}
	}
	_, err := Dial(t.Context(), labConfig(lab, 0, "nosudo"), options)
	mentionsAll(t, err, ErrNoSudo, host.Name, "nosudo", "NOPASSWD")

	config := labConfig(lab, 0, "root")
	config.PrivateKey = newPerson(t).file
	_, err = Dial(t.Context(), config, options)
	mentionsAll(t, err, ErrAuth, host.Name, "SHA256:", "authorized_keys")

	old := host.HostKey()
	if err := host.SetHostKey(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err = Dial(t.Context(), labConfig(lab, 0, "root"), options)
	mentionsAll(t, err, ErrHostKeyChanged, host.Name, lab.KnownHosts+":1")
	config = labConfig(lab, 0, "root")
	config.HostKey = old
	_, err = Dial(t.Context(), config, options)
	mentionsAll(t, err, ErrHostKeyChanged, host.Name)
	config.HostKey = host.HostKey()
	if h, err := Dial(t.Context(), config, options); err != nil {
		t.Error(err)
	} else {
		h.Close()
	}
}

func listens(s Survey, want Listener) bool {
	for _, l := range s.Listeners {
		l.PID = 0
		if l == want {
			return true
		}
	}
	return false
}

// A reboot, a power cut and a cut wire: what was running fails with the reason,
// what comes after works as soon as the host does.
func TestRealHostGoesAndComesBack(t *testing.T) {
	lab := hosts.Start(t, hosts.Options{N: 1})
	host := lab.Hosts[0]
	h := labDial(t, lab, 0, "root")
	if err := host.Reboot(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Run(t.Context(), Command{Script: "true"}); err != nil {
		t.Errorf("after a reboot: %v", err)
	}

	running := make(chan error, 1)
	started, out := io.Pipe()
	go func() {
		_, err := h.Run(t.Context(), Command{Script: "echo started; sleep 1000", Stdout: out})
		running <- err
	}()
	if _, err := started.Read(make([]byte, 8)); err != nil {
		t.Fatal(err)
	}
	if err := host.PowerCut(t.Context()); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	err := <-running
	mentionsAll(t, err, ErrConnectionLost, host.Name)
	if took := time.Since(begin); took > 17*time.Second {
		t.Errorf("the power cut was noticed after %v", took)
	} else {
		t.Logf("the power cut was noticed after %v", took)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	_, err = h.Run(ctx, Command{Script: "true"})
	mentionsAll(t, err, ErrUnreachable, host.Name, net.JoinHostPort(host.Addr, "22"))
	if err := host.Boot(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Run(t.Context(), Command{Script: "true"}); err != nil {
		t.Errorf("after the power came back: %v", err)
	}
}

// A server that forbids forwarding gives the same answer as one where nothing
// listens; the helper on the host makes the difference.
func TestRealForwardingForbidden(t *testing.T) {
	lab := hosts.Start(t, hosts.Options{N: 1, Variant: hosts.Ready})
	h := labDial(t, lab, 0, "root")
	const socket = "/run/containerd/containerd.sock"
	c, err := h.Dial(t.Context(), socket)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	_, err = h.Dial(t.Context(), "/run/nothing.sock")
	mentionsAll(t, err, ErrNoSocket, "/run/nothing.sock")

	if _, err := h.Run(t.Context(), Command{Script: "echo AllowStreamLocalForwarding no > /etc/ssh/sshd_config.d/no.conf && systemctl reload ssh"}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for { // sshd starts itself anew, and listens again a moment later
		if h, err = Dial(ctx, labConfig(lab, 0, "root"), Options{AgentSocket: "none", Home: t.TempDir()}); err == nil {
			break
		} else if ctx.Err() != nil {
			t.Fatal(err)
		}
	}
	defer h.Close()
	_, err = h.Dial(t.Context(), socket)
	mentionsAll(t, err, ErrNoSocket, "stowaged") // the helper is not there yet
	if err := h.Put(t.Context(), api.Binary, 0o755, -1, strings.NewReader(perlHelper)); err != nil {
		t.Fatal(err)
	}
	if c, err = h.Dial(t.Context(), socket); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	// containerd speaks HTTP/2: it greets with a frame of settings.
	if _, err := io.WriteString(c, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"); err != nil {
		t.Fatal(err)
	}
	head := make([]byte, 9)
	if _, err := io.ReadFull(c, head); err != nil || head[3] != 4 {
		t.Errorf("%v, %v", head, err)
	}
}

// perlHelper does what `stowaged dial-stdio` does, with what every Debian has.
const perlHelper = `#!/usr/bin/perl
use IO::Socket::UNIX; use IO::Select;
$c = IO::Socket::UNIX->new($ARGV[1]) or die "stowaged: $!\n";
$s = IO::Select->new(\*STDIN, $c);
while (1) { for ($s->can_read) {
  $from = $_;
  if (!sysread($from, $b, 65536)) { exit 0 if $from == $c; $s->remove($from); shutdown($c, 1); next }
  syswrite($from == $c ? \*STDOUT : $c, $b);
} }
`

// The bytes per second of Put, beside those of the ssh client.
func TestRealUploadSpeed(t *testing.T) {
	lab := hosts.Start(t, hosts.Options{N: 1})
	data := random(100 << 20)
	begin := time.Now()
	cat := exec.Command("ssh", "-i", lab.Key, "-o", "UserKnownHostsFile="+lab.KnownHosts, "root@"+lab.Hosts[0].Addr, "cat > /root/floor")
	cat.Stdin = bytes.NewReader(data)
	if out, err := cat.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	floor := time.Since(begin)
	h := labDial(t, lab, 0, "root")
	begin = time.Now()
	if _, err := h.Run(t.Context(), Command{Script: "cat > /root/ours", Stdin: bytes.NewReader(data)}); err != nil {
		t.Fatal(err)
	}
	run := time.Since(begin)
	begin = time.Now()
	if err := h.Put(t.Context(), "/root/put", 0o600, int64(len(data)), bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	t.Logf("100 MiB: ssh cat %v, Run %v, Put (verified and synced) %v", floor, run, time.Since(begin))
	if run > 3*floor {
		t.Errorf("an upload took %v, ssh %v", run, floor)
	}
}
